// GGUF: the container, every tensor by its type, the model, and the tokenizer that the file brings.
#include <algorithm>

#include "fuzz/target.hpp"
#include "models/gguf/gguf_file.hpp"
#include "models/gguf/load_model.hpp"
#include "models/gguf/tensor_types.hpp"
#include "models/tokenizer/tokenizer.hpp"

namespace pimllm::fuzz {
namespace {

void decode(const GgufFile& file, const GgufTensor& tensor) {
  switch (tensor.type) {
    case GgufType::kF32:
    case GgufType::kF16:
    case GgufType::kBf16:
    case GgufType::kQ8_0: {
      const auto values = decode_floats(tensor.type, tensor.data, tensor.elements, "tensor");
      if (values.size() != tensor.elements) finding("floats of another number than elements");
      return;
    }
    default:
      break;
  }
  const auto ternary = decode_ternary(tensor.type, tensor.data, tensor.elements, file.q2_group(), "tensor");
  if (ternary.values.size() != tensor.elements) finding("ternary values of another number than elements");
  if (!std::all_of(ternary.values.begin(), ternary.values.end(),
                   [](int8_t v) { return v >= -1 && v <= 1; })) {
    finding("a value that is not ternary");
  }
}

void tokenize(const GgufFile& file) {
  const Tokenizer tokenizer(load_tokenizer_data(file));
  const std::string text = "And it came to pass, in  1611:\n\xC3\xA9";
  if (tokenizer.decode(tokenizer.encode(text)) != text) finding("text changed by encode and decode");
}

}  // namespace
}  // namespace pimllm::fuzz

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace pimllm;
  return fuzz::run([&] {
    const GgufFile file("input", {data, size});
    for (const auto& tensor : file.tensors()) fuzz::run([&] { fuzz::decode(file, tensor); });
    fuzz::run([&] { fuzz::tokenize(file); });
    load_model(file);
  });
}
