// The host of a board at the other end of a serial line: registers, memory, and greedy text by the sequences
// of the manifest (docs/host.md, docs/fpga.md).
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "golden/error.hpp"
#include "models/compiler/board.hpp"
#include "models/compiler/compiler.hpp"
#include "sim/board/board_link.hpp"

namespace pimllm::sim {

// The machine stopped with an error.
class MachineStopped : public Error {
  using Error::Error;
};

class BoardHost {
 public:
  // Throws Error if the model was not compiled for the board.
  BoardHost(ByteLine& line, const CompiledModel& compiled, const Board& board, Patience patience = {});

  // Finds the board and sets it up. Throws Error if nothing answers, if it is no machine of this kind, or if
  // it holds another model.
  void connect();

  struct Text {
    std::vector<int32_t> tokens;
    uint64_t steps = 0;   // tokens that the machine has worked on: prompt and new ones but the last
    uint64_t cycles = 0;  // while it worked on them, by its own counter
    int restarts = 0;     // after a reset, a lost frame or a stop with an error
  };
  // A machine that is quicker than the line (a tiny model) goes on by itself only until a token is lost; from
  // then on each token is asked for.
  //
  // `count` tokens that follow the prompt, from position 0; each is reported once, as it comes. What is lost
  // on the way (BoardReset, LineError, MachineStopped) is begun again from position 0, twice at most. Throws
  // Error for an empty prompt, ids outside the vocabulary, or more than the context.
  Text generate(std::span<const int32_t> prompt, int count, const std::function<void(int32_t)>& on_token);

  // Ends whatever the machine does and sets it up again.
  void recover();

  BoardLink& link() { return link_; }

 private:
  using Values = std::vector<std::pair<std::string_view, uint32_t>>;
  void set_up();
  void run(std::string_view sequence, const Values& values,
           const std::function<void(const BoardEvent&)>& each);
  void attempt(std::span<const int32_t> prompt, uint32_t count, const std::function<void(int32_t)>& on_token,
               Text& text);
  [[noreturn]] void report_stop();
  uint32_t address(std::string_view name) const;

  const CompiledModel& compiled_;
  Board board_;
  BoardLink link_;
  nlohmann::ordered_json host_;  // of the manifest
  bool one_by_one_ = false;
};

}  // namespace pimllm::sim
