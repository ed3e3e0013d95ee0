#include "models/cost/csv.hpp"

#include <charconv>
#include <cmath>

#include "golden/error.hpp"
#include "models/io/atomic_file.hpp"

namespace pimllm::cost {
namespace {

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (true) {
    const size_t end = text.find(separator);
    parts.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

template <typename T>
T parse(const CsvFile& file, const CsvRow& row, size_t column, const char* kind) {
  const std::string& cell = row.cells[column];
  T value{};
  const auto [end, error] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
  if (error != std::errc{} || end != cell.data() + cell.size()) {
    fail("{}: line {}: {}: expected {}, found \"{}\"", file.path, row.line, printable(file.header[column]),
         kind, printable(cell));
  }
  return value;
}

}  // namespace

CsvFile read_csv(const std::string& path) {
  const std::string text = read_file(path);
  CsvFile file;
  file.path = path;
  int64_t number = 0;
  for (std::string& line : split(text, '\n')) {
    ++number;
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.empty()) continue;
    std::vector<std::string> cells = split(line, ',');
    if (file.header.empty()) {
      file.header = std::move(cells);
      continue;
    }
    if (cells.size() != file.header.size()) {
      fail("{}: line {}: expected {} cells, found {}", path, number, file.header.size(), cells.size());
    }
    file.rows.push_back({number, std::move(cells)});
  }
  if (file.rows.empty())
    fail("{}: expected a header and rows, found {}", path, number <= 1 ? "none" : "no rows");
  return file;
}

double number_of(const CsvFile& file, const CsvRow& row, size_t column) {
  const auto value = parse<double>(file, row, column, "a number");
  if (!std::isfinite(value)) {
    fail("{}: line {}: {}: expected a finite number", file.path, row.line, printable(file.header[column]));
  }
  return value;
}

int64_t integer_of(const CsvFile& file, const CsvRow& row, size_t column) {
  return parse<int64_t>(file, row, column, "an integer");
}

}  // namespace pimllm::cost
