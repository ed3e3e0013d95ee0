// Machines of the benches: those built into sim/, and configurations that only tests build.
#pragma once

#include <memory>
#include <string_view>

#include "sim/machine/machine.hpp"

namespace pimllm::tb {

// "large", "fpga", "faulty" (`unit` with state that faults.vlt opens), or what sim::make_machine knows.
// Throws Error for another name.
std::unique_ptr<sim::Machine> make_test_machine(std::string_view config,
                                                const sim::MachineOptions& options = {});

}  // namespace pimllm::tb
