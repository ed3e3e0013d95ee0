// Functional cover points: a bench names all cells of a cross before it begins, then those that its commands
// reach. Tests ask which are missing; with PIMLLM_COVERAGE_DIR in the environment all go to a file there when
// the process ends, "hits name" a line, for `make coverage`.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "models/isa/instruction.hpp"
#include "tb/common/port.hpp"

namespace pimllm::tb {

using Names = std::vector<std::string>;

void declare_points(const Names& names);
void hit_point(const std::string& name);  // Error unless it was declared
Names missing_points(const Names& names);

// All ways to take one of each, joined by ", "; empty parts are left out.
Names cross(const std::vector<Names>& parts);

// The cells of commands by how their requests were refused, and the errors that commands end in. Points that
// were not declared do not count.
class CommandCoverage {
 public:
  using Cells = std::function<Names(const isa::UnitCommand&)>;

  // `cells` names the cells of a command, without its refusals.
  void follow(Cells cells) { cells_ = std::move(cells); }

  void taken(const isa::UnitCommand& cmd);
  void refused(Refusal refusal);  // the oldest command waits for it
  void done();
  void error(isa::Opcode presented, isa::ErrorCode code);  // bus errors are the oldest command's
  void reset() { work_.clear(); }

 private:
  struct Work {
    isa::UnitCommand cmd;
    bool refused[4] = {};  // by Refusal
  };

  Cells cells_;
  std::deque<Work> work_;
};

// Names of points of CommandCoverage: each cell with each refusal, "no refusal" among them.
Names with_refusals(const Names& cells, const std::vector<Refusal>& refusals);
std::string error_point(isa::Opcode opcode, isa::ErrorCode code);

}  // namespace pimllm::tb
