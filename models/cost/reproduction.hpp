// The page docs/reproduction.md: each published headline claim, what it rests on, and what is left of it.
#pragma once

#include <string>
#include <vector>

#include "models/cost/designs.hpp"

namespace pimllm::cost {

struct Claim {
  std::string text;        // the claim and where it stands
  std::string published;   // as printed in the paper
  std::string reproduced;  // from the published accounting
  std::string rests_on;
  std::string corrected;  // what a correction named in rests_on leaves
  std::string all_corrected;
};

// Computed, all of them. Throws Error if the workloads lack one of the models of the claims.
std::vector<Claim> claims(const std::vector<Workload>& workloads, const MachineParameters& machine);

// The page, in Markdown.
std::string reproduction_page(const std::vector<Workload>& workloads, const MachineParameters& machine);

}  // namespace pimllm::cost
