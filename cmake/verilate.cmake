# pimllm_verilate(NAME lib TOP module FILES f1 f2 ... [PARAMS A=1 B=2 ...] [TRACE] [LINES_ONLY])
# Makes the static library `lib` out of a SystemVerilog top, with class V<lib> in header V<lib>.h. FILES are relative to
# rtl/; the packages come first by themselves. Assertions are always compiled in.
# With PIMLLM_COVERAGE all but `paper` count lines, cover points and, unless LINES_ONLY, bits that toggle.
find_package(verilator HINTS $ENV{VERILATOR_ROOT} /usr/share/verilator REQUIRED)

# Coverage of a model, and where its counts go (tb/common/coverage.hpp).
set(coverage_args)
if(PIMLLM_COVERAGE)
  set(coverage_args --coverage-line --coverage-user)
  set(toggle_args --coverage-toggle --coverage-max-width 2048)  # but for memories no signal is wider
  add_library(pimllm_coverage STATIC ${PROJECT_SOURCE_DIR}/tb/common/coverage.cpp)
  target_include_directories(pimllm_coverage SYSTEM PUBLIC ${VERILATOR_ROOT}/include ${VERILATOR_ROOT}/include/vltstd)
  target_compile_definitions(pimllm_coverage PUBLIC PIMLLM_COVERAGE=1)
  target_link_libraries(pimllm_coverage PRIVATE pimllm_options fmt::fmt)
endif()

# A copy of rtl/ in another place (`make planted`, `make mutation`) is built in the same way, by those that are to take it.
set(PIMLLM_RTL_DIR ${PROJECT_SOURCE_DIR}/rtl CACHE PATH "Where the RTL is")
set(PIMLLM_RTL_FOR "" CACHE STRING "Verilated libraries that take it from there; all if empty")

function(pimllm_verilate)
  cmake_parse_arguments(ARG "TRACE;LINES_ONLY" "NAME;TOP" "FILES;PARAMS" ${ARGN})
  set(rtl ${PROJECT_SOURCE_DIR}/rtl)
  if(NOT PIMLLM_RTL_FOR OR ARG_NAME IN_LIST PIMLLM_RTL_FOR)
    set(rtl ${PIMLLM_RTL_DIR})
  endif()
  set(sources ${rtl}/common/isa_pkg.sv ${rtl}/common/pimllm_pkg.sv)
  foreach(file ${ARG_FILES})
    if(file MATCHES "^\\.\\./")  # what a bench adds is not in a copy of rtl/
      list(APPEND sources ${PROJECT_SOURCE_DIR}/rtl/${file})
    else()
      list(APPEND sources ${rtl}/${file})
    endif()
  endforeach()
  set(args --assert -Wall -Wno-fatal --x-assign unique --x-initial unique -O3 -fno-dfg -I${rtl}/common)
  set(optimize -O1)
  if(NOT ARG_NAME MATCHES "_paper$")
    list(APPEND args ${coverage_args})
  elseif(PIMLLM_COVERAGE)
    set(optimize -O0)  # the benches name it, but do not run it
  endif()
  if(NOT ARG_LINES_ONLY AND NOT ARG_NAME MATCHES "_paper$")
    list(APPEND args ${toggle_args})
  endif()
  foreach(param ${ARG_PARAMS})
    list(APPEND args -G${param})
  endforeach()
  add_library(${ARG_NAME} STATIC)
  set(trace)
  if(ARG_TRACE)
    set(trace TRACE_FST)
  endif()
  verilate(${ARG_NAME} SOURCES ${sources} TOP_MODULE ${ARG_TOP} PREFIX V${ARG_NAME} ${trace}
           VERILATOR_ARGS ${args} OPT_FAST ${optimize} OPT_SLOW -O0)
endfunction()
