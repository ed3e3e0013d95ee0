// pimllm-train: trains the shipped models from the King James text, or measures a checkpoint on its held-out
// chapters.
#include <malloc.h>
#include <torch/torch.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <numbers>
#include <random>
#include <span>

#include "golden/error.hpp"
#include "models/gguf/load_model.hpp"
#include "models/io/atomic_file.hpp"
#include "models/tokenizer/tokenizer.hpp"
#include "models/train/kjv_text.hpp"
#include "models/train/network.hpp"

namespace pimllm::train {
namespace {

using torch::Tensor;
using Clock = std::chrono::steady_clock;

constexpr float kBeta1 = 0.9F;
constexpr float kBeta2 = 0.95F;
constexpr float kAdamEpsilon = 1e-8F;
constexpr double kWarmUp = 0.05;
constexpr double kMaxGradientNorm = 1.0;
constexpr int kEvaluationBatch = 16;

struct Options {
  std::string arch = "bitnet-b1.58";
  std::string size = "full";
  std::string out;
  std::string text;
  std::string evaluate;
  int64_t steps = 4000;
  int64_t save_every = 250;
  int64_t batch = 8;
  uint64_t seed = 1;
  int threads = 1;
  double learning_rate = 0.004;
  double weight_decay = 0.1;
};

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Bits per byte: windows of the context length that start cold, half a window apart; every token but the
// first is scored once, in the first window that holds it.
double evaluate(const Network& network, const Tokenizer& tokenizer, std::span<const int32_t> ids,
                int64_t windows) {
  const torch::NoGradGuard no_grad;
  const int64_t context = network.config().context_length;
  const auto total = static_cast<int64_t>(ids.size());
  std::vector<int64_t> starts;
  for (int64_t start = 0;; start += context / 2) {
    starts.push_back(start);
    if (start + context >= total) break;
  }
  if (windows > 0 && static_cast<int64_t>(starts.size()) > windows) starts.resize(windows);
  double nats = 0.0;
  int64_t bytes = 0;
  for (size_t first = 0; first < starts.size(); first += kEvaluationBatch) {
    const auto count = static_cast<int64_t>(std::min<size_t>(kEvaluationBatch, starts.size() - first));
    Tensor input = torch::zeros({count, context}, torch::kInt64);
    auto in = input.accessor<int64_t, 2>();
    for (int64_t i = 0; i < count; ++i) {
      for (int64_t t = 0; t < context && starts[first + i] + t < total; ++t)
        in[i][t] = ids[starts[first + i] + t];
    }
    const Tensor log_p = torch::log_softmax(network.forward(input), 1).view({count, context, -1});
    auto p = log_p.accessor<float, 3>();
    for (int64_t i = 0; i < count; ++i) {
      const int64_t start = starts[first + i];
      for (int64_t t = start == 0 ? 1 : context / 2; t < context && start + t < total; ++t) {
        nats -= p[i][t - 1][ids[start + t]];
        bytes += static_cast<int64_t>(tokenizer.token_bytes(ids[start + t]).size());
      }
    }
  }
  return nats / std::numbers::ln2 / static_cast<double>(bytes);
}

struct Progress {
  int64_t step = 0;
  Tensor mean, square;  // Adam's moments, as long as the parameters
};

std::string state_path(const Options& options) { return options.out + ".state"; }

void save_state(const Options& options, Network& network, const Progress& progress) {
  const std::string path = state_path(options);
  const std::string temporary = path + ".tmp";
  {
    std::ofstream out(temporary, std::ios::binary);
    const int64_t header[2] = {progress.step, network.flat().numel()};
    out.write(reinterpret_cast<const char*>(header), sizeof header);
    for (const Tensor& t : {network.flat(), progress.mean, progress.square}) {
      out.write(reinterpret_cast<const char*>(t.data_ptr<float>()),
                t.numel() * static_cast<int64_t>(sizeof(float)));
    }
    out.flush();
    if (!out) fail("{}: cannot be written", temporary);
  }
  std::filesystem::rename(temporary, path);
}

bool load_state(const Options& options, Network& network, Progress& progress) {
  std::ifstream in(state_path(options), std::ios::binary);
  if (!in) return false;
  int64_t header[2] = {};
  in.read(reinterpret_cast<char*>(header), sizeof header);
  if (!in || header[1] != network.flat().numel()) {
    fail("{}: parameters: expected {}, found {}", state_path(options), network.flat().numel(), header[1]);
  }
  for (Tensor t : {network.flat(), progress.mean, progress.square}) {
    in.read(reinterpret_cast<char*>(t.data_ptr<float>()), t.numel() * static_cast<int64_t>(sizeof(float)));
  }
  if (!in)
    fail("{}: size: expected {} parameters and their moments, found less", state_path(options), header[1]);
  progress.step = header[0];
  return true;
}

double learning_rate(const Options& options, int64_t step) {
  const double warm = std::max(1.0, kWarmUp * static_cast<double>(options.steps));
  const auto done = static_cast<double>(step);
  const double up = (done + 1.0) / warm;
  const double down =
      (static_cast<double>(options.steps) - done) / (static_cast<double>(options.steps) - warm);
  return options.learning_rate * std::min({1.0, up, down});
}

void adam_step(Network& network, Progress& progress, double rate, double decay) {
  double norm = 0.0;
  for (const Parameter& p : network.parameters()) {
    const Tensor g = p.value.grad();
    if (g.defined()) norm += g.square().sum().item<double>();
  }
  norm = std::sqrt(norm);
  if (!std::isfinite(norm))
    fail("training: gradient at step {}: expected a finite norm, found {}", progress.step, norm);
  const auto clip = static_cast<float>(std::min(1.0, kMaxGradientNorm / (norm + 1e-6)));
  const auto done = static_cast<double>(progress.step + 1);
  const auto unbias1 = static_cast<float>(1.0 / (1.0 - std::pow(kBeta1, done)));
  const auto unbias2 = static_cast<float>(1.0 / (1.0 - std::pow(kBeta2, done)));
  for (Parameter& p : network.parameters()) {
    if (!p.value.grad().defined()) continue;
    const Tensor grad = p.value.grad().contiguous();
    const float* g = grad.data_ptr<float>();
    float* w = network.flat().data_ptr<float>() + p.offset;
    float* m = progress.mean.data_ptr<float>() + p.offset;
    float* v = progress.square.data_ptr<float>() + p.offset;
    const auto step_size = static_cast<float>(rate * p.rate);
    const float keep = p.decays ? static_cast<float>(1.0 - rate * decay) : 1.0F;
    for (int64_t i = 0; i < grad.numel(); ++i) {
      const float gi = g[i] * clip;
      m[i] = kBeta1 * m[i] + (1.0F - kBeta1) * gi;
      v[i] = kBeta2 * v[i] + (1.0F - kBeta2) * gi * gi;
      w[i] = keep * w[i] - step_size * m[i] * unbias1 / (std::sqrt(v[i] * unbias2) + kAdamEpsilon);
    }
    p.value.mutable_grad() = Tensor();
  }
}

// The step's windows depend on seed and step alone, so that a resumed run sees the same text.
void draw_batch(const Options& options, const std::vector<int32_t>& ids, int64_t step, Tensor& input,
                Tensor& target) {
  std::seed_seq sequence{options.seed, static_cast<uint64_t>(step)};
  std::mt19937_64 generator(sequence);
  const int64_t context = input.size(1);
  const uint64_t starts = ids.size() - static_cast<size_t>(context);
  for (int64_t i = 0; i < input.size(0); ++i) {
    const auto start = static_cast<int64_t>(generator() % starts);
    for (int64_t t = 0; t < context; ++t) {
      input.data_ptr<int64_t>()[i * context + t] = ids[start + t];
      target.data_ptr<int64_t>()[i * context + t] = ids[start + t + 1];
    }
  }
}

void train(const Options& options, const SplitText& text) {
  const ModelConfig config = shipped_config(options.arch, options.size);
  // 256 tokens are too few to spend one on every byte.
  const Alphabet alphabet = config.vocab_size > 256 ? Alphabet::kAllBytes : Alphabet::kBytesOfText;
  const Tokenizer tokenizer(train_bpe(text.training, config.vocab_size, alphabet));
  const std::vector<int32_t> ids = tokenizer.encode(text.training);
  const std::vector<int32_t> held_out = tokenizer.encode(text.held_out);
  std::printf("text: %zu bytes, %zu tokens (%.3f bytes a token); held out: %zu bytes, %zu tokens\n",
              text.training.size(), ids.size(), double(text.training.size()) / double(ids.size()),
              text.held_out.size(), held_out.size());
  torch::manual_seed(options.seed);
  Network network(config);
  Progress progress{0, torch::zeros_like(network.flat()), torch::zeros_like(network.flat())};
  if (load_state(options, network, progress)) {
    std::printf("resumed at step %ld from %s\n", progress.step, state_path(options).c_str());
  }
  std::printf("%s: %ld parameters, %ld steps of %ld x %d tokens = %.2f epochs\n", config.name.c_str(),
              network.flat().numel(), options.steps, options.batch, network.config().context_length,
              double(options.steps * options.batch * network.config().context_length) / double(ids.size()));
  const auto shape = {options.batch, static_cast<int64_t>(network.config().context_length)};
  Tensor input = torch::empty(shape, torch::kInt64);
  Tensor target = torch::empty(shape, torch::kInt64);
  const double bytes_per_token = double(text.training.size()) / double(ids.size());
  const auto start = Clock::now();
  const int64_t first = progress.step;
  double loss_sum = 0.0;
  int64_t loss_count = 0;
  while (progress.step < options.steps) {
    draw_batch(options, ids, progress.step, input, target);
    const Tensor loss = torch::cross_entropy_loss(network.forward(input), target.view({-1}));
    loss.backward();
    const double decay = progress.step < options.steps / 2 ? options.weight_decay : 0.0;
    const double rate = learning_rate(options, progress.step);
    adam_step(network, progress, rate, decay);
    loss_sum += loss.item<double>();
    ++loss_count;
    ++progress.step;
    if (progress.step % 25 == 0 || progress.step == options.steps) {
      const double speed = double(progress.step - first) / seconds_since(start);
      std::printf("step %ld/%ld  loss %.4f  %.4f bits/byte  rate %.5f  %.2f steps/s  %.1f min left\n",
                  progress.step, options.steps, loss_sum / double(loss_count),
                  loss_sum / double(loss_count) / std::numbers::ln2 / bytes_per_token, rate, speed,
                  double(options.steps - progress.step) / speed / 60.0);
      std::fflush(stdout);
      loss_sum = 0.0;
      loss_count = 0;
    }
    if (progress.step % options.save_every == 0 && progress.step < options.steps) {
      save_state(options, network, progress);
      save_model(options.out, network.to_model(), tokenizer.data());
      std::printf("saved %s; held out (64 windows) %.4f bits/byte\n", options.out.c_str(),
                  evaluate(network, tokenizer, held_out, 64));
      std::fflush(stdout);
    }
  }
  save_model(options.out, network.to_model(), tokenizer.data());
  std::printf("saved %s; held out: %.4f bits/byte\n", options.out.c_str(),
              evaluate(network, tokenizer, held_out, 0));
  std::filesystem::remove(state_path(options));
}

void measure(const Options& options, const SplitText& text) {
  const Tokenizer tokenizer = load_tokenizer(options.evaluate);
  const Network network(load_model(options.evaluate));
  const std::vector<int32_t> ids = tokenizer.encode(text.held_out);
  std::printf("%s: held out: %.4f bits/byte\n", options.evaluate.c_str(),
              evaluate(network, tokenizer, ids, 0));
}

// Debian's OpenBLAS does not know the newest cores and falls back to a kernel half as fast, and has threads
// of its own; it reads its settings before main, so that the program starts itself again with them.
void choose_blas_settings(char** argv) {
  if (std::getenv("OPENBLAS_NUM_THREADS") != nullptr) return;
  setenv("OPENBLAS_NUM_THREADS", "1", 1);
  if (__builtin_cpu_supports("avx512f")) setenv("OPENBLAS_CORETYPE", "SKYLAKEX", 0);
  execv("/proc/self/exe", argv);
}

// Tensors of one step fit the next: keep their memory instead of returning it to the system.
void keep_memory() {
  constexpr int kLargest = 32 << 20;
  mallopt(M_MMAP_THRESHOLD, kLargest);
  mallopt(M_TRIM_THRESHOLD, std::numeric_limits<int>::max());
  mallopt(M_TOP_PAD, 4 * kLargest);
}

int run(int argc, char** argv) {
  CLI::App app("Quantisation-aware training of the shipped models on the King James text.");
  Options options;
  app.add_option("--arch", options.arch, "bitnet-b1.58, gpt2-consmax or gpt2")->capture_default_str();
  app.add_option("--size", options.size, "full, or board (bitnet-b1.58): for the block RAM of an FPGA board")
      ->capture_default_str();
  app.add_option("--out", options.out,
                 "checkpoint to write; OUT.state keeps the progress and is resumed from");
  app.add_option("--evaluate", options.evaluate, "measure this checkpoint and do not train");
  app.add_option("--text", options.text, "file with the output of `bible -l10000 Gen1:1-Rev22:21`");
  app.add_option("--steps", options.steps)->capture_default_str()->check(CLI::PositiveNumber);
  app.add_option("--seed", options.seed)->capture_default_str();
  app.add_option("--batch", options.batch)->capture_default_str()->check(CLI::PositiveNumber);
  app.add_option("--threads", options.threads)->capture_default_str()->check(CLI::PositiveNumber);
  app.add_option("--learning-rate", options.learning_rate)->capture_default_str();
  app.add_option("--weight-decay", options.weight_decay, "until half time")->capture_default_str();
  app.add_option("--save-every", options.save_every)->capture_default_str()->check(CLI::PositiveNumber);
  CLI11_PARSE(app, argc, argv);
  if (options.out.empty() == options.evaluate.empty()) {
    fail("command line: expected one of --out and --evaluate, found {}",
         options.out.empty() ? "none" : "both");
  }
  at::set_num_threads(options.threads);
  const std::string printed = options.text.empty() ? run_bible_command() : read_file(options.text);
  const SplitText text = split_chapters(parse_chapters(printed));
  options.evaluate.empty() ? train(options, text) : measure(options, text);
  return 0;
}

}  // namespace
}  // namespace pimllm::train

int main(int argc, char** argv) {
  try {
    pimllm::train::choose_blas_settings(argv);
    pimllm::train::keep_memory();
    return pimllm::train::run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "pimllm-train: %s\n", error.what());
    return 2;
  }
}
