// The shipped networks as torch modules with their parameters in one flat array.
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <string>
#include <vector>

#include "golden/model.hpp"
#include "models/train/ops.hpp"

namespace pimllm::train {

struct Parameter {
  std::string name;
  torch::Tensor value;         // a leaf that shares the flat array's memory
  std::vector<int64_t> parts;  // outputs of each ternary matrix; empty for other parameters
  int64_t offset = 0;          // in the flat array
  bool decays = false;         // weight decay
  double rate = 1.0;           // factor on the learning rate
};

class Network {
 public:
  // Random parameters from torch's generator. kv_heads divides heads; equal with learned positions.
  explicit Network(const ModelConfig& config);

  // Parameters of a checkpoint: its ternary weights are used as they are, and the network is not trained
  // further.
  explicit Network(const ModelWeights& model);

  // ids [batch, tokens] int64 -> logits [batch * tokens, vocab_size].
  torch::Tensor forward(const torch::Tensor& ids) const;

  // The checkpoint: projections rounded to ternary values with their absmean as scale.
  ModelWeights to_model() const;

  const ModelConfig& config() const { return config_; }
  std::vector<Parameter>& parameters() { return parameters_; }
  torch::Tensor& flat() { return flat_; }

 private:
  void lay_out();
  void add(const std::string& name, const std::vector<int64_t>& shape,
           const std::vector<int64_t>& parts = {});
  const Parameter& find(const std::string& name) const;
  torch::Tensor get(const std::string& name) const;  // undefined if there is none
  torch::Tensor project(const torch::Tensor& x, const std::string& name) const;
  torch::Tensor norm(const torch::Tensor& x, const std::string& name) const;

  ModelConfig config_;
  bool frozen_ = false;
  int64_t size_ = 0;
  torch::Tensor flat_;
  std::vector<Parameter> parameters_;
};

// The shipped shapes, by architecture: "bitnet-b1.58", "gpt2-consmax" or "gpt2", and size: "full", or "board"
// (bitnet-b1.58 alone), which fits the block RAM of an FPGA board. Throws Error for another name.
ModelConfig shipped_config(const std::string& architecture, const std::string& size);

}  // namespace pimllm::train
