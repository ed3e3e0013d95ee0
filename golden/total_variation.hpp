// For tests: how far the weights of a softmax are from the real softmax of the same scores.
#pragma once

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

#include "golden/scale.hpp"

namespace pimllm {

// Total variation distance between the softmax of `scores` (natural logarithm) and the weights by which V's
// real values enter the output: numerator times the output factor, over the token's V scale (not zero).
template <typename Numerator>
double total_variation(std::span<const double> scores, std::span<const Numerator> numerators,
                       std::span<const Scale> v_scales, Scale factor) {
  const double top = *std::max_element(scores.begin(), scores.end());
  double sum = 0.0;
  for (const double x : scores) sum += std::exp(x - top);
  double distance = 0.0;
  for (size_t t = 0; t < scores.size(); ++t) {
    // The numerator has 8 bits more than O, which F belongs to (docs/numerics.md, section 7).
    const double weight =
        static_cast<double>(numerators[t]) / 256.0 * sf_value(factor) / sf_value(v_scales[t]);
    distance += std::fabs(weight - std::exp(scores[t] - top) / sum) / 2.0;
  }
  return distance;
}

// The most that docs/numerics.md ("Accuracy") allows, for every single draw.
inline constexpr double kTotalVariationLimit = 1e-3;

}  // namespace pimllm
