// Decides which tokens order an instruction behind those it depends on. The counterpart of
// sim/reference/hazards.hpp, which checks the result: what is known to be done is a vector of counts, one a
// unit.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <random>
#include <unordered_map>
#include <vector>

#include "tb/program/program.hpp"

namespace pimllm::tb {

class TokenAllocator {
 public:
  static constexpr size_t kUnits = 6;  // [0] is the decoder
  using Clock = std::array<uint32_t, kUnits>;

  // Keeps the generator by reference.
  explicit TokenAllocator(std::mt19937_64& rng);

  // An instruction that gives a token: its index in the program.
  struct Giver {
    size_t index = 0;
    uint32_t sequence = 0;
    int free = 2;  // of sig0 and sig1
    Clock clock{};
  };
  struct Token {
    uint8_t semaphore = 0;
    isa::Unit giver = isa::Unit::kSched;
    size_t index = 0;  // of the instruction that gives it
  };

  // Starts an instruction of `unit`: it knows what the decoder and its predecessor know.
  void begin(isa::Unit unit);
  // Units that must be done with more than `unit` knows, for these accesses.
  std::vector<isa::Unit> missing(isa::Unit unit, const std::vector<Access>& accesses) const;
  // A token from `giver` that covers the accesses, taken by `unit` (or by the decoder); nothing if there is
  // none to be had.
  std::optional<Token> take(isa::Unit giver, isa::Unit taker, isa::Unit unit,
                            const std::vector<Access>& accesses);
  // A token more of the pair of one that was just taken, if its giver has room.
  std::optional<Token> take_again(const Token& token, isa::Unit taker);
  // A token that the decoder gives now.
  std::optional<uint8_t> post(isa::Unit taker);
  // Ends an instruction of a unit.
  void end(isa::Unit unit, size_t index, const std::vector<Access>& accesses);
  // Everything before is done.
  void sync();

 private:
  struct Place {
    Clock read{}, write{};
  };

  static uint64_t key(Space space, uint64_t place) { return static_cast<uint64_t>(space) << 60 | place; }
  uint8_t semaphore(isa::Unit giver, isa::Unit taker);
  Clock needs(isa::Unit unit, const std::vector<Access>& accesses) const;

  std::mt19937_64* rng_;
  std::vector<uint8_t> unused_;
  std::array<std::array<uint8_t, kUnits>, kUnits> semaphores_{};
  std::array<std::array<int, kUnits>, kUnits> given_{};            // since the last sync
  std::array<std::array<uint32_t, kUnits>, kUnits> last_giver_{};  // sequence
  std::array<Clock, kUnits> knows_{};
  Clock issued_{};
  std::array<std::vector<Giver>, kUnits> givers_;
  std::unordered_map<uint64_t, Place> places_;
};

}  // namespace pimllm::tb
