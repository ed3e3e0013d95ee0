// Plain comma-separated files: a header, no quotes.
#pragma once

#include <string>
#include <vector>

namespace pimllm::cost {

struct CsvRow {
  int64_t line = 0;  // in the file, from 1
  std::vector<std::string> cells;
};

struct CsvFile {
  std::string path;
  std::vector<std::string> header;
  std::vector<CsvRow> rows;
};

// Throws Error naming file and line: not readable, no header, a row of another length than the header, no
// rows.
CsvFile read_csv(const std::string& path);

// Throws Error naming file, line and column if the cell is no number, or no integer.
double number_of(const CsvFile& file, const CsvRow& row, size_t column);
int64_t integer_of(const CsvFile& file, const CsvRow& row, size_t column);

}  // namespace pimllm::cost
