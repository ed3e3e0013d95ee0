// --check: published rows pass; every column that is off is named; damaged input is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <tuple>

#include "models/cost/csv.hpp"
#include "models/cost/reference_check.hpp"
#include "models/cost/test_util.hpp"

namespace pimllm::cost {
namespace {

using ::testing::HasSubstr;

// Some of the raw rows behind the published figures (arXiv 2504.01994).
const char* const kEdge =
    "model,context,d_model,heads,ffn_tpu,layers,attention_cycles_per_layer,total_cycles_per_layer,"
    "pim_latency_ns_per_layer,tokens_per_s_tpu,tokens_per_s_hybrid\n"
    "gpt2-355m,4096,1024,16,1024,24,391072,599578,49919,6.949332141383884,10.52018794610331\n"
    "opt-6.7b,128,4096,32,16384,32,48576,6411450,322854,0.48740924439869293,38.64637515551301\n"
    "llama-13b,1024,5120,40,13824,40,416880,8193738,344382,0.30511104943799766,5.539329014429287\n";
const char* const kLayers =
    "model,fc_layer,in_features,out_features,tiles,hops_in_layer,hops_to_next,buffer_ns,computing_ns,digital_"
    "ns,"
    "intra_tile_ns,merge_ns,inter_tile_ns,layer_latency_ns,total_latency_ns,energy_nj\n"
    "gpt2-124m,1,7168,768,21,5,3,7040.0,223.56020544,85.986368,4.25,4618.0,5539.6,10333.396573,12893.396573,"
    "5970.301012\n"
    "opt-6.7b,5,4096,16384,256,23,28,7040.0,223.56020544,85.986368,4.25,12026.800000000001,195527.6,200321."
    "396573,"
    "202881.396573,72780.81234\n"
    "opt-6.7b,6,16384,4096,256,28,0,7040.0,223.56020544,85.986368,4.25,14084.800000000001,14084.8,18878."
    "596573,"
    "21438.596573,72780.81234\n";
const char* const kEnergy =
    "model,layers,crossbar_nj,dac_nj,adc_nj,buffer_nj,other_digital_nj,fc_total_nj_per_layer,crossbars,"
    "area_mm2_per_layer,peak_power_w_per_layer\n"
    "gpt2-355m,24,48.21024145105416,9.8721792,7040.0,11239.28009728,10.125105732986336,13646.402314,193,457."
    "602,"
    "54.781\n"
    "opt-13b,40,1245.0903292574303,238.3699968,159616.0,195874.54387712,259.1408773524822,352532.059771,4961,"
    "11589.483,1414.789\n";

CheckReport check_folder(const TemporaryFolder& folder, const Accounting& accounting = as_published()) {
  return check_reference(folder.path(), all_workloads(), {}, accounting);
}

TEST(Check, PublishedRows) {
  const TemporaryFolder folder;
  folder.write("edge_throughput.csv", kEdge);
  folder.write("pim_layers.csv", kLayers);
  folder.write("pim_energy.csv", kEnergy);
  const CheckReport report = check_folder(folder);
  EXPECT_EQ(report.differences, 0) << ::testing::PrintToString(report.first_differences);
  EXPECT_EQ(report.values, 3 * 9 + 3 * 14 + 2 * 10);
  EXPECT_GT(check_folder(folder, corrected()).differences, 0);
}

std::string joined(const std::vector<std::string>& cells) {
  std::string line;
  for (const auto& cell : cells) line += (line.empty() ? "" : ",") + cell;
  return line + "\n";
}

// A little off: the least that the comparison must notice.
std::string off(const std::string& column, const std::string& cell) {
  const double value = std::stod(cell);
  if (cell.find('.') == std::string::npos) return fmt::format("{}", static_cast<int64_t>(value) + 1);
  const bool thousandth = column.starts_with("area") || column.starts_with("peak");
  return fmt::format("{}", thousandth ? value + 0.002 : value * (1 + 1e-8));
}

// Each cell in turn.
TEST(Check, EveryColumnIsCompared) {
  for (const auto& [name, text, keys] :
       {std::tuple{"edge_throughput.csv", kEdge, 2}, std::tuple{"pim_layers.csv", kLayers, 2},
        std::tuple{"pim_energy.csv", kEnergy, 1}}) {
    const TemporaryFolder folder;
    const CsvFile file = read_csv(folder.write(name, text));
    for (auto column = static_cast<size_t>(keys); column < file.header.size(); ++column) {
      std::vector<std::string> cells = file.rows[0].cells;
      cells[column] = off(file.header[column], cells[column]);
      folder.write(name, joined(file.header) + joined(cells));
      const CheckReport report = check_folder(folder);
      EXPECT_EQ(report.differences, 1) << name << " " << file.header[column];
      ASSERT_EQ(report.first_differences.size(), 1U);
      EXPECT_THAT(report.first_differences[0], HasSubstr(fmt::format("{}: line 2", name)));
      EXPECT_THAT(report.first_differences[0],
                  HasSubstr(fmt::format("{}: expected {}, found ", file.header[column], cells[column])));
    }
  }
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const size_t place = text.find(from);
  EXPECT_NE(place, std::string::npos);
  return text.replace(place, from.size(), to);
}

TEST(Check, DamagedFilesAreRefused) {
  const TemporaryFolder folder;
  EXPECT_THAT(error_of([&] { check_folder(folder); }), HasSubstr("found none"));
  const auto refused = [&](const std::string& name, const std::string& text) {
    folder.write(name, text);
    const std::string message = error_of([&] { check_folder(folder); });
    std::filesystem::remove(folder.file(name));
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    return message;
  };
  const std::string edge = kEdge;
  EXPECT_THAT(refused("edge_throughput.csv", replaced(edge, "heads", "head")),
              HasSubstr("\"heads\" is missing"));
  EXPECT_THAT(refused("edge_throughput.csv", replaced(edge, "ffn_tpu", "heads")),
              HasSubstr("\"heads\" appears twice"));
  const CsvFile file = read_csv(folder.write("edge_throughput.csv", edge));
  std::vector<std::string> header = file.header;
  std::vector<std::string> cells = file.rows[0].cells;
  header.emplace_back("colour");
  cells.emplace_back("1");
  EXPECT_THAT(refused("edge_throughput.csv", joined(header) + joined(cells)),
              HasSubstr("unknown column \"colour\""));
}

TEST(Check, DamagedCellsAreRefused) {
  const TemporaryFolder folder;
  const auto refused = [&](const std::string& name, const std::string& text) {
    folder.write(name, text);
    const std::string message = error_of([&] { check_folder(folder); });
    std::filesystem::remove(folder.file(name));
    return message;
  };
  EXPECT_THAT(refused("edge_throughput.csv", replaced(kEdge, "gpt2-355m", "gpt5")),
              HasSubstr("line 2: model \"gpt5\""));
  EXPECT_THAT(refused("edge_throughput.csv", replaced(kEdge, ",4096,", ",0,")),
              HasSubstr("context: expected 1"));
  EXPECT_THAT(refused("edge_throughput.csv", replaced(kEdge, "391072", "many")),
              HasSubstr("expected a number"));
  EXPECT_THAT(refused("edge_throughput.csv", replaced(kEdge, "391072", "nan")), HasSubstr("finite"));
  EXPECT_THAT(refused("edge_throughput.csv", replaced(kEdge, ",391072", "")),
              HasSubstr("expected 11 cells, found 10"));
  EXPECT_THAT(refused("pim_layers.csv", replaced(kLayers, "gpt2-124m,1,", "gpt2-124m,7,")),
              HasSubstr("fc_layer: expected 1 to 6, found 7"));
  EXPECT_THAT(refused("pim_energy.csv", std::string(kEnergy).substr(0, std::string(kEnergy).find('\n') + 1)),
              HasSubstr("no rows"));
  EXPECT_THAT(refused("pim_energy.csv", ""), HasSubstr("expected a header"));
  // Found by fuzzing: foreign bytes in a message.
  EXPECT_THAT(refused("edge_throughput.csv", replaced(kEdge, "391072", "3\x1b[31m")),
              HasSubstr("found \"3?[31m\""));
}

TEST(Workloads, DamagedFilesAreRefused) {
  const TemporaryFolder folder;
  const std::string good =
      R"({"name":"a","title":"A","d_model":64,"heads":4,"d_ff":128,"ffn_matrices":2,"layers":2,"vocab_size":10})";
  const auto refused = [&](const std::string& from, const std::string& to) {
    return error_of([&] { load_workload(folder.write("a.json", replaced(good, from, to))); });
  };
  EXPECT_EQ(load_workload(folder.write("a.json", good)).head_dim, 16);
  EXPECT_THAT(refused("{", ""), HasSubstr("not JSON"));
  EXPECT_THAT(refused("\"layers\":2,", ""), HasSubstr("\"layers\" is missing"));
  EXPECT_THAT(refused("\"layers\":2", "\"layers\":0"),
              HasSubstr("layers: expected 1 to 2147483648, found 0"));
  EXPECT_THAT(refused("\"layers\":2", "\"layers\":-4"), HasSubstr("found -4"));
  EXPECT_THAT(refused("\"layers\":2", "\"layers\":2.5"), HasSubstr("expected an integer, found 2.5"));
  EXPECT_THAT(refused("\"layers\":2", "\"layers\":2,\"depth\":2"), HasSubstr("unknown field \"depth\""));
  EXPECT_THAT(refused("\"heads\":4", "\"heads\":5"), HasSubstr("heads: expected a divisor of d_model"));
  EXPECT_THAT(refused("\"heads\":4", "\"heads\":4,\"kv_heads\":3"),
              HasSubstr("kv_heads: expected a divisor"));
  // Found by fuzzing: products of sizes beyond 64 bits, a PIM side without columns, text that breaks the
  // line.
  EXPECT_THAT(refused("\"d_model\":64", "\"d_model\":2147483648"),
              HasSubstr("d_model: expected at most 65536"));
  EXPECT_THAT(refused("\"heads\":4", "\"heads\":4,\"head_dim\":65536"),
              HasSubstr("head_dim: expected at most 16384"));
  EXPECT_THAT(refused("\"d_ff\":128", "\"d_ff\":2147483648"), HasSubstr("d_ff: expected at most 65536"));
  EXPECT_THAT(refused("\"layers\":2", "\"layers\":2147483648"), HasSubstr("layers: expected at most 1024"));
  EXPECT_THAT(
      refused("\"heads\":4", R"("heads":4,"published":{"d_ff":1,"pim_d_model":1})"),
      HasSubstr("published: pim_d_model: expected at least 64, which leaves one of 1 columns, found 1"));
  EXPECT_THAT(refused("\"heads\":4", R"("heads":4,"published":{"q_inputs":2147483648})"),
              HasSubstr("published: q_inputs: expected at most 65536"));
  EXPECT_THAT(refused("\"name\":\"a\"", R"("name":"a\nb")"), HasSubstr("name: expected 1 to 64 letters"));
  EXPECT_THAT(refused("\"name\":\"a\"", R"("na\nme":"a")"), HasSubstr("unknown field \"na?me\""));
  EXPECT_THAT(refused("\"layers\":2", "\"layers\":1e999"), HasSubstr("expected numbers that fit a double"));
  EXPECT_THAT(refused("\"layers\":2", "\"layers\":" + std::string(100'000, '[') + std::string(100'000, ']')),
              HasSubstr("expected JSON of at most 16 levels"));
  EXPECT_THAT(error_of([] { workload("gpt5"); }), HasSubstr("model \"gpt5\": unknown; expected one of"));
  EXPECT_THAT(error_of([&] { load_workloads(folder.file("nowhere")); }), HasSubstr("cannot be read"));
}

TEST(Accounting, Switches) {
  Accounting accounting = as_published();
  for (const auto& quirk : quirks()) {
    set_quirk(accounting, std::string(quirk.name) + "=off");
    EXPECT_FALSE(accounting.*quirk.member);
  }
  EXPECT_THAT(error_of([&] { set_quirk(accounting, "dummy=on"); }), HasSubstr("quirk \"dummy\": unknown"));
  EXPECT_THAT(error_of([&] { set_quirk(accounting, "dummy_layer=maybe"); }), HasSubstr("expected on or off"));
  EXPECT_THAT(error_of([&] { set_quirk(accounting, "dummy_layer"); }), HasSubstr("expected on or off"));
}

}  // namespace
}  // namespace pimllm::cost
