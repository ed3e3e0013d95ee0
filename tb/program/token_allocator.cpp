#include "tb/program/token_allocator.hpp"

#include <algorithm>

namespace pimllm::tb {
namespace {

using isa::Unit;

// Tokens of a pair that nobody may have taken yet: a semaphore counts to 63.
constexpr int kMostTokens = 60;

size_t at(Unit unit) { return static_cast<size_t>(unit); }

// Within these an instruction sees all of the earlier ones (docs/compiler.md, "Order").
bool in_order(Unit unit) { return unit == Unit::kVec || unit == Unit::kPim || unit == Unit::kSmx; }

void merge(TokenAllocator::Clock& into, const TokenAllocator::Clock& from) {
  for (size_t i = 0; i < into.size(); ++i) into[i] = std::max(into[i], from[i]);
}

}  // namespace

TokenAllocator::TokenAllocator(std::mt19937_64& rng) : rng_(&rng) {
  for (uint8_t s = 1; s < isa::kSemaphores; ++s) unused_.push_back(s);
  std::shuffle(unused_.begin(), unused_.end(), *rng_);
}

uint8_t TokenAllocator::semaphore(Unit giver, Unit taker) {
  auto& slot = semaphores_[at(giver)][at(taker)];
  if (slot == 0 && !unused_.empty()) {
    slot = unused_.back();
    unused_.pop_back();
  }
  return slot;
}

void TokenAllocator::begin(Unit unit) { merge(knows_[at(unit)], knows_[at(Unit::kSched)]); }

TokenAllocator::Clock TokenAllocator::needs(Unit unit, const std::vector<Access>& accesses) const {
  Clock need{};
  for (const Access& a : accesses) {
    for (uint64_t i = a.first; i < a.first + a.count; ++i) {
      const auto found = places_.find(key(a.space, i));
      if (found == places_.end()) continue;
      merge(need, found->second.write);
      if (a.write) merge(need, found->second.read);
    }
  }
  if (in_order(unit)) need[at(unit)] = 0;
  return need;
}

std::vector<Unit> TokenAllocator::missing(Unit unit, const std::vector<Access>& accesses) const {
  const Clock need = needs(unit, accesses);
  std::vector<Unit> out;
  for (size_t u = 1; u < kUnits; ++u) {
    if (need[u] > knows_[at(unit)][u]) out.push_back(static_cast<Unit>(u));
  }
  return out;
}

std::optional<TokenAllocator::Token> TokenAllocator::take(Unit giver, Unit taker, Unit unit,
                                                          const std::vector<Access>& accesses) {
  if (given_[at(giver)][at(taker)] >= kMostTokens) return {};
  // Tokens of a pair are taken in the order in which they are given.
  const uint32_t least = std::max(needs(unit, accesses)[at(giver)], last_giver_[at(giver)][at(taker)] + 1);
  auto& list = givers_[at(giver)];
  std::vector<Giver*> good;
  for (Giver& g : list) {
    if (g.sequence >= least && g.free > 0) good.push_back(&g);
  }
  if (good.empty()) return {};
  const uint8_t number = semaphore(giver, taker);
  if (number == 0) return {};
  Giver* chosen = (*rng_)() % 8 == 0 ? good[(*rng_)() % good.size()] : good.front();
  --chosen->free;
  ++given_[at(giver)][at(taker)];
  last_giver_[at(giver)][at(taker)] = chosen->sequence;
  merge(knows_[at(taker)], chosen->clock);
  if (taker == Unit::kSched) begin(unit);
  return Token{number, giver, chosen->index};
}

std::optional<TokenAllocator::Token> TokenAllocator::take_again(const Token& token, Unit taker) {
  for (Giver& g : givers_[at(token.giver)]) {
    if (g.index != token.index || g.free == 0) continue;
    --g.free;
    ++given_[at(token.giver)][at(taker)];
    return token;
  }
  return {};
}

std::optional<uint8_t> TokenAllocator::post(Unit taker) {
  auto& given = given_[at(Unit::kSched)][at(taker)];
  if (given >= kMostTokens) return {};
  const uint8_t number = semaphore(Unit::kSched, taker);
  if (number == 0) return {};
  ++given;
  return number;
}

void TokenAllocator::end(Unit unit, size_t index, const std::vector<Access>& accesses) {
  const uint32_t sequence = ++issued_[at(unit)];
  Giver giver{index, sequence, 2, knows_[at(unit)]};
  giver.clock[at(unit)] = sequence;
  givers_[at(unit)].push_back(giver);
  for (const Access& a : accesses) {
    for (uint64_t i = a.first; i < a.first + a.count; ++i) {
      Place& place = places_[key(a.space, i)];
      (a.write ? place.write : place.read)[at(unit)] = sequence;
    }
  }
}

void TokenAllocator::sync() {
  knows_[at(Unit::kSched)] = issued_;
  knows_[at(Unit::kSched)][at(Unit::kSched)] = 0;
  for (auto& list : givers_) list.clear();
  given_ = {};
}

}  // namespace pimllm::tb
