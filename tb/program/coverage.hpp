// What programs exercise: every way in which data go from one unit to another, opcodes with their modes, and
// errors.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tb/program/program.hpp"

namespace pimllm::tb {

inline constexpr const char* kBusErrors[] = {"bus error on a fetch", "bus error on a read",
                                             "bus error on a write"};

// Names of all pairs of units that can hand over data, "PIM -> ACT -> VEC": the writers of a space times its
// readers (docs/architecture.md, "Memory ports").
std::vector<std::string> unit_pairs();

struct Coverage {
  std::map<std::string, uint64_t> pairs;    // as unit_pairs() names them
  std::map<std::string, uint64_t> opcodes;  // name and mode
  std::map<std::string, uint64_t> errors;   // name of the case

  // Of a program that has run. Bodies of loops count once, those that never run not at all.
  void add(const RandomProgram& program);
  void add(const Coverage& other);
  std::vector<std::string> missing_pairs() const;
  // Declares all pairs, opcodes of units and errors as functional points, and hits those that are here.
  void count_points() const;
};

}  // namespace pimllm::tb
