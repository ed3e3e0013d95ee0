#include "tb/program/campaign.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "golden/error.hpp"
#include "tb/program/generator.hpp"
#include "tb/program/illegal.hpp"
#include "tb/program/shrink.hpp"

namespace pimllm::tb {
namespace {

constexpr uint64_t kLeastWords = 64;

enum class Kind { kLegal, kIllegal, kBusError };

Kind kind_of(uint64_t seed) {
  if (seed % kIllegalEvery == kIllegalEvery - 1) return Kind::kIllegal;
  return seed % kBusErrorEvery == 0 ? Kind::kBusError : Kind::kLegal;
}

// Memory answers a beat of the program, or one that all instructions in its reach read, or all write, with an
// error.
void add_bus_error(Executable& e, const RandomProgram& program, const HardwareParameters& h) {
  std::mt19937_64 rng(program.conditions.seed);
  const auto beat = static_cast<uint64_t>(h.channel_bytes);
  ExpectedError error;
  if (rng() % 4 == 0) {
    // The last line that is executed for certain: HALT's.
    e.conditions.timing.error_at =
        e.conditions.program_address + (e.words.size() - 1) * isa::kInstructionBytes;
    error.cause = isa::ErrorCode::kBusFetch;
    e.error = error;
    return;
  }
  error.unit = isa::Unit::kDma;
  std::vector<Access> touched;
  for (const Item& item : program.items) {
    for (const Operation& op : item.operations) {
      for (const Access& a : op.accesses) {
        if (a.space == Space::kMemory) touched.push_back(a);
      }
    }
  }
  if (touched.empty()) return;
  // Any beat of an access; which error comes first if both may come is not for the program to say.
  for (int i = 0; i < 100; ++i) {
    const Access& a = touched[rng() % touched.size()];
    const uint64_t place = a.first + rng() % a.count;
    bool same = true;
    const auto check = [&](const auto& self, const std::vector<Item>& items) -> void {
      for (const Item& item : items) {
        for (const Operation& op : item.operations) {
          for (const Access& b : op.accesses) {
            if (b.space == Space::kMemory && place >= b.first && place < b.first + b.count)
              same &= b.write == a.write;
          }
        }
        self(self, item.body);
      }
    };
    check(check, program.items);
    if (!same) continue;
    e.conditions.timing.error_at = place * beat;
    error.cause = a.write ? isa::ErrorCode::kBusWrite : isa::ErrorCode::kBusRead;
    e.error = error;
    return;
  }
}

constexpr uint64_t kDraws = 8;                  // programs at most for one with enough overlap
constexpr uint64_t kNextDraw = 20'000'000'000;  // seed to seed; leaves the kind as it is

class Campaign {
 public:
  explicit Campaign(const CampaignOptions& options)
      : options_(options), session_(options.config, options.on_failure.machine) {}

  CampaignResult run() {
    for (uint64_t i = 0; i < options_.programs && !ended_; ++i) {
      // Where units hardly overlap, another program of the kind runs as well.
      uint64_t draw = 0;
      while (!one(options_.seed + i + draw * kNextDraw) && ++draw < kDraws) {
      }
      if (draw == kDraws) ++result_.idle;
    }
    return std::move(result_);
  }

 private:
  Executable executable(const RandomProgram& program, uint64_t seed, Kind kind) {
    Executable e = make_executable(program, session_.hardware(), fmt::format("{}_{}", options_.config, seed));
    if (kind == Kind::kBusError) add_bus_error(e, program, session_.hardware());
    return e;
  }

  // False for a legal program whose units overlap too little.
  bool one(uint64_t seed) {
    const Kind kind = kind_of(seed);
    RandomProgram program;
    Executable e;
    ++result_.programs;
    try {
      program = make_program(options_.config, seed, kind == Kind::kIllegal);
      e = executable(program, seed, kind);
    } catch (const Error& error) {
      report(seed, error.what());
      return true;
    }
    const RunResult run = session_.run(e);
    if (!run.passed()) {
      failed(program, e, kind, run, seed);
      return true;
    }
    result_.instructions += run.instructions;
    result_.least_words = std::min<uint64_t>(result_.least_words, e.words.size());
    if (e.words.size() < kLeastWords)
      report(seed, fmt::format("expected {} instructions, found {}", kLeastWords, e.words.size()));
    if (kind == Kind::kLegal) {
      ++result_.legal;
      result_.cycles += run.cycles;
      result_.two_busy += run.two_busy;
      const double overlap = static_cast<double>(run.two_busy) / static_cast<double>(run.cycles);
      result_.least_overlap = std::min(result_.least_overlap, overlap);
      result_.coverage.add(program);
      return overlap >= kLeastOverlap;
    } else if (kind == Kind::kIllegal) {
      for (const Item& item : program.items) {
        if (item.kind != ItemKind::kIllegal) continue;
        ++result_.coverage.errors[std::string(illegal_cases()[static_cast<size_t>(item.illegal)].name)];
      }
    } else if (e.error) {
      ++result_.coverage.errors[kBusErrors[e.error->cause == isa::ErrorCode::kBusFetch  ? 0
                                           : e.error->cause == isa::ErrorCode::kBusRead ? 1
                                                                                        : 2]];
    }
    return true;
  }

  void report(uint64_t seed, std::string_view what) {
    ++result_.failures;
    fmt::print("FAILED: config {} seed {}: {}\n", options_.config, seed, what);
    std::fflush(stdout);
  }

  // The same kind of failure: its first word says which.
  static bool alike(const RunResult& run, const RunResult& other) {
    const auto kind = [](const std::string& text) { return text.substr(0, text.find(' ')); };
    return !run.passed() && kind(run.failure) == kind(other.failure);
  }

  void failed(const RandomProgram& program, const Executable& e, Kind kind, const RunResult& run,
              uint64_t seed) {
    report(seed, run.failure);
    if (run.difference) {
      fmt::print("  program {} of the run, noticed in its cycle {}\n", result_.programs,
                 run.difference->noticed);
    }
    const OnFailure& on_failure = options_.on_failure;
    ended_ = on_failure.asked();
    if (on_failure.tracing()) {
      session_.close();
      return show_failure(on_failure, run);
    }
    const RunResult alone = session_.run(e, true);
    const bool by_itself = alike(alone, run);
    if (on_failure.asked()) {
      const uint64_t first = by_itself ? seed : options_.seed;
      investigate_failure(on_failure, by_itself ? alone : run, options_.config, first,
                          {"--config", options_.config, "--seed", std::to_string(first), "--programs",
                           std::to_string(seed - first + 1), "--no-coverage"});
    }
    if (by_itself) return make_short(program, seed, kind, alone);
    fmt::print("  passes by itself, after a fresh start: not shrunk\n");
  }

  void make_short(const RandomProgram& program, uint64_t seed, Kind kind, const RunResult& failure) {
    const auto fails = [&](const RandomProgram& candidate) {
      return alike(session_.run(executable(candidate, seed, kind), true), failure);
    };
    const RandomProgram short_program = shrink(program, fails);
    const Executable e = executable(short_program, seed, kind);
    const RunResult run = session_.run(e, true);
    const std::string path = (std::filesystem::path(options_.save_to) / (e.name + ".json")).string();
    save_executable(e, path);
    fmt::print("  shrunk to {} instructions: {}\n{}  kept in {} (repeat with --replay {})\n", e.words.size(),
               run.failure, listing(e.words), path, path);
    std::fflush(stdout);
  }

  CampaignOptions options_;
  Session session_;
  CampaignResult result_;
  bool ended_ = false;
};

}  // namespace

void CampaignResult::add(const CampaignResult& other) {
  programs += other.programs;
  legal += other.legal;
  failures += other.failures;
  idle += other.idle;
  instructions += other.instructions;
  cycles += other.cycles;
  two_busy += other.two_busy;
  least_words = std::min(least_words, other.least_words);
  least_overlap = std::min(least_overlap, other.least_overlap);
  coverage.add(other.coverage);
}

CampaignResult run_campaign(const CampaignOptions& options) { return Campaign(options).run(); }

}  // namespace pimllm::tb
