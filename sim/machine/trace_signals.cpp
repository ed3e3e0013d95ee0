// Compiled into what links a machine with tracing, whose code of the FST format it uses.
#if VM_TRACE_FST
#include <gtkwave/fstapi.h>
#endif

#include <memory>

#include "golden/error.hpp"
#include "sim/machine/machine.hpp"

namespace pimllm::sim {

#if VM_TRACE_FST

std::vector<std::string> read_trace_signals(const std::string& path) {
  const std::unique_ptr<void, void (*)(void*)> reader(fstReaderOpen(path.c_str()), fstReaderClose);
  if (!reader) fail("{}: expected an FST file", path);
  std::vector<std::string> signals;
  std::vector<std::string> scopes;
  while (const fstHier* entry = fstReaderIterateHier(reader.get())) {
    if (entry->htyp == FST_HT_SCOPE) {
      scopes.push_back((scopes.empty() ? "" : scopes.back()) + entry->u.scope.name + ".");
    } else if (entry->htyp == FST_HT_UPSCOPE) {
      scopes.pop_back();
    } else if (entry->htyp == FST_HT_VAR) {
      // "name [7:0]": GTKWave knows it without the space.
      std::string name = (scopes.empty() ? "" : scopes.back()) + entry->u.var.name;
      std::erase(name, ' ');
      signals.push_back(std::move(name));
    }
  }
  return signals;
}

#else

std::vector<std::string> read_trace_signals(const std::string& path) {
  fail("{}: this build has no tracing, expected a build with -DPIMLLM_TRACE=ON", path);
}

#endif

}  // namespace pimllm::sim
