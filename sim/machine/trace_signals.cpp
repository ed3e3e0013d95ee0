// Compiled into what links a machine with tracing, whose code of the FST format it uses.
#if VM_TRACE_FST
#include <gtkwave/fstapi.h>
#endif

#include <algorithm>
#include <memory>

#include "golden/error.hpp"
#include "sim/machine/machine.hpp"

namespace pimllm::sim {

#if VM_TRACE_FST
namespace {

// GTKWave's name of what the file calls "a [7:0]": "a[7:0]". Single bits have one index, integers and
// parameters none.
std::string gtkwave_name(std::string name, int type) {
  std::erase(name, ' ');
  const size_t bracket = name.rfind('[');
  const size_t colon = name.find(':', std::min(bracket, name.size()));
  if (colon == std::string::npos) return name;
  if (type == FST_VT_VCD_INTEGER || type == FST_VT_VCD_PARAMETER) return name.substr(0, bracket);
  const std::string high = name.substr(bracket + 1, colon - bracket - 1);
  if (name.substr(colon + 1) == high + "]") return name.substr(0, bracket) + "[" + high + "]";
  return name;
}

}  // namespace

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
      signals.push_back((scopes.empty() ? "" : scopes.back()) +
                        gtkwave_name(entry->u.var.name, entry->u.var.typ));
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
