// Runs random programs of consecutive seeds, shrinks what fails, and sums up.
#pragma once

#include <cstdint>
#include <string>

#include "tb/program/coverage.hpp"
#include "tb/program/on_failure.hpp"
#include "tb/program/session.hpp"

namespace pimllm::tb {

struct CampaignOptions {
  std::string config = "small";
  uint64_t seed = 1;  // of the first program; the next has the next
  uint64_t programs = 1;
  std::string save_to = ".";  // folder of shrunk programs
  OnFailure on_failure;       // asked for: the run ends with the first failure
};

// Two units are busy in so large a part of a program's cycles; how many programs may miss it.
inline constexpr double kLeastOverlap = 0.25;
inline constexpr double kMostIdle = 0.02;

struct CampaignResult {
  uint64_t programs = 0;  // run
  uint64_t legal = 0;
  uint64_t failures = 0;
  uint64_t idle = 0;          // places where no draw had as many cycles of two busy units as asked for
  uint64_t instructions = 0;  // of units, compared
  uint64_t cycles = 0, two_busy = 0;  // of legal programs
  uint64_t least_words = ~uint64_t{0};
  double least_overlap = 1.0;  // share of cycles with two units busy, of the program with the least
  Coverage coverage;

  void add(const CampaignResult& other);
};

// A program of a seed: one in kIllegalEvery has an illegal instruction, one in kBusErrorEvery an error
// response of memory.
inline constexpr uint64_t kIllegalEvery = 10;
inline constexpr uint64_t kBusErrorEvery = 20;

// Failures are printed with their seed, the shrunk program, and the file that keeps it.
CampaignResult run_campaign(const CampaignOptions& options);

}  // namespace pimllm::tb
