// Shapes and values that every engine relies on.
#pragma once

#include "golden/model.hpp"

namespace pimllm {

// Throws Error if a size does not fit the configuration, a value is not finite, a weight is not ternary, a
// matrix scale is negative, or a token embedding is missing.
void check_model(const ModelWeights& model);

}  // namespace pimllm
