// What a board adds to the files of rtl/pimllm.f, package first. Checked by rtl/check_lists.py.
rtl/board/board_pkg.sv
rtl/board/board_memory.sv
rtl/board/frame_rx.sv
rtl/board/frame_tx.sv
rtl/board/uart_bridge.sv
rtl/board/uart_rx.sv
rtl/board/uart_tx.sv
rtl/board/board.sv
rtl/board/ulx3s.sv
rtl/board/hx8k.sv
rtl/board/kv260.sv
