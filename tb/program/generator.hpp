// Random programs: a window loaded piece by piece, then instructions of all units on it, some of them apart
// from what is running, some on what another unit has just written.
#pragma once

#include <cstdint>
#include <string>

#include "tb/program/program.hpp"

namespace pimllm::tb {

// The program of a seed. `illegal`: with one of illegal_cases() somewhere in it.
RandomProgram make_program(const std::string& config, uint64_t seed, bool illegal = false);

// Brings spaces and crossbars into the state that programs start from.
RandomProgram make_set_up(const std::string& config);

}  // namespace pimllm::tb
