// One seed for every random test: printed at the start, taken back by --seed N or PIMLLM_SEED.
#pragma once

#include <cstdint>
#include <random>

namespace pimllm::tb {

// Parses and removes --seed from the arguments; call before InitGoogleTest's result is used.
void init_seed(int* argc, char** argv);

// The seed of this run.
uint64_t seed();

// A generator for one use, independent for each salt.
std::mt19937_64 make_rng(uint64_t salt);

}  // namespace pimllm::tb
