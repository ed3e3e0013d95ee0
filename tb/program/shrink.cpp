#include "tb/program/shrink.hpp"

#include <algorithm>
#include <utility>

namespace pimllm::tb {
namespace {

class Shrinker {
 public:
  Shrinker(RandomProgram program, const std::function<bool(const RandomProgram&)>& fails, int limit)
      : best_(std::move(program)), fails_(fails), left_(limit) {}

  RandomProgram run() {
    bool better = true;
    while (better && left_ > 0) {
      better = drop();
      better |= open_loops();
      better |= split();
      better |= plain_conditions();
    }
    return std::move(best_);
  }

 private:
  bool keep_if_failing(RandomProgram candidate) {
    if (left_-- <= 0 || !fails_(candidate)) return false;
    best_ = std::move(candidate);
    return true;
  }

  // Leaves out runs of items, from the end, of half the program down to one.
  bool drop() {
    bool better = false;
    for (size_t length = std::max<size_t>(best_.items.size() / 2, 1);; length /= 2) {
      for (size_t end = best_.items.size(); end > 0 && left_ > 0;) {
        const size_t first = end > length ? end - length : 0;
        RandomProgram candidate = best_;
        candidate.items.erase(candidate.items.begin() + static_cast<std::ptrdiff_t>(first),
                              candidate.items.begin() + static_cast<std::ptrdiff_t>(end));
        better |= keep_if_failing(std::move(candidate));
        end = first;
      }
      if (length == 1) return better;
    }
  }

  // A loop becomes its body.
  bool open_loops() {
    bool better = false;
    for (size_t i = 0; i < best_.items.size(); ++i) {
      if (best_.items[i].body.empty()) continue;
      RandomProgram candidate = best_;
      const std::vector<Item> body = std::move(candidate.items[i].body);
      const auto at = candidate.items.begin() + static_cast<std::ptrdiff_t>(i);
      candidate.items.insert(candidate.items.erase(at), body.begin(), body.end());
      better |= keep_if_failing(std::move(candidate));
    }
    return better;
  }

  // Instructions that were kept together get items of their own.
  bool split() {
    bool better = false;
    for (size_t i = 0; i < best_.items.size(); ++i) {
      if (best_.items[i].operations.size() < 2) continue;
      RandomProgram candidate = best_;
      const Item group = candidate.items[i];
      const auto at = candidate.items.begin() + static_cast<std::ptrdiff_t>(i);
      const auto place = candidate.items.erase(at) - candidate.items.begin();
      for (size_t k = group.operations.size(); k > 0; --k) {
        Item one = group;
        one.operations = {group.operations[k - 1]};
        candidate.items.insert(candidate.items.begin() + place, one);
      }
      better |= keep_if_failing(std::move(candidate));
    }
    return better;
  }

  bool plain_conditions() {
    RandomProgram candidate = best_;
    const auto error_at = candidate.conditions.timing.error_at;
    const auto& now = best_.conditions.timing;
    const sim::MemoryTiming plain;
    if (now.latency == plain.latency && now.stall == plain.stall &&
        now.latency_spread == plain.latency_spread) {
      return false;
    }
    candidate.conditions.timing = plain;
    candidate.conditions.timing.error_at = error_at;
    return keep_if_failing(std::move(candidate));
  }

  RandomProgram best_;
  const std::function<bool(const RandomProgram&)>& fails_;
  int left_;
};

}  // namespace

RandomProgram shrink(RandomProgram program, const std::function<bool(const RandomProgram&)>& fails,
                     int limit) {
  return Shrinker(std::move(program), fails, limit).run();
}

}  // namespace pimllm::tb
