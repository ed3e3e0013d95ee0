// What load_model and save_model share: architectures, and the shape every tensor of a configuration must
// have.
#pragma once

#include <optional>
#include <string>

#include "golden/model.hpp"

namespace pimllm {

struct Architecture {
  NormKind norm = NormKind::kRms;
  Normalizer normalizer = Normalizer::kSoftmax;
  Activation activation = Activation::kRelu2;  // unless <architecture>.hidden_activation says otherwise
  bool bitnet = false;                         // gated, sub_norms, rope; else none of them
};

// bitnet, bitnet-b1.58, bitnet-consmax, gpt2 and gpt2-consmax; nullopt for other names.
std::optional<Architecture> find_architecture(const std::string& name);
std::string architecture_names();

std::string activation_name(Activation activation);
std::optional<Activation> find_activation(const std::string& name);

// Throws Error, beginning with `where`, unless sizes are in range, agree with each other and with the
// architecture.
void check_config(const ModelConfig& config, const std::string& where);

// check_config, and that every vector has the size the configuration asks for, values are ternary and all is
// finite.
void check_model(const ModelWeights& model, const std::string& where);

}  // namespace pimllm
