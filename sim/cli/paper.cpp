// pimllm paper: the published figures, as published and corrected, and this machine side by side; checks,
// tables and figures.
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <memory>

#include "golden/error.hpp"
#include "models/cost/reference_check.hpp"
#include "models/cost/reproduction.hpp"
#include "models/cost/this_machine.hpp"
#include "models/io/atomic_file.hpp"
#include "sim/cli/commands.hpp"
#include "sim/cli/console.hpp"

namespace pimllm::cli {
namespace {

struct Options {
  bool as_published = false, corrected = false, this_machine = false;
  std::vector<std::string> models, quirks;
  std::vector<int64_t> contexts = cost::published_contexts();
  std::string workloads = cost::default_workload_folder();
  std::string check, plots, reproduction, csv, json;
  std::string dataflow = "os";
};

// A mode of the published designs and the accounting behind it.
struct Counted {
  cost::Mode mode;
  cost::Accounting accounting;
};

std::vector<Counted> counted_modes(const Options& options, const cost::MachineParameters& machine) {
  const bool both = !options.as_published && !options.corrected && !options.this_machine;
  std::vector<Counted> modes;
  const auto add = [&](const char* name, const char* title, cost::Accounting accounting) {
    for (const auto& setting : options.quirks) cost::set_quirk(accounting, setting);
    modes.push_back({cost::published_mode(name, title, machine, accounting), accounting});
  };
  if (both || options.as_published) add("as-published", "as published", cost::as_published());
  if (both || options.corrected) add("corrected", "corrected", cost::corrected());
  return modes;
}

std::vector<cost::Workload> chosen(const Options& options, const std::vector<cost::Workload>& workloads) {
  std::vector<cost::Workload> result;
  for (const auto& name : options.models) result.push_back(cost::find_workload(workloads, name));
  if (!result.empty()) return result;
  for (const auto& workload : workloads) {
    if (workload.published) result.push_back(workload);
  }
  if (result.empty()) fail("{}: no published model; name one with --model", options.workloads);
  return result;
}

int check(const Options& options, const std::vector<cost::Workload>& workloads,
          const cost::MachineParameters& machine) {
  if (options.corrected || options.this_machine)
    fail("--check: published rows are as published; leave --corrected and --this-machine out");
  cost::Accounting accounting = cost::as_published();
  for (const auto& setting : options.quirks) cost::set_quirk(accounting, setting);
  const cost::CheckReport report = cost::check_reference(options.check, workloads, machine, accounting);
  for (const auto& file : report.files) {
    fmt::print("{}: {} rows, {} columns compared\n", file.name, file.rows, file.columns);
  }
  for (const auto& line : report.first_differences) fmt::print("{}\n", line);
  const auto shown = static_cast<int64_t>(report.first_differences.size());
  if (report.differences > shown) fmt::print("... and {} more\n", report.differences - shown);
  fmt::print("{} differences in {} values\n", report.differences, report.values);
  if (!options.json.empty()) {
    write_json(options.json, {{"values", report.values},
                              {"differences", report.differences},
                              {"first_differences", report.first_differences}});
  }
  return report.differences == 0 ? kGood : kWrong;
}

// Cells of one model and context: a column block per mode.
void print_speed(const std::vector<Counted>& modes, const std::vector<cost::Cell>& cells,
                 const std::vector<cost::Workload>& workloads, const std::vector<int64_t>& contexts) {
  fmt::print("tokens/s\n{:<12}{:>8}", "model", "context");
  for (const auto& m : modes) {
    fmt::print(" | {:<51}", fmt::format("{}: array, hybrid, ratio, attention, busy, dram", m.mode.title));
  }
  fmt::print("\n");
  for (const auto& w : workloads) {
    for (const int64_t context : contexts) {
      fmt::print("{:<12}{:>8}", w.name, context);
      for (const auto& m : modes) {
        const auto of = [&](const char* design) -> const cost::Result& {
          return cost::find_result(cells, m.mode.name, design, w.name, context);
        };
        const double array = tokens_per_s(of("array"));
        const cost::Result& hybrid = of("hybrid");
        fmt::print(" | {:8.3f} {:9.3f} {:6.2f}x {:6.1f} % {:7.1f} {:7.1f}", array, tokens_per_s(hybrid),
                   tokens_per_s(hybrid) / array, 100 * hybrid.latency_s[1].value / sum_of(hybrid.latency_s),
                   tokens_per_s(of("busy-array")), tokens_per_s(of("dram-bound")));
      }
      fmt::print("\n");
    }
  }
}

void print_energy(const std::vector<Counted>& modes, const std::vector<cost::Cell>& cells,
                  const std::vector<cost::Workload>& workloads, const std::vector<int64_t>& contexts) {
  fmt::print("\ntokens/J, and the hybrid's words a 5 Wh battery, GOPS, GOPS/W\n{:<12}{:>8}", "model",
             "context");
  for (const auto& m : modes) {
    fmt::print(" | {:<60}", fmt::format("{}: array, hybrid, gain, words, GOPS, GOPS/W", m.mode.title));
  }
  fmt::print("\n");
  for (const auto& w : workloads) {
    for (const int64_t context : contexts) {
      fmt::print("{:<12}{:>8}", w.name, context);
      for (const auto& m : modes) {
        const double array =
            tokens_per_joule(cost::find_result(cells, m.mode.name, "array", w.name, context));
        const cost::Result& hybrid = cost::find_result(cells, m.mode.name, "hybrid", w.name, context);
        fmt::print(" | {:9.2f} {:9.2f} {:+8.2f} % {:11.0f} {:8.3f} {:9.2f}", array, tokens_per_joule(hybrid),
                   100 * (tokens_per_joule(hybrid) / array - 1), words_per_battery(hybrid), gops(hybrid),
                   gops_per_w(hybrid));
      }
      fmt::print("\n");
    }
  }
}

// This machine against the published hybrid: the same dimensions, published ones first.
void print_this_machine(const std::vector<cost::Mode>& modes,
                        const std::vector<cost::Accounting>& accountings,
                        const std::vector<cost::Cell>& cells, cost::ThisMachine& own,
                        const cost::MachineParameters& machine, const std::vector<cost::Workload>& workloads,
                        const std::vector<int64_t>& contexts) {
  constexpr double kWanted = 10;
  for (size_t m = 0; m < modes.size(); ++m) {
    fmt::print(
        "\n{} (model): cycles a layer, of which not behind the KV stream, tokens/s, over the published "
        "hybrid, "
        "with LM head,\ntokens/J, mm2, longest unit and its share of a layer\n{:<12}{:>8}\n",
        modes[m].title, "model", "context");
    int reached = 0, all = 0;
    for (const auto& w : workloads) {
      for (const int64_t context : contexts) {
        const auto& result = cost::find_result(cells, modes[m].name, "machine", w.name, context);
        const auto& with_head = cost::find_result(cells, modes[m].name, "machine-with-head", w.name, context);
        const auto layer = own.layer(w, context, accountings[m]);
        const double ratio =
            tokens_per_s(result) / tokens_per_s(cost::hybrid(machine, w, context, accountings[m]));
        const auto limit = cost::limit_of(layer);
        ++all;
        if (ratio >= kWanted) ++reached;
        fmt::print("{:<12}{:>8} {:8.0f} {:8.0f} {:9.2f} {:6.2f}x {:9.2f} {:9.2f} {:10.1f}  {} {:.0f} %\n",
                   w.name, context, layer.layer, layer.layer - own.kv_stream(w, context, accountings[m]),
                   tokens_per_s(result), ratio, tokens_per_s(with_head), tokens_per_joule(result),
                   sum_of(result.area_mm2), limit.unit, limit.percent);
      }
    }
    fmt::print("{} of {} cells at {:.0f}x or more\n", reached, all, kWanted);
  }
}

void print_bank(const cost::Workload& workload, const Counted& m, const cost::PimBank& bank) {
  const auto& ns = bank.latency;
  const auto& nj = bank.energy;
  const double buffers = ns.pe_buffer + ns.output_write + ns.output_read + ns.output_read_again;
  fmt::print(
      "{:<12} {:<12} | {:5} {:6} {:10.1f} {:8.1f} | {:10.0f} {:6.0f} {:6.0f} {:8.0f} {:8.0f} {:9.0f} |"
      " {:9.0f} {:7.1f} {:9.0f} {:9.0f}\n",
      workload.name, m.mode.title, bank.tiles, bank.crossbars, bank.area_mm2, bank.peak_power_w,
      bank.latency_ns, ns.computing, ns.digital + ns.intra_tile, buffers, ns.merge, ns.transfer, nj.total(),
      nj.crossbar + nj.dac, nj.adc, nj.buffer + nj.other_digital);
}

nlohmann::ordered_json print_banks(const std::vector<Counted>& modes,
                                   const std::vector<cost::Workload>& workloads,
                                   const cost::MachineParameters& machine) {
  fmt::print(
      "\nPIM bank of one decoder layer: tiles, crossbars, mm2, peak W | ns: all, analog, digital, buffers, "
      "merge, "
      "transfer | nJ: all, crossbars and DACs, ADCs, buffers and digital\n");
  nlohmann::ordered_json json;
  for (const auto& workload : workloads) {
    for (const auto& m : modes) {
      const auto bank = cost::pim_bank(machine.pim, cost::fc_layers(workload, m.accounting), m.accounting);
      print_bank(workload, m, bank);
      auto entry = cost::to_json(bank);
      entry["attention_crossover"] = cost::attention_crossover(machine, workload, m.accounting);
      json[m.mode.name][workload.name] = entry;
    }
  }
  return json;
}

// Runs models/cost/plots.py on the result.
void plot(const std::string& folder, const nlohmann::ordered_json& json) {
  std::filesystem::create_directories(folder);
  const std::string input = (std::filesystem::path(folder) / "paper.json").string();
  write_json(input, json);
  const char* chosen = std::getenv("PIMLLM_PYTHON");
  const std::string python = chosen != nullptr ? chosen : PIMLLM_DEFAULT_PYTHON;
  const pid_t child = ::fork();
  if (child < 0) fail("--plots: no process for {}", python);
  if (child == 0) {
    ::execlp(python.c_str(), python.c_str(), PIMLLM_PLOT_SCRIPT, input.c_str(), folder.c_str(), nullptr);
    ::_exit(127);
  }
  int status = 0;
  if (::waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    fail("--plots: {} {} failed; `make setup` installs matplotlib, PIMLLM_PYTHON names another Python",
         python, PIMLLM_PLOT_SCRIPT);
  }
  fmt::print("figures in {}\n", folder);
}

int run(const Options& options) {
  const auto all = cost::load_workloads(options.workloads);
  cost::MachineParameters machine;
  machine.array.dataflow = cost::dataflow_of(options.dataflow);
  if (!options.check.empty()) return check(options, all, machine);
  if (!options.reproduction.empty()) {
    write_file_atomically(options.reproduction, cost::reproduction_page(all, machine));
    return kGood;
  }
  for (const int64_t context : options.contexts) {
    if (context < 1 || context > int64_t{1} << 31)
      fail("--context: expected 1 to {}, found {}", int64_t{1} << 31, context);
  }
  const auto workloads = chosen(options, all);
  const auto modes = counted_modes(options, machine);
  if (modes.empty() && !options.plots.empty()) fail("--plots: needs --as-published or --corrected as well");
  std::vector<cost::Mode> shown;
  for (const auto& m : modes) shown.push_back(m.mode);
  cost::ThisMachine own(machine);
  const std::vector<cost::Accounting> dimensions = {cost::as_published(), cost::corrected()};
  std::vector<cost::Mode> own_modes;
  std::string left_out;
  if (options.this_machine || options.as_published == options.corrected) {
    try {
      for (const auto& accounting : dimensions) own.prepare(workloads, options.contexts, accounting);
      own_modes = {cost::this_machine_mode("this-machine", "this machine, dimensions as published", own,
                                           dimensions[0]),
                   cost::this_machine_mode("this-machine-corrected", "this machine, dimensions corrected",
                                           own, dimensions[1])};
    } catch (const Error& error) {
      // The others have no such limits.
      if (options.this_machine) throw;
      left_out = error.what();
    }
  }
  shown.insert(shown.end(), own_modes.begin(), own_modes.end());
  const auto cells = cost::evaluate(shown, workloads, options.contexts);
  if (!modes.empty()) {
    print_speed(modes, cells, workloads, options.contexts);
    print_energy(modes, cells, workloads, options.contexts);
  }
  if (!left_out.empty()) fmt::print("\nthis machine is left out: {}\n", left_out);
  print_this_machine(own_modes, dimensions, cells, own, machine, workloads, options.contexts);

  nlohmann::ordered_json json;
  for (const auto& m : modes) json["accounting"][m.mode.name] = cost::to_json(m.accounting);
  json["machine"] = {{"macs_per_s", 1e9 / machine.array.cycle_ns *
                                        static_cast<double>(machine.array.rows * machine.array.columns)},
                     {"dram_gb_per_s", machine.dram.gb_per_s},
                     {"dram_pj_per_bit", machine.dram.pj_per_bit}};
  for (const auto& workload : workloads) json["titles"][workload.name] = workload.title;
  for (const auto& mode : shown) {
    for (const auto& design : mode.designs) json["designs"][design.name] = design.title;
  }
  if (!modes.empty()) json["banks"] = print_banks(modes, workloads, machine);
  for (const auto& cell : cells) json["cells"].push_back(cost::to_json(cell));
  write_json(options.json, json);
  if (!options.csv.empty()) write_file_atomically(options.csv, cost::to_csv(cells));
  if (!options.plots.empty()) plot(options.plots, json);
  return kGood;
}

}  // namespace

void add_paper(CLI::App& app, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("paper", "the published figures, as published and corrected, and this machine");
  command->add_flag("--as-published", options->as_published, "only with the published accounting");
  command->add_flag("--corrected", options->corrected, "only with its errors corrected");
  command->add_flag("--this-machine", options->this_machine, "only this project's machine (cycle model)");
  command->add_option("--quirk", options->quirks,
                      "NAME=on|off: one switch of the accounting, in every mode shown");
  command->add_option("--model", options->models, "only these models")->delimiter(',');
  command->add_option("--context", options->contexts, "tokens in the KV cache")->delimiter(',');
  command->add_option("--workloads", options->workloads, "folder of workload files")->capture_default_str();
  command
      ->add_option("--dataflow", options->dataflow,
                   "of the array: os (output stationary, published), ws (weights), is (inputs)")
      ->capture_default_str();
  command->add_option("--check", options->check,
                      "compare with the published rows in DIR; exit 1 if they differ");
  command->add_option("--reproduction", options->reproduction, "write docs/reproduction.md to FILE");
  command->add_option("--plots", options->plots, "draw the figures into DIR (SVG and PNG)");
  command->add_option("--csv", options->csv, "write the table to FILE");
  command->add_option("--json", options->json, "write the result to FILE");
  command->callback([options, &action] { action = [options] { return run(*options); }; });
}

}  // namespace pimllm::cli
