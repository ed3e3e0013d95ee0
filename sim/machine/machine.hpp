// The Verilated machine behind one C++ class: clock, host registers, memory, and what its units do, cycle by
// cycle. Nothing here depends on a configuration; make_machine() picks one by name.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "golden/crossbar_noise.hpp"
#include "golden/error.hpp"
#include "models/compiler/compiler.hpp"
#include "models/isa/instruction.hpp"
#include "models/isa/isa.hpp"
#include "tb/common/axi_memory.hpp"

namespace pimllm::sim {

// A granted write of a unit: bytes of one word (KV: one row of a bank group; memory: one beat).
struct Write {
  isa::Unit unit = isa::Unit::kSched;
  Space space = Space::kAct;
  uint32_t group = 0;                // of KV
  uint64_t address = 0;              // word of the space, row of KV, byte of memory
  std::span<const uint8_t> data;     // the whole word
  std::span<const uint8_t> enables;  // one bit a byte; empty: all bytes
  bool enabled(size_t byte) const { return enables.empty() || (enables[byte / 8] >> (byte % 8) & 1) != 0; }
};

// Told what happens in a cycle, in this order: commands taken, writes granted, instructions done.
class Listener {
 public:
  virtual ~Listener() = default;
  virtual void on_command(isa::Unit unit, const isa::UnitCommand& command) = 0;
  virtual void on_write(const Write& write) = 0;
  virtual void on_done(isa::Unit unit) = 0;
};

// A unit broke the protocol of its port to memory (the scheduler: that of the fetches).
class ProtocolError : public Error {
 public:
  ProtocolError(const std::string& what, isa::Unit unit) : Error(what), unit_(unit) {}
  isa::Unit unit() const { return unit_; }

 private:
  isa::Unit unit_;
};

// Behaviour of the memory behind the machine.
struct MemoryTiming {
  int latency = 40;                  // cycles to the first beat
  double stall = 0.0;                // probability of refusal, each cycle and channel
  int latency_spread = 0;            // a burst waits up to so many cycles more
  uint64_t hang_at = ~uint64_t{0};   // from this cycle on nothing is answered
  std::optional<uint64_t> error_at;  // beats with this address are answered with SLVERR
};

struct MachineOptions {
  MemoryTiming memory;
  uint64_t seed = 1;  // of stalls
  // FST file of the cycles [trace_from, trace_to); only in builds with tracing. When a listener throws, the
  // machine runs on up to trace_to before that comes out of step(), and the file is complete.
  std::string trace;
  uint64_t trace_from = 0;
  uint64_t trace_to = ~uint64_t{0};
  CrossbarNoise noise;  // of the crossbars
};

// Time units of a cycle in a trace; a cycle begins with the falling edge of the clock.
inline constexpr uint64_t kTraceCycle = 10;

class Machine {
 public:
  virtual ~Machine() = default;
  virtual void reset() = 0;
  virtual void step() = 0;  // one clock cycle; may throw ProtocolError
  virtual uint64_t cycles() const = 0;
  virtual bool irq() const = 0;
  virtual uint32_t read_register(uint32_t address) = 0;  // AXI4-Lite, takes a few cycles
  virtual void write_register(uint32_t address, uint32_t value) = 0;
  virtual tb::AxiMemory& memory() = 0;
  virtual void hang_memory(bool hang) = 0;  // whether the memory stops to answer
  // Another behaviour of memory from now on, and the seed of its stalls; error_at is left to memory().
  virtual void set_memory_timing(const MemoryTiming& timing, uint64_t seed) = 0;
  virtual void listen(Listener* listener) = 0;  // nullptr: nobody
  // After the last cycle that matters: runs on up to trace_to, with nobody listening, and completes the file.
  virtual void end_trace() = 0;
};

// "paper", "small", "unit" or another configuration that was built in. Throws Error for an unknown name, or
// for a trace in a build without tracing.
std::unique_ptr<Machine> make_machine(std::string_view config, const MachineOptions& options);
std::vector<std::string> machine_configs();

// Names of the signals in an FST file, as GTKWave writes them: "TOP.pimllm_top.cmd_valid[4:0]". Throws Error
// if it cannot be read, or in a build without tracing.
std::vector<std::string> read_trace_signals(const std::string& path);

}  // namespace pimllm::sim
