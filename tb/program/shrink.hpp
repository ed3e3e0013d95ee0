// A failing program made short: items are left out, halves first, then single ones; loops are replaced by
// their bodies; memory gets its plain timing. lower() places the semaphores anew each time.
#pragma once

#include <functional>

#include "tb/program/program.hpp"

namespace pimllm::tb {

// `fails` says whether a program still fails; the one given does. At most `limit` runs.
RandomProgram shrink(RandomProgram program, const std::function<bool(const RandomProgram&)>& fails,
                     int limit = 1000);

}  // namespace pimllm::tb
