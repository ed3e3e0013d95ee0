// What a design costs, for one decoded token.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "models/cost/workload.hpp"

namespace pimllm::cost {

struct Part {
  std::string_view name;  // static text
  double value = 0;
};

double sum_of(const std::vector<Part>& parts);

struct Result {
  std::vector<Part> latency_s;  // what the token waits for; the parts add up
  std::vector<Part> energy_j;
  std::vector<Part> area_mm2;  // empty: no area is known
  double macs = 0;             // of the token, as counted
  double dram_bytes = 0;       // moved for the token, whether or not they are waited for
};

double tokens_per_s(const Result& result);
double tokens_per_joule(const Result& result);
// Words a 5 Wh battery lasts for, at 1.5 tokens a word.
double words_per_battery(const Result& result);
// One MAC is one operation.
double gops(const Result& result);
double gops_per_w(const Result& result);

// A machine, ready to be asked. context: tokens in the KV cache, the new one included, >= 1.
struct Design {
  std::string name;   // "hybrid", unique in a list
  std::string title;  // "PIM-LLM hybrid"
  std::function<Result(const Workload& workload, int64_t context)> evaluate;
};

}  // namespace pimllm::cost
