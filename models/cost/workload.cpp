#include "models/cost/workload.hpp"

#include <algorithm>
#include <filesystem>

#include "golden/error.hpp"
#include "models/cost/json_fields.hpp"

namespace pimllm::cost {
namespace {

void check_at_most(const std::string& where, const char* field, int64_t value, int64_t largest) {
  if (value > largest) fail("{}: {}: expected at most {}, found {}", where, field, largest, value);
}

void check_sizes(const std::string& path, const Workload& w) {
  constexpr std::string_view kNameCharacters =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
  constexpr size_t kLongestName = 64;
  if (w.name.empty() || w.name.size() > kLongestName ||
      w.name.find_first_not_of(kNameCharacters) != std::string::npos) {
    fail("{}: name: expected 1 to {} letters, digits, dots, dashes and underscores, found \"{}\"", path,
         kLongestName, printable(w.name));
  }
  check_at_most(path, "d_model", w.d_model, kLargestWidth);
  check_at_most(path, "heads", w.heads, kLargestWidth);
  check_at_most(path, "head_dim", w.head_dim, kLargestWidth / w.heads);
  check_at_most(path, "d_ff", w.d_ff, kLargestWidth);
  check_at_most(path, "layers", w.layers, kMostLayers);
}

void check_published(const std::string& path, const Workload& w) {
  const PublishedDimensions& p = *w.published;
  const std::string where = path + ": published";
  check_at_most(where, "q_inputs", p.q_inputs.value_or(1), kLargestWidth);
  check_at_most(where, "d_ff", p.d_ff.value_or(1), kLargestWidth);
  check_at_most(where, "ffn_matrices", p.ffn_matrices.value_or(2), 3);
  const int64_t d = p.pim_d_model.value_or(w.d_model);
  check_at_most(where, "pim_d_model", d, kLargestWidth);
  // The widths beside it are scaled along.
  const int64_t narrowest = std::min({w.kv_width(), w.d_ff, p.d_ff.value_or(w.d_ff)});
  if (narrowest * d < w.d_model) {
    fail("{}: pim_d_model: expected at least {}, which leaves one of {} columns, found {}", where,
         (w.d_model + narrowest - 1) / narrowest, narrowest, d);
  }
}

PublishedDimensions published_of(const JsonFields& fields) {
  fields.allow({"q_inputs", "d_ff", "ffn_matrices", "pim_d_model"});
  return {.q_inputs = fields.optional_size("q_inputs"),
          .d_ff = fields.optional_size("d_ff"),
          .ffn_matrices = fields.optional_size("ffn_matrices"),
          .pim_d_model = fields.optional_size("pim_d_model")};
}

}  // namespace

Workload load_workload(const std::string& path) {
  const nlohmann::json json = read_json(path);
  const JsonFields fields(path, json);
  fields.allow({"name", "title", "source", "d_model", "heads", "kv_heads", "head_dim", "d_ff", "ffn_matrices",
                "layers", "vocab_size", "published"});
  Workload w;
  w.name = fields.text("name");
  w.title = fields.text("title");
  w.d_model = fields.size("d_model");
  w.heads = fields.size("heads");
  w.kv_heads = fields.optional_size("kv_heads").value_or(w.heads);
  w.d_ff = fields.size("d_ff");
  w.ffn_matrices = fields.size("ffn_matrices");
  w.layers = fields.size("layers");
  w.vocab_size = fields.size("vocab_size");
  if (const auto head_dim = fields.optional_size("head_dim")) {
    w.head_dim = *head_dim;
  } else if (w.d_model % w.heads == 0) {
    w.head_dim = w.d_model / w.heads;
  } else {
    fail("{}: heads: expected a divisor of d_model {}, found {}", path, w.d_model, w.heads);
  }
  check_sizes(path, w);
  if (w.heads % w.kv_heads != 0) {
    fail("{}: kv_heads: expected a divisor of heads {}, found {}", path, w.heads, w.kv_heads);
  }
  if (w.ffn_matrices != 2 && w.ffn_matrices != 3) {
    fail("{}: ffn_matrices: expected 2, or 3 with a gate, found {}", path, w.ffn_matrices);
  }
  if (json.contains("published")) {
    w.published = published_of(fields.object("published"));
    check_published(path, w);
  }
  return w;
}

std::vector<Workload> load_workloads(const std::string& folder) {
  std::error_code error;
  std::vector<Workload> workloads;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (entry.path().extension() == ".json") workloads.push_back(load_workload(entry.path().string()));
  }
  if (error) fail("{}: cannot be read: {}", folder, error.message());
  if (workloads.empty()) fail("{}: expected workload files (*.json), found none", folder);
  std::sort(workloads.begin(), workloads.end(), [](const Workload& a, const Workload& b) {
    const int64_t weights_a = a.layers * projection_macs(a);
    const int64_t weights_b = b.layers * projection_macs(b);
    return weights_a != weights_b ? weights_a < weights_b : a.name < b.name;
  });
  for (size_t i = 0; i < workloads.size(); ++i) {
    for (size_t j = i + 1; j < workloads.size(); ++j) {
      if (workloads[i].name == workloads[j].name)
        fail("{}: two workloads named {}", folder, workloads[i].name);
    }
  }
  return workloads;
}

const Workload& find_workload(const std::vector<Workload>& workloads, const std::string& name) {
  std::string known;
  for (const auto& workload : workloads) {
    if (workload.name == name) return workload;
    known += (known.empty() ? "" : ", ") + workload.name;
  }
  fail("model \"{}\": unknown; expected one of {}", printable(name), known);
}

std::string default_workload_folder() { return PIMLLM_WORKLOAD_FOLDER; }

int64_t projection_macs(const Workload& w) {
  return 2 * w.d_model * w.q_width() + 2 * w.d_model * w.kv_width() + w.ffn_matrices * w.d_model * w.d_ff;
}

int64_t attention_macs(const Workload& w, int64_t context) { return 2 * w.q_width() * context; }

}  // namespace pimllm::cost
