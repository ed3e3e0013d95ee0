// The cost models against figures of the published evaluation (arXiv 2504.01994, its raw rows, and bounds
// that follow from them), and against the same formulas worked out by hand.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "models/cost/reproduction.hpp"
#include "models/cost/table.hpp"
#include "models/cost/test_util.hpp"

namespace pimllm::cost {
namespace {

const MachineParameters kMachine;

PimBank bank_of(const std::string& model, const Accounting& accounting) {
  return pim_bank(kMachine.pim, fc_layers(workload(model), accounting), accounting);
}

double gain(const std::string& model, int64_t context, const Accounting& accounting) {
  return 100 * (tokens_per_joule(hybrid(kMachine, workload(model), context, accounting)) /
                    tokens_per_joule(array_alone(kMachine, workload(model), context, accounting)) -
                1);
}

TEST(Workloads, TheTwelvePublishedModelsAndBitnet) {
  std::vector<std::string> published;
  for (const auto& w : all_workloads()) {
    if (w.published) published.push_back(w.name);
  }
  EXPECT_THAT(published, ::testing::UnorderedElementsAre("gpt2-124m", "gpt2-355m", "gpt2-774m", "gpt2-1.5b",
                                                         "opt-350m", "opt-1.3b", "opt-2.7b", "opt-6.7b",
                                                         "opt-13b", "opt-30b", "llama-7b", "llama-13b"));
  EXPECT_EQ(workload("bitnet-2b4t").kv_heads, 5);
}

TEST(Array, PublishedCycles) {
  const auto opt = layer_cycles(kMachine, workload("opt-6.7b"), 4096, as_published());
  EXPECT_EQ(opt.attention, 1310400);
  EXPECT_EQ(opt.attention + opt.projections, 7673274);
  const auto llama = layer_cycles(kMachine, workload("llama-13b"), 128, as_published());
  EXPECT_EQ(llama.attention, 60720);
  EXPECT_EQ(llama.attention + llama.projections, 7837578);
}

TEST(Array, DataflowsByHand) {
  ArrayParameters array;
  EXPECT_EQ(gemm_cycles(array, 1, 64, 64), 2 * (64 + 62) - 1);
  EXPECT_EQ(gemm_cycles(array, 33, 65, 10), 2 * 3 * (10 + 62) - 1);
  array.dataflow = dataflow_of("ws");
  EXPECT_EQ(gemm_cycles(array, 1, 64, 64), 2 * 2 * (32 + 1 + 62) - 1);
  array.dataflow = dataflow_of("is");
  EXPECT_EQ(gemm_cycles(array, 1, 64, 64), 2 * 1 * (32 + 64 + 62) - 1);
  array = {.rows = 8, .columns = 16};
  EXPECT_EQ(gemm_cycles(array, 9, 17, 5), 2 * 2 * (5 + 22) - 1);
}

TEST(Array, QueryHeadsOfAKvHeadShareItsPass) {
  const auto cycles = layer_cycles(kMachine, workload("bitnet-2b4t"), 1000, corrected());
  // 5 KV heads; 32 x 32, head_dim 128: 32 folds of 128 and 4 folds of 1000.
  EXPECT_EQ(cycles.attention, 5 * ((32 * (128 + 62) - 1) + (4 * (1000 + 62) - 1)));
}

TEST(PimBank, PublishedLatencyOfADecoderLayer) {
  EXPECT_EQ(bank_of("gpt2-124m", as_published()).latency_ns, 46431);
  EXPECT_EQ(bank_of("opt-6.7b", as_published()).latency_ns, 322854);
  EXPECT_EQ(bank_of("opt-13b", as_published()).latency_ns, 466250);
}

TEST(PimBank, WhereThePublishedTimeGoes) {
  const PimLatency ns = bank_of("opt-6.7b", as_published()).latency;
  EXPECT_NEAR(100 * ns.transfer / ns.total(), 77, 0.5);
  EXPECT_NEAR(100 * ns.computing / ns.total(), 0.28, 0.005);
  Accounting wormhole = as_published();
  wormhole.output_read_twice = false;
  wormhole.store_and_forward = false;
  EXPECT_NEAR(bank_of("opt-6.7b", wormhole).latency_ns / 1000, 41, 0.5);
}

TEST(PimBank, PublishedEnergyOfATile) {
  const PimBank bank = bank_of("opt-6.7b", as_published());
  const double tiles = static_cast<double>(bank.tiles - 1);
  EXPECT_EQ(tiles, 816);
  EXPECT_NEAR(bank.energy.crossbar / tiles, 1.0040940334, 1e-9);
  EXPECT_NEAR(bank.energy.dac / tiles, 0.1916928, 1e-9);
  EXPECT_NEAR(bank.energy.adc / tiles, 128, 1e-9);
  EXPECT_NEAR(bank.energy.buffer / tiles, 154.89535552, 1e-8);
  EXPECT_NEAR(bank.energy.other_digital / tiles, 0.2089058487, 1e-9);
  EXPECT_NEAR(bank.energy.total() / tiles, 284.3000482, 1e-6);
  EXPECT_NEAR(bank.dummy_energy.crossbar, 0.0137278481, 1e-9);
  EXPECT_NEAR(bank.dummy_energy.dac, 0.6709248, 1e-9);
  EXPECT_NEAR(bank.dummy_energy.adc, 896, 1e-9);
  EXPECT_NEAR(bank.dummy_energy.buffer, 3804.3030323, 1e-6);
  EXPECT_NEAR(bank.dummy_energy.other_digital, 0.0976249966, 1e-9);
  Accounting without_dummy = as_published();
  without_dummy.dummy_layer = false;
  EXPECT_NEAR(bank_of("opt-6.7b", without_dummy).energy.buffer / tiles, 54.09, 0.005);
}

TEST(PimBank, PublishedAreaAndPower) {
  const PimBank bank = bank_of("opt-6.7b", as_published());
  EXPECT_NEAR(bank.area_mm2, 7629.821, 0.001);
  EXPECT_NEAR(bank.peak_power_w, 931.028, 0.001);
  EXPECT_EQ(bank.crossbars, 3265);
}

// One PE, half full: no tree, shorter messages, one column group.
TEST(PimBank, LayerOfLessThanFourPes) {
  const std::vector<FcLayer> layers = {{.name = "small", .inputs = 128, .outputs = 128}};
  Accounting accounting = as_published();
  accounting.dummy_layer = false;
  const PimLatency ns = pim_bank(kMachine.pim, layers, accounting).layers[0].latency;
  EXPECT_DOUBLE_EQ(ns.computing, 8 * (3 + 3.16001284 + 10 / 1.28));
  EXPECT_DOUBLE_EQ(ns.digital, 18 + 16 + 8 * 2 * 0.27933 + 8 * 2 * 0.032744 + 2);
  EXPECT_DOUBLE_EQ(ns.intra_tile, 2 * 8 * 128 / 1024.0);
  EXPECT_DOUBLE_EQ(ns.pe_buffer, 2 * 16 * 20);
  EXPECT_DOUBLE_EQ(ns.output_write, 16 * 20);
  EXPECT_DOUBLE_EQ(ns.output_read, 16 * 20);
  EXPECT_EQ(ns.merge, 0);
  EXPECT_EQ(ns.transfer, 0);
}

TEST(PimBank, TilesThatDoNotFitAreRefused) {
  PimParameters small;
  small.rows = small.columns = 64;
  EXPECT_THAT(
      error_of([&] { pim_bank(small, fc_layers(workload("opt-6.7b"), as_published()), as_published()); }),
      ::testing::HasSubstr("the grid of 64 x 64 has 4096"));
}

TEST(Claims, Headlines) {
  const auto tokens = [](const char* model, int64_t context, const Accounting& a) {
    return tokens_per_s(hybrid(kMachine, workload(model), context, a));
  };
  const Accounting published = as_published();
  EXPECT_NEAR(tokens("opt-6.7b", 128, published) /
                  tokens_per_s(array_alone(kMachine, workload("opt-6.7b"), 128, published)),
              79.29, 0.005);
  EXPECT_NEAR(gain("gpt2-355m", 4096, published), 70.59, 0.005);
  EXPECT_NEAR(gops(hybrid(kMachine, workload("gpt2-124m"), 1024, published)) / 3.2, 2.02, 0.005);
  EXPECT_NEAR(gops_per_w(hybrid(kMachine, workload("gpt2-355m"), 4096, published)) / 200, 5.13, 0.005);
}

TEST(Claims, AttentionEnergyInEveryLayer) {
  EXPECT_NEAR(gain("opt-6.7b", 128, as_published()), 12.49, 0.005);
  Accounting energy = as_published();
  set_quirk(energy, "attention_energy_once=off");
  EXPECT_NEAR(gain("gpt2-355m", 4096, energy), -17.44, 0.005);
  EXPECT_NEAR(gain("opt-6.7b", 128, energy), 11.57, 0.005);
}

TEST(Claims, AttentionShareOfLatency) {
  const auto share = [](const char* model, int64_t context) {
    const Result result = hybrid(kMachine, workload(model), context, as_published());
    return 100 * result.latency_s[1].value / sum_of(result.latency_s);
  };
  EXPECT_NEAR(share("opt-6.7b", 128), 60, 0.5);
  EXPECT_NEAR(share("gpt2-355m", 128), 74, 0.5);
  EXPECT_GT(share("opt-6.7b", 4096), 97);
}

TEST(Baselines, ArrayThatKeepsItsMacsBusy) {
  const Workload& opt = workload("opt-6.7b");
  const std::array<std::array<double, 3>, 3> expected = {
      {{128, 15.7, 38.6}, {1024, 14.7, 8.5}, {4096, 11.9, 2.33}}};
  for (const auto& [context, busy, published] : expected) {
    const auto l = static_cast<int64_t>(context);
    EXPECT_NEAR(tokens_per_s(busy_array(kMachine, opt, l, as_published())), busy, 0.05);
    EXPECT_NEAR(tokens_per_s(hybrid(kMachine, opt, l, as_published())), published, 0.05);
  }
}

TEST(Baselines, DramBound) {
  const Result result = dram_bound(kMachine, workload("opt-6.7b"), 4096, as_published());
  // 33,554,432 bytes of int8 KV a layer, 65,536 cycles of 10 ns at 51.2 GB/s.
  EXPECT_NEAR(result.latency_s[1].value / 32, 65536 * 10e-9, 1e-12);
  EXPECT_DOUBLE_EQ(result.dram_bytes / 32, 33554432 + 201326592 / 4.0);
}

TEST(Corrected, TimeAndEnergyOfDram) {
  const Workload& opt = workload("opt-6.7b");
  Accounting energy = as_published();
  energy.no_dram_energy = false;
  const double published = sum_of(hybrid(kMachine, opt, 4096, as_published()).energy_j);
  EXPECT_NEAR(sum_of(hybrid(kMachine, opt, 4096, energy).energy_j) - published, 32 * 33554432.0 * 8 * 4e-12,
              1e-12);

  MachineParameters slow;
  slow.dram.gb_per_s = 1;
  Accounting time = as_published();
  time.no_dram_time = false;
  EXPECT_DOUBLE_EQ(hybrid(slow, opt, 4096, time).latency_s[1].value, 32 * 33554432 / 1e9);
  EXPECT_DOUBLE_EQ(hybrid(slow, opt, 4096, as_published()).latency_s[1].value, 32 * 1310400 * 10e-9);
}

TEST(Corrected, Dimensions) {
  const auto layers = fc_layers(workload("gpt2-1.5b"), corrected());
  ASSERT_EQ(layers.size(), 6U);
  EXPECT_EQ(layers[0].inputs, 1600);
  EXPECT_EQ(layers[4].outputs, 6400);
  const auto published = fc_layers(workload("gpt2-1.5b"), as_published());
  EXPECT_EQ(published[0].inputs, 7168);
  EXPECT_EQ(published[0].outputs, 1792);
  EXPECT_EQ(published[5].inputs, 1792);
  const auto llama = fc_layers(workload("llama-7b"), corrected());
  ASSERT_EQ(llama.size(), 7U);
  EXPECT_EQ(llama[5].name, "FFN gate");
  EXPECT_EQ(llama[5].stage, llama[4].stage);
  EXPECT_EQ(fc_layers(workload("llama-7b"), as_published()).size(), 6U);
  EXPECT_EQ(fc_layers(workload("bitnet-2b4t"), as_published())[1].outputs, 640);
}

TEST(Result, WordsABattery) {
  Result result;
  result.energy_j = {{"all", 0.5}};
  EXPECT_DOUBLE_EQ(words_per_battery(result), 12000 * 2);
}

TEST(Table, CrossoverSplitsTheContexts) {
  const Workload& opt = workload("opt-6.7b");
  const int64_t crossover = attention_crossover(kMachine, opt, as_published());
  const auto attention_minus_projections = [&](int64_t context) {
    const Result result = hybrid(kMachine, opt, context, as_published());
    return result.latency_s[1].value - result.latency_s[0].value;
  };
  EXPECT_LE(attention_minus_projections(crossover), 0);
  EXPECT_GT(attention_minus_projections(crossover + 1), 0);
}

TEST(Reproduction, PageNamesTheFigures) {
  const std::string page = reproduction_page(all_workloads(), kMachine);
  for (const char* figure :
       {"| 79.29x |", "| +70.59 % |", "| -17.44 % |", "| +11.57 % |", "| 2.02x |", "| 5.13x |",
        "takes 322.9 us", "77 % of it is the way", "computation is 0.28 %", "it takes 41.2 us"}) {
    EXPECT_THAT(page, ::testing::HasSubstr(figure));
  }
}

TEST(Reproduction, PageIsFresh) {
  const std::string page = read_file(PIMLLM_REPRODUCTION_PAGE);
  EXPECT_EQ(page, reproduction_page(all_workloads(), kMachine))
      << "pimllm paper --reproduction docs/reproduction.md writes it";
}

}  // namespace
}  // namespace pimllm::cost
