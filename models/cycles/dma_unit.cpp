// DMA: descriptors to channels, requests ahead of data (rtl/dma), behind a memory of fixed latency.
#include <algorithm>

#include "golden/error.hpp"
#include "models/cycles/units.hpp"

namespace pimllm::cycles {
namespace {

using isa::Opcode;

constexpr uint64_t kMaxBurst = 16;     // dma_pkg::MaxBurst
constexpr uint64_t kPageBytes = 4096;  // dma_pkg::PageBytes
constexpr size_t kRequestDepth = 2;    // u_request_fifo of dma_load
constexpr size_t kSinkDepth = 8;       // u_sink_fifo
constexpr size_t kInFlight = 8;        // dma_pkg::NumTags
constexpr size_t kKept = 32;           // of a channel's transfers and appends that may still meet
constexpr uint64_t kToRequest = 1;     // descriptor in the request buffer
constexpr uint64_t kToAddress = 2;     // request registers, AR register
constexpr uint64_t kRetire = 1;        // pending flag, done
constexpr uint64_t kStoreAddress = 2;  // StAddress; StRead
constexpr uint64_t kStoreWord = 2;     // StRead, StCapture
constexpr uint64_t kStoreSend = 1;     // StSend, in which the next word is read

}  // namespace

DmaUnit::DmaUnit(const HardwareParameters& hardware, const Timing& timing, uint64_t turn, Lost& overtaken,
                 Lost& appended)
    : h_(hardware),
      timing_(timing),
      overtaken_(overtaken),
      appended_(appended),
      channels_(static_cast<size_t>(hardware.mem_channels)),
      turn_(static_cast<size_t>(turn) % channels_.size()) {}

uint64_t DmaUnit::bursts_of(uint64_t address, uint64_t beats) const {
  const auto beat = static_cast<uint64_t>(h_.channel_bytes);
  const uint64_t page = kPageBytes / beat;
  const uint64_t first = address / beat % page;
  uint64_t bursts = 0;
  // The part up to the first page end, whole pages, the rest.
  const uint64_t head = std::min(beats, page - first);
  const auto split = [](uint64_t n) { return (n + kMaxBurst - 1) / kMaxBurst; };
  bursts += split(head);
  bursts += (beats - head) / page * split(page) + split((beats - head) % page);
  return bursts;
}

// Cycle in which the last beat of a burst of the channel moves. What the transfer loses counts at its end: a
// burst must not wait for what comes later.
uint64_t DmaUnit::burst_done(const Channel& channel, uint64_t index) const {
  for (auto it = channel.history.rbegin(); it != channel.history.rend(); ++it) {
    const uint64_t begin = it->bursts - it->count;
    if (index < begin) continue;
    if (index + 1 == it->bursts) return it->last_beat;
    return it->first_beat + (index - begin + 1) * it->cycles / it->count - 1;
  }
  return 0;
}

// The last of `cycles` writes from `first` on, those of lower channels in between.
uint64_t DmaUnit::last_write(const Port& port, const Transfer& t) {
  std::array<const Transfer*, 2 * kInFlight> lower{};
  size_t count = 0;
  for (const Transfer& other : port) {
    if (other.channel < t.channel && other.last >= t.first) lower[count++] = &other;
  }
  std::sort(lower.begin(), lower.begin() + count,
            [](const Transfer* a, const Transfer* b) { return a->first < b->first; });
  uint64_t at = t.first;
  uint64_t left = t.cycles;
  for (size_t i = 0; i < count && at + left > lower[i]->first; ++i) {
    if (lower[i]->first > at) left -= lower[i]->first - at;
    at = std::max(at, lower[i]->last + 1);
  }
  return at + left - 1;
}

// Returns the cycle of the last write.
uint64_t DmaUnit::transfer(Port& port, size_t channel, uint64_t first, uint64_t cycles) {
  if (port.size() == 2 * kInFlight) port.pop_front();
  Transfer t{channel, overtaken_.count(), first, cycles, 0, 0, 0};
  t.now = t.expected = last_write(port, t);
  t.last = t.expected + overtaken_.next();
  port.push_back(t);
  for (Transfer& other : port) {
    if (other.channel <= channel || other.first > t.last || other.now < first) continue;
    other.now = last_write(port, other);
    overtaken_.found(other.number, other.now - other.expected);
  }
  return t.last;
}

// An append has precedence over a beat into the same group.
void DmaUnit::meet(Tiles& t, const Append& a) const {
  const uint64_t from = t.first + t.late;
  const uint64_t beats = t.count * t.beats;
  if (a.from + (a.count - 1) * a.period < from || a.from >= from + beats) return;
  const auto groups = static_cast<uint64_t>(h_.groups());
  const auto channels = static_cast<uint64_t>(channels_.size());
  for (uint64_t i = 0, at = a.from; i < a.count; ++i, at += a.period) {
    if (at < t.first + t.late) continue;
    const uint64_t beat = at - t.first - t.late;
    if (beat >= beats) return;
    if ((t.group + beat / t.beats * channels) % groups == a.group) ++t.late;
  }
}

// Returns the cycle of the last beat.
uint64_t DmaUnit::tile_transfer(Channel& ch, uint64_t first, uint64_t tiles, uint64_t beats, uint64_t group) {
  if (ch.tiles.size() == kKept) ch.tiles.pop_front();
  Tiles t{appended_.count(), first, tiles, beats, group, 0, 0};
  for (const Append& a : ch.appends) meet(t, a);
  t.expected = t.late;
  ch.tiles.push_back(t);
  return first + tiles * beats - 1 + t.late + appended_.next();
}

void DmaUnit::append(const std::vector<Append>& appends) {
  for (const Append& a : appends) {
    Channel& ch = channels_[a.group % channels_.size()];
    if (ch.appends.size() == kKept) ch.appends.pop_front();
    ch.appends.push_back(a);
    for (Tiles& t : ch.tiles) {
      const uint64_t late = t.late;
      meet(t, a);
      if (t.late != late) appended_.found(t.number, t.late - t.expected);
    }
  }
}

// `cycles`: of the data, one a beat, or one a word of SCL. Returns the cycle of the last.
uint64_t DmaUnit::load(size_t channel, uint64_t accepted, uint64_t address, uint64_t tiles, uint64_t beats,
                       uint64_t cycles, uint64_t group, Port* port) {
  Channel& ch = channels_[channel];
  const auto outstanding = static_cast<uint64_t>(timing_.outstanding);
  const uint64_t bursts = tiles * bursts_of(address, beats);
  const uint64_t popped = std::max(accepted + kToRequest, ch.request_free);
  const auto free_at = [&](uint64_t index) {
    return index < outstanding ? 0 : burst_done(ch, index - outstanding) + 1;
  };
  const uint64_t address_first = std::max(popped + kToAddress, free_at(ch.bursts));
  const uint64_t first =
      std::max(address_first + static_cast<uint64_t>(timing_.memory_latency), ch.data_free);
  const uint64_t last = port == nullptr ? tile_transfer(ch, first, tiles, beats, group)
                                        : transfer(*port, channel, first, cycles);
  ch.bursts += bursts;
  ch.history.push_back({ch.bursts, bursts, first, cycles, last});
  if (ch.history.size() > 4 * kSinkDepth) ch.history.pop_front();
  ch.request_free = std::max(address_first + bursts - 1, free_at(ch.bursts - 1));
  ch.data_free = last + 1;
  ch.popped.push_back(popped);
  if (ch.popped.size() > kRequestDepth) ch.popped.pop_front();
  return last;
}

// Returns the cycle of the last write response.
uint64_t DmaUnit::store(Channel& ch, uint64_t accepted, uint64_t address, uint64_t beats, uint64_t words,
                        uint64_t group, const StepHistory* array) {
  const auto latency = static_cast<uint64_t>(timing_.memory_latency);
  const auto beat = static_cast<uint64_t>(h_.channel_bytes);
  // A channel reads a beat in two cycles: a third store finds no turn at the port.
  uint64_t& second = store_reads_[stores_++ % store_reads_.size()];
  uint64_t at = std::max(accepted, second < kStoreWord ? 0 : second - kStoreWord);
  uint64_t left = beats;
  uint64_t words_left = words;
  // Sweeps come in the order of time: those that are over stay over, and those to come do not matter yet.
  size_t sweep = 0;
  const auto wait_for_array = [&] {
    while (sweep < array->size() && (*array)[sweep].end() <= at) ++sweep;
    for (size_t i = sweep; i < array->size() && (*array)[i].from <= at; ++i)
      at = (*array)[i].free_at(at, group);
  };
  const uint64_t per_beat = std::max<uint64_t>(1, (words + beats - 1) / beats);
  while (left != 0) {
    const uint64_t room = (kPageBytes - address % kPageBytes) / beat;
    const uint64_t n = std::min({left, kMaxBurst, room});
    const uint64_t w = std::min(words_left, n * per_beat);
    if (array == nullptr) {
      at += kStoreAddress + (words == 0 ? n : w) * kStoreWord + kStoreSend - 1;
    } else {
      // Reads wait for the steps of the array, which read the group a stage a cycle later each.
      at += kStoreAddress;
      for (uint64_t b = 0; b < n; ++b) {
        wait_for_array();
        at += kStoreWord;
      }
      at += kStoreSend - 1;
    }
    second = at;
    at += latency;
    left -= n;
    words_left -= w;
    address += n * beat;
  }
  ch.store_free = at + 1;
  return at;
}

Span DmaUnit::run(const isa::UnitCommand& c, uint64_t presented, const StepHistory& array) {
  const auto beat = static_cast<uint64_t>(h_.channel_bytes);
  const auto channels = static_cast<uint64_t>(channels_.size());
  const auto act_beats = static_cast<uint64_t>(h_.act_bytes()) / beat;
  const auto scr_beats = static_cast<uint64_t>(h_.scr_bytes()) / beat;
  const bool is_load = c.opcode == Opcode::kLoadt || c.opcode == Opcode::kLoadl;
  const bool tiled = c.opcode == Opcode::kLoadt || c.opcode == Opcode::kStoret;
  const bool scl = !tiled && (c.mode & 3) == 3;
  const bool nothing = c.opcode != Opcode::kStoret && c.count == 0;
  uint64_t beats = c.s0;
  if (!tiled) {
    beats = scl ? (c.count * 4ULL + beat - 1) / beat : c.count * ((c.mode & 3) == 0 ? act_beats : scr_beats);
  }
  const auto slot = count_ % retired_.size();
  uint64_t taken = std::max({presented, accept_, count_ < retired_.size() ? 0 : retired_[slot] + 1});

  struct Part {
    size_t channel = 0;
    uint64_t tiles = 1;
    uint64_t address = 0;
    uint64_t group = 0;
  };
  std::array<Part, 16> parts;
  size_t count = 0;
  if (!nothing && c.opcode == Opcode::kLoadt) {
    for (uint64_t t = 0; t < std::min<uint64_t>(channels, c.count); ++t) {
      parts[count++] = {static_cast<size_t>((t + c.s1) % channels), (c.count - t + channels - 1) / channels,
                        c.a1 + t * c.s0 * beat, t + c.s1};
    }
  } else if (!nothing) {
    parts[count++] = {tiled ? static_cast<size_t>(c.s1 % channels) : turn_, 1, c.a1};
  }
  if (!tiled) turn_ = (turn_ + 1) % channels_.size();

  for (size_t i = 0; i < count; ++i) {
    const Channel& ch = channels_[parts[i].channel];
    if (is_load) {
      if (ch.popped.size() == kRequestDepth) taken = std::max(taken, ch.popped.front() + 1);
      if (ch.history.size() >= kSinkDepth) {
        taken = std::max(taken, ch.history[ch.history.size() - kSinkDepth].last_beat + 1);
      }
    } else {
      taken = std::max(taken, ch.store_free);
    }
  }
  uint64_t end = taken;
  for (size_t i = 0; i < count; ++i) {
    if (is_load) {
      const uint64_t all = parts[i].tiles * beats;
      end = std::max(end, load(parts[i].channel, taken, parts[i].address, parts[i].tiles, beats,
                               scl ? c.count : all, parts[i].group, tiled ? nullptr : &ports_[c.mode & 3]));
    } else {
      end =
          std::max(end, store(channels_[parts[i].channel], taken, parts[i].address, beats, scl ? c.count : 0,
                              static_cast<uint64_t>(c.s1) % static_cast<uint64_t>(h_.groups()),
                              tiled ? &array : nullptr));
    }
  }
  accept_ = taken + 1;
  done_ = std::max(end, done_) + kRetire;
  retired_[slot] = done_;
  ++count_;
  return {taken, done_};
}

}  // namespace pimllm::cycles
