file(STRINGS ${PROJECT_SOURCE_DIR}/rtl/pimllm.f rtl_files REGEX "\\.sv$")
list(TRANSFORM rtl_files REPLACE "^rtl/" ${PIMLLM_RTL_DIR}/)
file(READ ${PROJECT_SOURCE_DIR}/rtl/configs.json configs_json)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/rtl/configs.json
             ${PROJECT_SOURCE_DIR}/rtl/pimllm.f)

# pimllm_add_machine(TARGET CONFIG [NAME name] [VLT file...] [OPTIMIZE flags] [VERILATOR flags] [FAST] [TRACE]): verilates the machine in a configuration of
# rtl/configs.json and adds its `make_NAME` to TARGET. NAME is CONFIG unless given. FAST leaves out the assertions of the RTL. TRACE: it can write FST files,
# as all can with PIMLLM_TRACE.
function(pimllm_add_machine target config)
  cmake_parse_arguments(ARG "FAST;TRACE" "NAME" "VLT;OPTIMIZE;VERILATOR" ${ARGN})
  if(NOT ARG_NAME)
    set(ARG_NAME ${config})
  endif()
  if(NOT ARG_OPTIMIZE)
    set(ARG_OPTIMIZE -O3 -march=native)
  endif()
  string(JSON members LENGTH ${configs_json} ${config})
  math(EXPR last "${members} - 1")
  set(params)
  foreach(index RANGE ${last})
    string(JSON name MEMBER ${configs_json} ${config} ${index})
    string(JSON value GET ${configs_json} ${config} ${name})
    list(APPEND params -G${name}=${value})
    set(param_${name} ${value})
  endforeach()
  set(CONFIG ${ARG_NAME})
  set(KV_ROWS ${param_KvRows})
  math(EXPR GROUPS "${param_ArrayRows} * ${param_ArrayCols} / ${param_ChannelBytes}")

  set(verilated pimllm_verilated_${ARG_NAME})
  add_library(${verilated} STATIC)
  set(assert --assert)
  if(ARG_FAST)
    set(assert)
  endif()
  set(trace)
  set(trace_args)
  if(PIMLLM_TRACE OR ARG_TRACE)
    # Structures and packed arrays by member, wide words too. Quick to build rather than to run.
    set(trace TRACE_FST)
    set(trace_args --trace-structs --trace-max-width 8192)
    set(ARG_OPTIMIZE -O1)
    # verilate() tells it to the Verilated code alone.
    set_source_files_properties(${CMAKE_CURRENT_BINARY_DIR}/instance_${ARG_NAME}.cpp PROPERTIES COMPILE_DEFINITIONS VM_TRACE_FST=1)
  endif()
  if(PIMLLM_COVERAGE)
    # Quick to build rather than to run. Units count in their own benches.
    set(ARG_OPTIMIZE -O1)
    list(APPEND ARG_VLT ${PROJECT_SOURCE_DIR}/tb/coverage/machine.vlt)
    target_link_libraries(${target} PUBLIC pimllm_coverage)
  endif()
  verilate(${verilated} SOURCES ${PROJECT_SOURCE_DIR}/sim/machine/probe.vlt ${ARG_VLT} ${rtl_files}
           TOP_MODULE pimllm_top PREFIX Vmachine_${ARG_NAME} ${trace} OPT_FAST ${ARG_OPTIMIZE} OPT_SLOW -O0
           VERILATOR_ARGS ${assert} -Wno-fatal -Wno-lint -Wno-style --x-assign fast --x-initial fast -O3 -fno-dfg
                          -I${PIMLLM_RTL_DIR}/common ${params} ${trace_args} ${coverage_args} ${toggle_args} ${ARG_VERILATOR})
  target_link_libraries(${verilated} PUBLIC pimllm_xbar)
  configure_file(${PROJECT_SOURCE_DIR}/sim/machine/instance.cpp.in instance_${ARG_NAME}.cpp @ONLY)
  target_sources(${target} PRIVATE ${CMAKE_CURRENT_BINARY_DIR}/instance_${ARG_NAME}.cpp)
  target_link_libraries(${target} PRIVATE ${verilated})
endfunction()
