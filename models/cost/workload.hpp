// A decoder-only transformer as the cost models see it: sizes only. One JSON file a model,
// models/workloads/*.json.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace pimllm::cost {

// Where the published evaluation departs from the model. An empty field follows the model.
struct PublishedDimensions {
  std::optional<int64_t> q_inputs;      // inputs of the first FC layer on the PIM side
  std::optional<int64_t> d_ff;          // FFN width as evaluated
  std::optional<int64_t> ffn_matrices;  // FFN matrices as evaluated
  std::optional<int64_t> pim_d_model;   // model width on the PIM side, where it differs from the array's
};

// Beyond every model there is; products of sizes stay far within 64 bits.
constexpr int64_t kLargestWidth = 1 << 16;  // of a row or column of any matrix
constexpr int64_t kMostLayers = 1024;

struct Workload {
  std::string name;   // "opt-6.7b", unique
  std::string title;  // "OPT 6.7B"
  int64_t d_model = 0;
  int64_t heads = 0;
  int64_t kv_heads = 0;  // divides heads
  int64_t head_dim = 0;
  int64_t d_ff = 0;
  int64_t ffn_matrices = 0;  // 2, or 3 with a gate
  int64_t layers = 0;
  int64_t vocab_size = 0;                        // of the LM head, which no published figure counts
  std::optional<PublishedDimensions> published;  // set for the models of the published evaluation

  int64_t q_width() const { return heads * head_dim; }
  int64_t kv_width() const { return kv_heads * head_dim; }
};

// Reads one file. Throws Error naming file and field: not JSON, a field missing, unknown, not an integer,
// below 1 or too large, kv_heads that do not divide heads, a name that is not a word of letters, digits and
// ".-_". kv_heads defaults to heads, head_dim to d_model / heads.
Workload load_workload(const std::string& path);

// All *.json of a folder, smallest model first. Throws Error if there is none, or two of one name.
std::vector<Workload> load_workloads(const std::string& folder);

// Throws Error that lists the known names.
const Workload& find_workload(const std::vector<Workload>& workloads, const std::string& name);

// models/workloads of the source tree this program was built from.
std::string default_workload_folder();

// MACs of the projections of one decoder layer for one token.
int64_t projection_macs(const Workload& workload);
// MACs of QK^T and PV of one decoder layer for one token with `context` tokens in the KV cache.
int64_t attention_macs(const Workload& workload, int64_t context);

}  // namespace pimllm::cost
