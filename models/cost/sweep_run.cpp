// A sweep into a file, resumable.
#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "golden/error.hpp"
#include "models/cost/sweep.hpp"
#include "models/io/atomic_file.hpp"

namespace pimllm::cost {
namespace {

constexpr int64_t kBlock = 4096;  // points between two writes

// Everything the rows depend on, in one line.
std::string identity(const SweepSpec& s) {
  nlohmann::ordered_json json;
  json["accounting"] = s.accounting_name;
  for (const auto& w : s.models) {
    nlohmann::ordered_json model = {w.name,     w.d_model, w.heads,        w.kv_heads,
                                    w.head_dim, w.d_ff,    w.ffn_matrices, w.layers};
    if (w.published) {
      const auto& p = *w.published;
      model.push_back({p.q_inputs.value_or(0), p.d_ff.value_or(0), p.ffn_matrices.value_or(0),
                       p.pim_d_model.value_or(0)});
    }
    json["models"].push_back(model);
  }
  for (const auto& a : s.array) json["array"].push_back({a.rows, a.columns});
  json["axes"] = {s.crossbar, s.adc_bits, s.adcs,    s.dac_bits, s.gb_per_s,
                  s.kv_bits,  s.batch,    s.context, s.design};
  return "# " + json.dump();
}

// Lines of the partial file behind its first; the file is cut behind its last whole line. Empty if there is
// none.
std::vector<std::string> lines_done(const std::string& path, const std::string& first_line) {
  if (!std::filesystem::exists(path)) return {};
  const std::string text = read_file(path);
  const size_t end = text.rfind('\n');
  if (end == std::string::npos) {
    std::filesystem::remove(path);
    return {};
  }
  std::vector<std::string> lines;
  std::istringstream in(text.substr(0, end));
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  if (lines.front() != first_line)
    fail("{}: belongs to another sweep; remove it, or choose another file", path);
  std::filesystem::resize_file(path, end + 1);
  lines.erase(lines.begin());
  return lines;
}

// A point whose figures, the last three cells, are known already. They were written with all their digits.
SweepRow known_row(const Sweep& sweep, int64_t point, const std::string& line, const std::string& path) {
  SweepRow row = sweep.coordinates(point);
  size_t begin = line.size();
  for (int cell = 0; cell < 3 && begin != std::string::npos && begin > 0; ++cell)
    begin = line.rfind(',', begin - 1);
  const char* text = begin == std::string::npos ? nullptr : line.c_str() + begin;
  for (double* figure : {&row.tokens_per_s, &row.tokens_per_j, &row.mm2}) {
    char* end = nullptr;
    if (text != nullptr && *text == ',') *figure = std::strtod(text + 1, &end);
    text = end;
  }
  if (text == nullptr || *text != '\0' || to_csv(row) != line) {
    fail("{}: row {} is damaged; remove the file", path, point + 1);
  }
  return row;
}

}  // namespace

std::optional<SweepResult> run_sweep(const SweepSpec& spec, const std::string& path,
                                     const std::function<bool(int64_t done)>& step) {
  const std::string partial = path + ".partial";
  const std::string first_line = identity(spec);
  const int64_t total = point_count(spec);
  std::vector<std::string> lines = lines_done(partial, first_line);
  if (static_cast<int64_t>(lines.size()) > total) {
    fail("{}: expected at most {} rows, found {}", partial, total, lines.size());
  }
  Sweep sweep(spec);
  SweepResult result;
  result.rows.reserve(static_cast<size_t>(total));
  for (const auto& line : lines) {
    result.rows.push_back(known_row(sweep, static_cast<int64_t>(result.rows.size()), line, partial));
  }

  std::ofstream out(partial, std::ios::app | std::ios::binary);
  if (out && std::filesystem::file_size(partial) == 0) out << first_line << '\n';
  for (auto point = static_cast<int64_t>(lines.size()); point < total;) {
    if (!step(point)) return std::nullopt;
    const int64_t end = std::min(point + kBlock, total);
    for (; point < end; ++point) {
      result.rows.push_back(sweep.row(point));
      lines.push_back(to_csv(result.rows.back()));
      out << lines.back() << '\n';
    }
    if (!out.flush()) fail("{}: cannot be written: {}", partial, std::strerror(errno));
  }
  out.close();
  step(total);

  result.front = pareto_front(result.rows);
  std::string text = sweep_csv_header() + ",pareto\n";
  for (size_t i = 0; i < lines.size(); ++i) text.append(lines[i]).append(result.front[i] ? ",1\n" : ",0\n");
  write_file_atomically(path, text);
  std::filesystem::remove(partial);
  return result;
}

}  // namespace pimllm::cost
