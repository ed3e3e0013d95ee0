// Tables of reference figures (`pimllm paper --check`): rows, and every cell as a number.
#include "fuzz/target.hpp"
#include "models/cost/csv.hpp"

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace pimllm;
  static fuzz::InputFile input;
  return fuzz::run([&] {
    const cost::CsvFile file = cost::read_csv(input.holding(data, size));
    for (const auto& row : file.rows) {
      if (row.cells.size() != file.header.size()) fuzz::finding("a row of another length than the header");
      for (size_t column = 0; column < row.cells.size(); ++column) {
        fuzz::run([&] { cost::number_of(file, row, column); });
        fuzz::run([&] { cost::integer_of(file, row, column); });
      }
    }
  });
}
