#include "models/cost/reproduction.hpp"

#include "golden/error.hpp"
#include "models/cost/table.hpp"

namespace pimllm::cost {
namespace {

using Evaluate = Result (*)(const MachineParameters&, const Workload&, int64_t, const Accounting&);

// Figures of other papers that the published claims divide by.
constexpr double kHardseaGops = 3.2;       // GPT-2 124M, context 1024
constexpr double kTranspimGopsPerW = 200;  // upper bound, GPT-2 355M, context 4096

// One model at one context under any accounting.
class Point {
 public:
  Point(const MachineParameters& machine, const std::vector<Workload>& workloads, const char* model,
        int64_t context)
      : machine_(machine), workload_(find_workload(workloads, model)), context_(context) {}

  Result of(Evaluate design, const Accounting& accounting) const {
    return design(machine_, workload_, context_, accounting);
  }
  double speed_up(const Accounting& accounting) const {
    return tokens_per_s(of(hybrid, accounting)) / tokens_per_s(of(array_alone, accounting));
  }
  // Over the array that keeps its MACs busy.
  double honest_speed_up(const Accounting& accounting) const {
    return tokens_per_s(of(hybrid, accounting)) / tokens_per_s(of(busy_array, accounting));
  }
  double energy_gain(const Accounting& accounting) const {
    return 100 *
           (tokens_per_joule(of(hybrid, accounting)) / tokens_per_joule(of(array_alone, accounting)) - 1);
  }
  double attention_share(const Accounting& accounting) const {
    const Result result = of(hybrid, accounting);
    return 100 * result.latency_s[1].value / sum_of(result.latency_s);
  }
  double gops_ratio(const Accounting& accounting) const {
    return gops(of(hybrid, accounting)) / kHardseaGops;
  }
  double gops_per_w_ratio(const Accounting& accounting) const {
    return gops_per_w(of(hybrid, accounting)) / kTranspimGopsPerW;
  }

 private:
  const MachineParameters& machine_;
  const Workload& workload_;
  int64_t context_;
};

Accounting without(bool Accounting::*quirk) {
  Accounting accounting = as_published();
  accounting.*quirk = false;
  return accounting;
}

std::string times(double value) { return fmt::format("{:.2f}x", value); }
std::string percent(double value) { return fmt::format("{:+.2f} %", value); }
std::string share(double value) { return fmt::format("{:.1f} %", value); }

// Fraction of the published PIM latency of OPT-6.7B that a kind of time takes, percent.
struct PimShares {
  double transfer, merge, analog, latency_us, wormhole_us;
};

PimShares pim_shares(const std::vector<Workload>& workloads, const MachineParameters& machine) {
  const Workload& workload = find_workload(workloads, "opt-6.7b");
  const Accounting published = as_published();
  Accounting wormhole = without(&Accounting::output_read_twice);
  wormhole.store_and_forward = false;
  const PimBank bank = pim_bank(machine.pim, fc_layers(workload, published), published);
  const PimBank sent_once = pim_bank(machine.pim, fc_layers(workload, wormhole), wormhole);
  const double total = bank.latency.total();
  return {.transfer = 100 * bank.latency.transfer / total,
          .merge = 100 * bank.latency.merge / total,
          .analog = 100 * bank.latency.computing / total,
          .latency_us = bank.latency_ns / 1000,
          .wormhole_us = sent_once.latency_ns / 1000};
}

// Each switch, and what it alone does to the speed-up and the tokens/J over the array alone.
std::string quirk_table(const Point& speed, const Point& energy) {
  std::string text =
      "| switch | as published | corrected | speed-up, OPT-6.7B, 128 | tokens/J, GPT-2 355M, 4096 |\n"
      "|---|---|---|---|---|\n";
  const auto figures = [&](const Accounting& accounting) {
    return fmt::format("{} | {}", times(speed.speed_up(accounting)), percent(energy.energy_gain(accounting)));
  };
  for (const auto& quirk : quirks()) {
    text += fmt::format("| `{}` | {} | {} | {} |\n", quirk.name, quirk.published, quirk.corrected,
                        figures(without(quirk.member)));
  }
  text += fmt::format("| none off | | | {} |\n", figures(as_published()));
  text += fmt::format("| all corrections | | | {} |\n", figures(corrected()));
  return text;
}

}  // namespace

std::vector<Claim> claims(const std::vector<Workload>& workloads, const MachineParameters& machine) {
  const Accounting published = as_published();
  const Accounting all = corrected();
  const Accounting energy = without(&Accounting::attention_energy_once);
  const Accounting ffn = without(&Accounting::ffn_dimensions);
  const auto at = [&](const char* model, int64_t context) {
    return Point(machine, workloads, model, context);
  };
  const Point opt_short = at("opt-6.7b", 128);
  const Point opt_long = at("opt-6.7b", 4096);
  const Point gpt_short = at("gpt2-355m", 128);
  const Point gpt_long = at("gpt2-355m", 4096);
  const Point hardsea = at("gpt2-124m", 1024);
  const std::string attention_energy =
      "attention energy counted for one layer of the model (`attention_energy_once`)";
  return {
      {"tokens/s over the array alone, OPT-6.7B, context 128", "~80x", times(opt_short.speed_up(published)),
       "a baseline with one row of 32 at work",
       times(opt_short.honest_speed_up(published)) + " over the same array with its MACs busy",
       times(opt_short.speed_up(all)) + "; " + times(opt_short.honest_speed_up(all)) +
           " over the busy array"},
      {"the same at context 4096", "", times(opt_long.speed_up(published)), "the same",
       times(opt_long.honest_speed_up(published)) + " over the busy array",
       times(opt_long.speed_up(all)) + "; " + times(opt_long.honest_speed_up(all)) + " over the busy array"},
      {"tokens/J over the array alone, GPT-2 355M, context 4096", "+70 %",
       percent(gpt_long.energy_gain(published)), attention_energy, percent(gpt_long.energy_gain(energy)),
       percent(gpt_long.energy_gain(all))},
      {"tokens/J over the array alone, OPT-6.7B, context 128", "+12.49 %",
       percent(opt_short.energy_gain(published)), attention_energy, percent(opt_short.energy_gain(energy)),
       percent(opt_short.energy_gain(all))},
      {"GOPS over HARDSEA's 3.2, GPT-2 124M, context 1024", ">= 2x", times(hardsea.gops_ratio(published)),
       "an FFN of d x d (`ffn_dimensions`)", times(hardsea.gops_ratio(ffn)), times(hardsea.gops_ratio(all))},
      {"GOPS/W over TransPIM's < 200, GPT-2 355M, context 4096", ">= 5x",
       times(gpt_long.gops_per_w_ratio(published)), attention_energy,
       times(gpt_long.gops_per_w_ratio(energy)), times(gpt_long.gops_per_w_ratio(all))},
      {"attention's share of latency, OPT-6.7B, context 128", "60 %",
       share(opt_short.attention_share(published)), "nothing wrong",
       share(opt_short.attention_share(published)), share(opt_short.attention_share(all))},
      {"attention's share of latency, GPT-2 355M, context 128", "74 %",
       share(gpt_short.attention_share(published)), "an FFN of d x d (`ffn_dimensions`)",
       share(gpt_short.attention_share(ffn)), share(gpt_short.attention_share(all))},
      {"attention's share of latency, OPT-6.7B, context 4096", "> 97 %",
       share(opt_long.attention_share(published)), "nothing wrong",
       share(opt_long.attention_share(published)), share(opt_long.attention_share(all))},
  };
}

std::string reproduction_page(const std::vector<Workload>& workloads, const MachineParameters& machine) {
  const PimShares pim = pim_shares(workloads, machine);
  std::string text =
      "# Reproduction of the published figures\n\n"
      "Written by `pimllm paper --reproduction docs/reproduction.md`; a test checks that it is fresh. All "
      "figures are\n"
      "those of the cost models (docs/cost_models.md), which reproduce every published row they were "
      "compared with:\n"
      "`pimllm paper --as-published --check DIR`.\n\n"
      "## Headline claims\n"
      "\"One correction\": only what the claim rests on is put right. \"All corrections\": every switch "
      "below but\n"
      "`store_and_forward` is off; DRAM then takes time and energy in both machines.\n\n"
      "| claim | published | reproduced | rests on | one correction | all corrections "
      "|\n|---|---|---|---|---|---|\n";
  for (const auto& claim : claims(workloads, machine)) {
    text += fmt::format("| {} | {} | {} | {} | {} | {} |\n", claim.text, claim.published, claim.reproduced,
                        claim.rests_on, claim.corrected, claim.all_corrected);
  }
  text += fmt::format(
      "\nThe PIM bank of OPT-6.7B takes {:.1f} us a decoder layer as published: {:.0f} % of it is the way to "
      "the next layer\n"
      "and {:.0f} % the way to the merge tile, hop by hop, store-and-forward on 20 Gb/s links; analog "
      "computation is {:.2f} %.\n"
      "Sent once a link (`store_and_forward=off`), and with the output buffer read once, it takes {:.1f} "
      "us.\n\n"
      "## Switches\n"
      "`pimllm paper --quirk NAME=on|off` sets one in every mode shown. The last two columns show the hybrid "
      "against the array\n"
      "alone with only that switch off.\n\n",
      pim.latency_us, pim.transfer, pim.merge, pim.analog, pim.wormhole_us);
  text +=
      quirk_table(Point(machine, workloads, "opt-6.7b", 128), Point(machine, workloads, "gpt2-355m", 4096));
  return text;
}

}  // namespace pimllm::cost
