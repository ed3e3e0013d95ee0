#include "models/cost/result.hpp"

namespace pimllm::cost {

double sum_of(const std::vector<Part>& parts) {
  double sum = 0;
  for (const auto& part : parts) sum += part.value;
  return sum;
}

double tokens_per_s(const Result& result) { return 1 / sum_of(result.latency_s); }

double tokens_per_joule(const Result& result) { return 1 / sum_of(result.energy_j); }

double words_per_battery(const Result& result) {
  constexpr double kBatteryJ = 5 * 3600;
  constexpr double kTokensPerWord = 1.5;
  return kBatteryJ / kTokensPerWord * tokens_per_joule(result);
}

double gops(const Result& result) { return result.macs * tokens_per_s(result) * 1e-9; }

double gops_per_w(const Result& result) { return result.macs * tokens_per_joule(result) * 1e-9; }

}  // namespace pimllm::cost
