#include "sim/reference/hazards.hpp"

#include <algorithm>

#include "golden/error.hpp"

namespace pimllm {
namespace {

size_t at(isa::Unit unit) { return static_cast<size_t>(unit); }

bool in_order(isa::Unit unit) {
  return unit == isa::Unit::kVec || unit == isa::Unit::kPim || unit == isa::Unit::kSmx;
}

void merge(HazardChecker::Clock& into, const HazardChecker::Clock& from) {
  for (size_t i = 0; i < into.size(); ++i) into[i] = std::max(into[i], from[i]);
}

}  // namespace

void HazardChecker::take(uint8_t semaphore, isa::Unit unit, uint64_t index) {
  auto& queue = tokens_[semaphore];
  if (queue.empty()) fail("hazard check: semaphore {} taken before it was given", semaphore);
  if (index != ignored_) merge(knows_[at(unit)], queue.front());
  queue.pop_front();
  const isa::Unit taker = takers_[semaphore].value_or(unit);
  if (taker != unit) {
    fail(
        "hazard check: instruction {}: semaphore {} is taken by {}, and by {} since the last SYNC, expected "
        "one of them",
        index, semaphore, isa::unit_name(unit), isa::unit_name(taker));
  }
  takers_[semaphore] = unit;
}

void HazardChecker::begin(isa::Unit unit, uint64_t index, std::string_view name) {
  unit_ = unit;
  index_ = index;
  name_ = name;
  merge(knows_[at(unit)], knows_[at(isa::Unit::kSched)]);
  ++issued_[at(unit)];
}

void HazardChecker::give(uint8_t semaphore, isa::Unit unit) {
  Clock clock = knows_[at(unit)];
  if (unit != isa::Unit::kSched) clock[at(unit)] = issued_[at(unit)];
  tokens_[semaphore].push_back(clock);
}

void HazardChecker::sync() {
  Clock all{};
  for (size_t i = 0; i < kUnits; ++i) all[i] = issued_[i];
  knows_[at(isa::Unit::kSched)] = all;
  takers_ = {};
}

void HazardChecker::access(Space space, uint64_t first, uint64_t count, bool is_write) {
  auto& places = places_[static_cast<size_t>(space)];
  const Clock& known = knows_[at(unit_)];
  const uint32_t self = issued_[at(unit_)];
  for (uint64_t i = first; i < first + count; ++i) {
    Place& place = places[i];
    for (size_t u = 1; u < kUnits; ++u) {
      if (u == at(unit_) && in_order(unit_)) continue;
      const auto check = [&](const Stamp& stamp, std::string_view what) {
        if (stamp.sequence > known[u] && !(u == at(unit_) && stamp.sequence == self)) {
          fail("hazard: instruction {} ({}) {} {} place {} without waiting for instruction {} that {} it",
               index_, name_, is_write ? "writes" : "reads", space_name(space), i, stamp.index, what);
        }
      };
      check(place.write[u], "writes");
      if (is_write) check(place.read[u], "reads");
    }
    Stamp& mine = is_write ? place.write[at(unit_)] : place.read[at(unit_)];
    mine = {self, index_};
  }
}

}  // namespace pimllm
