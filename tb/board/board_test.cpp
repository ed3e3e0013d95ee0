// The whole board and its host: tokens against the integer golden model, every frame, broken frames, resets.
#include "models/compiler/board.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "models/compiler/image.hpp"
#include "models/random/random_model.hpp"
#include "sim/board/board_host.hpp"
#include "sim/board/simulated_board.hpp"
#include "sim/board/simulated_line.hpp"
#include "sim/machine/registers.hpp"
#include "tb/common/seed.hpp"

namespace pimllm::sim {
namespace {

using Bytes = std::vector<uint8_t>;
// Milliseconds of the board's clock.
constexpr Patience kPatience = {.answer = 20, .quiet = 1, .token = 1000};
constexpr uint64_t kSilence = 1000;  // cycles

// Small, but its tokens take longer than the events that tell of them.
ModelConfig slow_config() {
  ModelConfig config = small_bitnet_config();
  config.layers = 4;
  config.d_ff = 96;
  return config;
}

// A small model on the board; the same for all tests, a board for each.
struct Model {
  Board board = find_board("ulx3s");
  ModelWeights weights = make_random_model(slow_config(), tb::seed());
  CompiledModel compiled = compile_for_board(weights, board);
};
const Model& model() {
  static const Model kModel;
  return kModel;
}

class BoardTest : public testing::Test {
 protected:
  BoardTest()
      : folder_(std::filesystem::temp_directory_path() / ("pimllm_board_" + std::to_string(::getpid()))) {
    write_board_images(model().compiled, model().board, folder_);
    simulated = std::make_unique<SimulatedBoard>(folder_);
    line = std::make_unique<SimulatedLine<SimulatedBoard>>(*simulated, model().board.clock_hz);
    link = std::make_unique<BoardLink>(*line, kPatience);
  }
  ~BoardTest() override { std::filesystem::remove_all(folder_); }

  BoardHost connected() {
    BoardHost host(*line, model().compiled, model().board, kPatience);
    host.connect();
    return host;
  }
  std::vector<int32_t> golden(const std::vector<int32_t>& prompt, int count) {
    return example_run(model().weights, model().compiled, prompt, count).tokens;
  }
  std::vector<int32_t> any_prompt(std::mt19937_64& rng, size_t size) {
    std::vector<int32_t> prompt(size);
    for (auto& token : prompt) token = static_cast<int32_t>(rng() % 64);
    return prompt;
  }

  void send(const Bytes& bytes) { line->write(bytes); }
  // All frames until the line is silent, for so many cycles beside those of a few bytes.
  std::vector<Frame> answers(uint64_t cycles = 0) {
    std::vector<Frame> frames;
    FrameDecoder decoder;
    for (uint64_t silence = 0; silence < kSilence + cycles; ++silence) {
      simulated->step();
      if (simulated->sending()) silence = 0;
      while (const auto byte = simulated->receive()) {
        decoder.push(*byte);
        silence = 0;
      }
      while (auto frame = decoder.next()) frames.push_back(*std::move(frame));
    }
    EXPECT_EQ(decoder.dropped(), 0U);
    return frames;
  }
  void expect_nak(Nak reason, uint64_t cycles = 0) {
    const auto frames = answers(cycles);
    ASSERT_EQ(frames.size(), 1U);
    EXPECT_TRUE(frames[0].is(Reply::kNak));
    EXPECT_EQ(frames[0].payload, Bytes{static_cast<uint8_t>(reason)});
  }
  // The board still understands.
  void expect_alive() {
    send(encode_frame(2, Bytes{0, 0}));
    const auto frames = answers();
    ASSERT_EQ(frames.size(), 1U);
    EXPECT_TRUE(frames[0].is(Reply::kAck));
    EXPECT_EQ(frames[0].payload, (Bytes{'P', 'I', 'M', 'L'}));
  }

  std::filesystem::path folder_;
  std::unique_ptr<SimulatedBoard> simulated;
  std::unique_ptr<SimulatedLine<SimulatedBoard>> line;
  std::unique_ptr<BoardLink> link;
};

TEST(FrameDecoder, FindsTheFrameBehindOneThatWasCutOff) {
  FrameDecoder decoder;
  for (const uint8_t byte : Bytes{kSyncToHost, 0x83, 16, 1, 2, 3}) decoder.push(byte);  // an event
  Bytes hello = {kSyncToHost, 0x84, 1, kProtocolVersion};
  hello.push_back(crc8(std::span(hello).subspan(1)));
  for (const uint8_t byte : hello) decoder.push(byte);
  EXPECT_FALSE(decoder.next());
  decoder.abandon();
  const auto frame = decoder.next();
  ASSERT_TRUE(frame);
  EXPECT_TRUE(frame->is(Reply::kHello));
  EXPECT_FALSE(decoder.pending());
}

TEST_F(BoardTest, SaysHelloOnceAfterAReset) {
  for (int i = 0; i < 3; ++i) {
    const auto frames = answers();
    ASSERT_EQ(frames.size(), 1U);
    EXPECT_TRUE(frames[0].is(Reply::kHello));
    EXPECT_EQ(frames[0].payload, Bytes{kProtocolVersion});
    simulated->press_reset();
  }
}

TEST_F(BoardTest, WritesReadsAndReadsMemory) {
  link->resync();
  std::mt19937_64 rng = tb::make_rng(1);
  // Four arguments in a frame.
  std::vector<std::pair<uint32_t, uint32_t>> writes;
  for (const char* name : {"ARG0", "ARG1", "ARG2", "ARG3"})
    writes.emplace_back(register_address(name), static_cast<uint32_t>(rng()));
  for (size_t count = 1; count <= writes.size(); ++count) {
    for (auto& write : writes) write.second = static_cast<uint32_t>(rng());
    link->write(std::span(writes).first(count));
    for (size_t i = 0; i < count; ++i) EXPECT_EQ(link->read(writes[i].first), writes[i].second);
  }
  const auto images = board_images(model().compiled, model().board);
  for (size_t i = 0; i < 50; ++i) {
    const size_t beat = i == 0 ? images[0].words.size() - 1 : rng() % images[0].words.size();
    uint64_t found = 0;
    const auto bytes = link->read_beat(static_cast<uint32_t>(beat));
    std::memcpy(&found, bytes.data(), sizeof found);
    EXPECT_EQ(found, images[0].words[beat]) << beat;
  }
}

TEST_F(BoardTest, BrokenFramesAreRefusedAndTheNextOneWorks) {
  answers();
  const Bytes read = encode_frame(2, Bytes{0, 0});
  const auto beyond = static_cast<uint32_t>(model().board.memory_bytes / 8);
  for (size_t at = 1; at < read.size(); ++at) {  // a stop bit is missing
    for (size_t i = 0; i <= at; ++i) simulated->send(read[i], i != at);
    expect_nak(Nak::kLine);
    expect_alive();
  }
  for (size_t size = 1; size < read.size(); ++size) {  // it breaks off
    send({read.begin(), read.begin() + static_cast<ptrdiff_t>(size)});
    expect_nak(Nak::kGap, kGapCycles);
    expect_alive();
  }
  for (size_t at = 1; at < read.size(); ++at) {  // a bit is wrong
    if (at == 2) continue;                       // the length: another frame
    Bytes wrong = read;
    wrong[at] ^= 0x10;
    send(wrong);
    expect_nak(Nak::kChecksum);
    expect_alive();
  }
  send({kSyncToBoard, 1, 25});  // too long: refused at once
  expect_nak(Nak::kLength);
  expect_alive();
  for (const auto& [command, right] : std::map<uint8_t, size_t>{{1, 6}, {2, 2}, {3, 4}}) {
    for (size_t length = 0; length <= kMaxPayload; ++length) {
      if (length == right || (command == 1 && length != 0 && length % 6 == 0)) continue;
      send(encode_frame(command, Bytes(length, 0xA5)));
      expect_nak(Nak::kLength);
    }
  }
  expect_alive();
  for (const int command : {0, 4, 5, 0x7F, 0x81, 0xA5, 0xFF}) {
    send(encode_frame(static_cast<uint8_t>(command), Bytes{0, 0}));
    expect_nak(Nak::kCommand);
  }
  expect_alive();
  send(encode_frame(2, Bytes{0xFC, 0x03}));  // no register there
  expect_nak(Nak::kBus);
  // Of several writes, those before the refused one are done.
  send(encode_frame(1, Bytes{0x40, 0, 1, 2, 3, 4, 0xFC, 3, 0, 0, 0, 0, 0x40, 0, 0, 0, 0, 0}));
  expect_nak(Nak::kBus);
  EXPECT_EQ(link->read(register_address("ARG0")), 0x04030201U);
  for (const uint32_t beat : {beyond, beyond + 1, 0x00FFFFFFU, 0x80000000U, 0xFFFFFFFFU}) {
    send(encode_frame(3, Bytes{static_cast<uint8_t>(beat), static_cast<uint8_t>(beat >> 8),
                               static_cast<uint8_t>(beat >> 16), static_cast<uint8_t>(beat >> 24)}));
    expect_nak(Nak::kBus);
  }
  // Addresses are 16 bits long, registers 10.
  for (const uint8_t high : {0x04, 0x08, 0x10, 0x20, 0x40, 0x80}) {
    send(encode_frame(2, Bytes{0x00, high}));
    expect_nak(Nak::kBus);
    send(encode_frame(1, Bytes{0x40, high, 9, 9, 9, 9}));
    expect_nak(Nak::kBus);
  }
  EXPECT_EQ(link->read(register_address("ARG0")), 0x04030201U);
  expect_alive();
}

TEST_F(BoardTest, GarbageBetweenFramesIsDropped) {
  answers();
  std::mt19937_64 rng = tb::make_rng(2);
  for (int i = 0; i < 40; ++i) {
    Bytes garbage(rng() % 30);
    for (auto& byte : garbage) {
      do byte = static_cast<uint8_t>(rng());
      while (byte == kSyncToBoard);
    }
    send(garbage);
    expect_alive();
  }
}

TEST_F(BoardTest, AnyBytesAndThenSilenceLeaveItAlive) {
  answers();
  std::mt19937_64 rng = tb::make_rng(3);
  for (int i = 0; i < 10; ++i) {
    Bytes garbage(1 + rng() % 60);
    for (auto& byte : garbage) byte = rng() % 4 == 0 ? kSyncToBoard : static_cast<uint8_t>(rng());
    send(garbage);
    for (const Frame& frame : answers(kGapCycles)) EXPECT_TRUE(frame.is(Reply::kNak));
    expect_alive();
  }
}

TEST_F(BoardTest, TokensAreThoseOfTheGoldenModel) {
  BoardHost host = connected();
  std::mt19937_64 rng = tb::make_rng(4);
  for (const auto& [size, count] : std::map<size_t, int>{{1, 20}, {7, 8}, {40, 24}}) {
    const auto prompt = any_prompt(rng, size);
    std::vector<int32_t> told;
    const auto text = host.generate(prompt, count, [&](int32_t token) { told.push_back(token); });
    EXPECT_EQ(text.tokens, golden(prompt, count));
    EXPECT_EQ(told, text.tokens);
    EXPECT_EQ(text.steps, size + static_cast<size_t>(count) - 1);
    EXPECT_EQ(text.restarts, 0);
    EXPECT_GT(text.cycles, 0U);
  }
}

TEST_F(BoardTest, EventsCountTokensAndEndWithDone) {
  BoardHost host = connected();
  BoardLink& l = host.link();
  std::vector<std::pair<uint32_t, uint32_t>> writes = {{register_address("TOKEN_IN"), 5},
                                                       {register_address("POSITION"), 0},
                                                       {register_address("TOKENS_LEFT"), 4},
                                                       {register_address("ARG0"), 0}};
  writes.emplace_back(register_address("PROGRAM_BASE_LO"),
                      static_cast<uint32_t>(model().compiled.step.address));
  writes.emplace_back(register_address("CONTROL"), 1U);
  l.write(writes);
  std::vector<int32_t> tokens;
  for (bool done = false; !done;) {
    const BoardEvent event = l.wait_event();
    EXPECT_NE(event.irq, 0U);
    EXPECT_EQ(event.irq & 2, 0U);
    done = (event.irq & 1) != 0;
    if (event.token_count == tokens.size() + 1) tokens.push_back(static_cast<int32_t>(event.token));
    EXPECT_EQ(event.token_count, tokens.size());
  }
  EXPECT_EQ(tokens, golden({5}, 5));
  EXPECT_EQ(l.read(register_address("IRQ_STATE")), 0U);  // each event has cleared what it showed
  EXPECT_EQ(l.read(register_address("STATUS")), 2U);
}

// The reset button, and the host's own reset, at many moments of a text.
TEST_F(BoardTest, AResetInMidTokenBeginsAgain) {
  BoardHost host = connected();
  std::mt19937_64 rng = tb::make_rng(5);
  const auto prompt = any_prompt(rng, 3);
  const auto expected = golden(prompt, 6);
  const uint64_t before = simulated->cycles();
  EXPECT_EQ(host.generate(prompt, 6, {}).tokens, expected);
  const uint64_t length = simulated->cycles() - before;
  for (int i = 0; i < 5; ++i) {
    const uint64_t at = simulated->cycles() + rng() % (length * 9 / 10);
    bool pressed = false;
    line->on_cycle = [&] {
      if (pressed || simulated->cycles() < at) return;
      pressed = true;
      simulated->press_reset();
    };
    std::vector<int32_t> told;
    const auto text = host.generate(prompt, 6, [&](int32_t token) { told.push_back(token); });
    EXPECT_TRUE(pressed);
    EXPECT_EQ(text.restarts, 1);
    EXPECT_EQ(text.tokens, expected);
    EXPECT_EQ(told, expected);  // nothing twice
  }
}

TEST_F(BoardTest, ASoftResetInMidTokenBeginsAgain) {
  BoardHost host = connected();
  std::mt19937_64 rng = tb::make_rng(6);
  const auto prompt = any_prompt(rng, 2);
  for (int i = 0; i < 4; ++i) {
    host.link().write(std::vector<std::pair<uint32_t, uint32_t>>{
        {register_address("TOKEN_IN"), 1},
        {register_address("POSITION"), 0},
        {register_address("TOKENS_LEFT"), 50},
        {register_address("PROGRAM_BASE_LO"), static_cast<uint32_t>(model().compiled.step.address)}});
    host.link().write(std::vector<std::pair<uint32_t, uint32_t>>{{register_address("CONTROL"), 1U}});
    const uint64_t wait = rng() % 20'000;
    for (uint64_t k = 0; k < wait; ++k) simulated->step();
    EXPECT_TRUE(simulated->busy());
    host.recover();
    const auto text = host.generate(prompt, 4, {});
    EXPECT_EQ(text.tokens, golden(prompt, 4));
    EXPECT_EQ(text.restarts, 0);
  }
}

TEST_F(BoardTest, AStopWithErrorBeginsAgain) {
  BoardHost host = connected();
  // A program where there is none.
  host.link().write(std::vector<std::pair<uint32_t, uint32_t>>{
      {register_address("PROGRAM_BASE_LO"), static_cast<uint32_t>(model().board.memory_bytes)},
      {register_address("CONTROL"), 1U}});
  const BoardEvent event = host.link().wait_event();
  EXPECT_EQ(event.irq, 2U);
  EXPECT_EQ(event.status & 4, 4U);
  EXPECT_EQ(host.link().read(register_address("ERROR_CAUSE")), 5U);  // bus error on a fetch
  EXPECT_EQ(simulated->leds() & 4, 4U);
  const auto text = host.generate(std::vector<int32_t>{9, 8}, 4, {});
  EXPECT_EQ(text.tokens, golden({9, 8}, 4));
  EXPECT_EQ(text.restarts, 1);
}

TEST_F(BoardTest, RefusesAnotherModelAndTooLongTexts) {
  const ModelWeights other = make_random_model(slow_config(), tb::seed() + 1);
  const CompiledModel compiled = compile_for_board(other, model().board);
  BoardHost host(*line, compiled, model().board, kPatience);
  try {
    host.connect();
    FAIL() << "connected";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("holds another model"), std::string::npos) << error.what();
  }
  BoardHost right = connected();
  EXPECT_THROW(right.generate(std::vector<int32_t>(60, 1), 5, {}), Error);
  EXPECT_THROW(right.generate(std::vector<int32_t>{}, 5, {}), Error);
  EXPECT_THROW(right.generate(std::vector<int32_t>{64}, 5, {}), Error);
  EXPECT_THROW(right.generate(std::vector<int32_t>{1}, 0, {}), Error);
}

// A line that loses or damages a byte now and then, in both directions.
class NoisyLine : public ByteLine {
 public:
  NoisyLine(ByteLine& line, uint64_t every) : line_(line), every_(every), rng_(tb::make_rng(every)) {}
  const std::string& name() const override { return line_.name(); }
  void write(std::span<const uint8_t> bytes) override {
    for (uint8_t byte : bytes) {
      if (spoil(byte)) line_.write({&byte, 1});
    }
  }
  std::optional<uint8_t> read(int milliseconds) override {
    for (;;) {
      auto byte = line_.read(milliseconds);
      if (!byte || spoil(*byte)) return byte;
    }
  }
  int spoilt = 0;
  bool quiet = true;

 private:
  bool spoil(uint8_t& byte) {
    if (quiet || rng_() % every_ != 0) return true;
    ++spoilt;
    byte ^= static_cast<uint8_t>(1U << rng_() % 8);
    return rng_() % 2 == 0;
  }
  ByteLine& line_;
  uint64_t every_;
  std::mt19937_64 rng_;
};

TEST_F(BoardTest, ANoisyLineGivesTheSameTextOrAClearError) {
  NoisyLine noisy(*line, 300);
  BoardHost host(noisy, model().compiled, model().board, {.answer = 3, .quiet = 11, .token = 3});
  host.connect();
  noisy.quiet = false;
  int good = 0;
  for (int i = 0; i < 8; ++i) {
    try {
      EXPECT_EQ(host.generate(std::vector<int32_t>{3, 4, 5}, 5, {}).tokens, golden({3, 4, 5}, 5));
      ++good;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find("simulated board: "), std::string::npos) << error.what();
      noisy.quiet = true;
      host.recover();
      noisy.quiet = false;
    }
  }
  EXPECT_GT(good, 0);
  EXPECT_GT(noisy.spoilt, 0);
}

}  // namespace
}  // namespace pimllm::sim
