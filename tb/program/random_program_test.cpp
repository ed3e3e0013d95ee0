// The bench for random programs itself: what it must notice, make short, and keep.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "golden/error.hpp"
#include "models/io/atomic_file.hpp"
#include "tb/common/seed.hpp"
#include "tb/program/coverage.hpp"
#include "tb/program/generator.hpp"
#include "tb/program/illegal.hpp"
#include "tb/program/session.hpp"
#include "tb/program/shrink.hpp"

namespace pimllm::tb {
namespace {

using ::testing::HasSubstr;

constexpr const char* kConfig = "unit";

uint64_t draw_seed(uint64_t salt) {
  auto rng = make_rng(salt);
  return rng();
}

size_t operations(const std::vector<Item>& items, isa::Opcode opcode) {
  size_t count = 0;
  for (const Item& item : items) {
    count += static_cast<size_t>(std::count_if(item.operations.begin(), item.operations.end(),
                                               [&](const Operation& op) { return op.opcode == opcode; }));
    count += operations(item.body, opcode);
  }
  return count;
}

TEST(RandomProgram, IsAFunctionOfItsSeed) {
  const uint64_t seed = draw_seed(1);
  const auto hardware = hardware_preset(kConfig);
  const auto words = [&](uint64_t of) { return lower(make_program(kConfig, of), hardware).words; };
  EXPECT_EQ(words(seed), words(seed));
  EXPECT_NE(words(seed), words(seed + 1));
}

// Flips a bit of memory that only the machine sees.
void flip_memory(Executable& e) {
  for (auto& segment : e.memory) {
    if (segment.name != "general") continue;
    for (auto& byte : segment.bytes) byte = static_cast<uint8_t>(byte ^ 1U);
  }
}

TEST(RandomProgram, FailureIsNoticedAndMadeShort) {
  const RandomProgram program = make_program(kConfig, draw_seed(2));
  Session session(kConfig);
  const auto run = [&](const RandomProgram& p) {
    return session.run(make_executable(p, session.hardware(), "test"), true);
  };
  ASSERT_TRUE(run(program).passed()) << run(program).failure;
  session.tamper(flip_memory);
  // At an instruction; memory as a whole differs even if no program runs.
  const auto fails = [&](const RandomProgram& p) { return run(p).failure.starts_with("program"); };
  ASSERT_TRUE(fails(program));
  // Put down to the load, between its issue and the check of its words.
  const auto where = run(program).difference;
  ASSERT_TRUE(where.has_value());
  EXPECT_EQ(where->unit, isa::Unit::kDma);
  EXPECT_GT(where->issued, 0U);
  EXPECT_LT(where->issued, where->noticed);
  const RandomProgram small = shrink(program, fails);
  EXPECT_TRUE(fails(small));
  // A single load of that memory is left.
  size_t left = 0;
  for (const Item& item : small.items) left += item.operations.size();
  EXPECT_EQ(left, 1U);
  EXPECT_EQ(operations(small.items, isa::Opcode::kLoadl) + operations(small.items, isa::Opcode::kLoadt), 1U);
  session.tamper(nullptr);
  EXPECT_TRUE(run(small).passed()) << run(small).failure;
}

TEST(RandomProgram, FileKeepsAll) {
  const auto hardware = hardware_preset(kConfig);
  const std::string path = (std::filesystem::temp_directory_path() /
                            ("pimllm_random_program_" + std::to_string(draw_seed(3)) + ".json"))
                               .string();
  for (const bool illegal : {false, true}) {
    const Executable e = make_executable(make_program(kConfig, draw_seed(4), illegal), hardware, "kept");
    save_executable(e, path);
    const Executable back = load_executable(path);
    std::filesystem::remove(path);
    EXPECT_EQ(back.words, e.words);
    EXPECT_EQ(back.error.has_value(), illegal);
    ASSERT_EQ(back.memory.size(), e.memory.size());
    for (size_t i = 0; i < e.memory.size(); ++i) {
      auto expected = e.memory[i].bytes, found = back.memory[i].bytes;
      expected.resize(e.memory[i].size);
      found.resize(e.memory[i].size);
      EXPECT_EQ(found, expected);
    }
    EXPECT_EQ(back.conditions.timing.stall, e.conditions.timing.stall);
    Session session(kConfig);
    const RunResult run = session.run(back);
    EXPECT_TRUE(run.passed()) << run.failure;
  }
}

// Found by fuzzing: a place that wraps around, gigabytes, numbers of another type, foreign bytes in a
// message.
TEST(RandomProgram, DamagedFilesAreRefused) {
  const std::string path = (std::filesystem::temp_directory_path() /
                            ("pimllm_damaged_program_" + std::to_string(draw_seed(5)) + ".json"))
                               .string();
  save_executable(make_executable(make_program(kConfig, draw_seed(6)), hardware_preset(kConfig), "kept"),
                  path);
  const auto good = nlohmann::json::parse(read_file(path));
  const auto refused = [&](const std::string& text) -> std::string {
    write_file_atomically(path, text);
    try {
      load_executable(path);
    } catch (const Error& error) {
      return std::string(error.what()).substr(path.size());
    }
    ADD_FAILURE() << "expected an Error";
    return {};
  };
  const auto with = [&](const char* pointer, const nlohmann::json& value) {
    auto damaged = good;
    damaged[nlohmann::json::json_pointer(pointer)] = value;
    return refused(damaged.dump());
  };
  const nlohmann::json wraps = {{{"at", ~uint64_t{0}}, {"bytes", "0102"}}};
  EXPECT_THAT(with("/memory/0/parts", wraps), HasSubstr("expected parts within"));
  EXPECT_THAT(with("/memory/0/size", uint64_t{1} << 40),
              HasSubstr("expected at most 67108864 bytes of memory"));
  EXPECT_THAT(with("/seed", 2e34),
              HasSubstr("expected an integer of 0 to 18446744073709551615, found 2e+34"));
  EXPECT_THAT(with("/seed", -1), HasSubstr("found -1"));
  EXPECT_THAT(with("/crossbar/adc_bits", int64_t{1} << 40), HasSubstr("found 1099511627776"));
  EXPECT_THAT(with("/kind", std::string(5000, '\n')), HasSubstr("found '???"));
  EXPECT_THAT(refused("{\"kind\": \xFF"), HasSubstr("last read: '\"kind\": ?'"));
  EXPECT_LT(refused("{\"" + std::string(5000, 'a')).size(), 400U);
  std::filesystem::remove(path);
}

// Every way to be illegal, each at some place of a program; the machine goes on after it.
TEST(RandomProgram, EveryIllegalCase) {
  Session session(kConfig);
  Coverage coverage;
  const uint64_t seed = draw_seed(5);
  for (size_t i = 0; i < illegal_cases().size(); ++i) {
    RandomProgram program = make_program(kConfig, seed + i, true);
    for (Item& item : program.items) {
      if (item.kind == ItemKind::kIllegal) item.illegal = static_cast<int>(i);
    }
    const Executable e = make_executable(program, session.hardware(), "illegal");
    ASSERT_TRUE(e.error.has_value());
    const RunResult run = session.run(e);
    EXPECT_TRUE(run.passed()) << illegal_cases()[i].name << ": " << run.failure;
    const RunResult next =
        session.run(make_executable(make_program(kConfig, seed + i), session.hardware(), "next"));
    EXPECT_TRUE(next.passed()) << "after " << illegal_cases()[i].name << ": " << next.failure;
    ++coverage.errors[std::string(illegal_cases()[i].name)];
  }
  coverage.count_points();
}

// What must fail does not pass by failing otherwise, or by ending well.
TEST(RandomProgram, WrongErrorIsAFailure) {
  Session session(kConfig);
  Executable e = make_executable(make_program(kConfig, draw_seed(6), true), session.hardware(), "illegal");
  const auto cause = e.error->cause;
  e.error->cause = cause == isa::ErrorCode::kBusRead ? isa::ErrorCode::kBusWrite : isa::ErrorCode::kBusRead;
  RunResult run = session.run(e);
  ASSERT_FALSE(run.passed());
  ASSERT_TRUE(run.difference.has_value()) << run.failure;
  EXPECT_EQ(run.difference->unit, e.error->unit);
  e = make_executable(make_program(kConfig, draw_seed(6)), session.hardware(), "legal");
  e.error = ExpectedError{isa::ErrorCode::kBadOperand, {}, isa::Unit::kArr, false};
  run = session.run(e);
  ASSERT_FALSE(run.passed());
  ASSERT_TRUE(run.difference.has_value()) << run.failure;
  EXPECT_EQ(run.difference->unit, isa::Unit::kArr);
  EXPECT_EQ(run.difference->found, "none");
}

// A program that hangs where none must: nobody has an instruction, so it is the scheduler that gives none.
TEST(RandomProgram, HangIsPutDownToWhoHoldsIt) {
  Session session(kConfig);
  RandomProgram program = make_program(kConfig, draw_seed(7), true);
  const auto& cases = illegal_cases();
  const auto never = std::find_if(cases.begin(), cases.end(),
                                  [](const IllegalCase& c) { return c.name == "token never given"; });
  ASSERT_NE(never, cases.end());
  for (Item& item : program.items) {
    if (item.kind == ItemKind::kIllegal) item.illegal = static_cast<int>(never - cases.begin());
  }
  Executable e = make_executable(program, session.hardware(), "hang");
  e.error.reset();
  const RunResult run = session.run(e);
  ASSERT_FALSE(run.passed());
  ASSERT_TRUE(run.difference.has_value()) << run.failure;
  EXPECT_EQ(run.difference->unit, isa::Unit::kSched);
  EXPECT_THAT(run.failure, testing::HasSubstr("watchdog"));
}

TEST(RandomProgram, FailedAssertionNamesItsUnit) {
  const auto failed = first_failed(
      "[0] %Error: fifo.sv:52: Assertion failed in TOP.pimllm_top.u_array.u_fifo.NoOverflow: "
      "TOP.pimllm_top.u_array.u_fifo.NoOverflow: !push || !full\n%Error: dma_unit.sv:9: Assertion failed in "
      "TOP.pimllm_top.u_dma.Later: x\n");
  ASSERT_TRUE(failed.has_value());
  EXPECT_EQ(failed->unit, isa::Unit::kArr);
  EXPECT_EQ(failed->name, "TOP.pimllm_top.u_array.u_fifo.NoOverflow");
  const auto control = first_failed("Assertion failed in TOP.pimllm_top.u_control.u_scheduler.u_core: x\n");
  ASSERT_TRUE(control.has_value());
  EXPECT_EQ(control->unit, isa::Unit::kSched);
  EXPECT_FALSE(first_failed("seed 1\n").has_value());
}

TEST(RandomProgram, OutputIsKeptFromStdout) {
  OutputTap tap;
  for (const char* text : {"first, longer\n", "second\n"}) {
    tap.start();
    std::fputs(text, stdout);
    EXPECT_EQ(tap.stop(), text);
  }
}

}  // namespace
}  // namespace pimllm::tb
