// A host that knows only what `pimllm compile` wrote (docs/host.md): files, registers by address, memory.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "models/compiler/image.hpp"
#include "models/gguf/load_model.hpp"
#include "sim/machine/machine.hpp"
#include "tb/common/seed.hpp"

namespace pimllm::sim {
namespace {

using Json = nlohmann::json;
using Values = std::map<std::string, uint32_t>;

uint64_t number(const Json& json) {
  return json.is_string() ? std::stoull(json.get<std::string>(), nullptr, 0) : json.get<uint64_t>();
}

void run_sequence(Machine& machine, const Json& sequence, const Values& values) {
  constexpr int kPollLimit = 1'000'000;
  for (const Json& step : sequence) {
    const auto address = static_cast<uint32_t>(number(step.at("address")));
    if (step.contains("write")) {
      const Json& value = step.at("value");
      machine.write_register(address,
                             value.is_string() ? values.at(value.get<std::string>()) : value.get<uint32_t>());
      continue;
    }
    const auto mask = step.at("mask").get<uint32_t>();
    uint32_t found = 0;
    for (int i = 0; i < kPollLimit && (found & mask) == 0; ++i) found = machine.read_register(address);
    ASSERT_EQ(found & mask, step.at("until").get<uint32_t>());
  }
}

std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(ForeignHost, RunsTheExampleOfTheManifest) {
  const auto folder = std::filesystem::temp_directory_path() / ("pimllm_host_" + std::to_string(tb::seed()));
  {
    const ModelWeights weights = load_model(PIMLLM_SOURCE_DIR "/models/checkpoints/kjv-bitnet.gguf");
    const CompiledModel compiled = compile(weights, hardware_preset("small"), {.memory_base = 0x1'2345'6000});
    const std::vector<int32_t> prompt = {73, 110, 258, 294, 103};
    write_compiled(compiled, example_run(weights, compiled, prompt, 6), folder);
  }
  const Json manifest = Json::parse(read_file(folder / "manifest.json"));
  const std::string image = read_file(folder / "memory.bin");
  std::filesystem::remove_all(folder);

  const auto machine = make_machine("small", {});
  machine->memory().write(number(manifest.at("memory").at("base")),
                          {reinterpret_cast<const uint8_t*>(image.data()), image.size()});
  const Json& host = manifest.at("host");
  run_sequence(*machine, host.at("setup"), {});
  const auto prompt = manifest.at("example").at("prompt").get<std::vector<uint32_t>>();
  const auto expected = manifest.at("example").at("tokens").get<std::vector<uint32_t>>();
  uint32_t position = 0;
  for (; position + 1 < prompt.size(); ++position) {
    run_sequence(*machine, host.at("prompt_token"), {{"token", prompt[position]}, {"position", position}});
  }
  std::vector<uint32_t> found;
  uint32_t token = prompt.back();
  while (found.size() < expected.size()) {
    run_sequence(*machine, host.at("last_prompt_token"),
                 {{"token", token}, {"position", position++}, {"tokens wanted - 1", 0}});
    token = machine->read_register(static_cast<uint32_t>(number(host.at("results").at("TOKEN_OUT"))));
    found.push_back(token);
  }
  EXPECT_EQ(found, expected);
}

}  // namespace
}  // namespace pimllm::sim
