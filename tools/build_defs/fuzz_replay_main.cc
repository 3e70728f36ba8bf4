// Gives each file of a fuzzer's corpus to LLVMFuzzerTestOneInput once, and the empty input first.
// Arguments: the files.  Exits with 1 where a file cannot be read or none is named; what the fuzzer
// finds wrong ends the program by itself.

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

// Each input has a heap block of its exact size, so that a sanitizer sees a read beyond its end.
void RunOne(const std::vector<char>& input) {
  const std::unique_ptr<uint8_t[]> data(new uint8_t[input.size()]);
  if (!input.empty()) std::memcpy(data.get(), input.data(), input.size());
  LLVMFuzzerTestOneInput(data.get(), input.size());
}

bool ReadFile(const char* path, std::vector<char>* content) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return false;
  content->assign(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  return !file.bad();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s FILE...\n", argv[0]);
    return 1;
  }
  RunOne({});
  for (int i = 1; i < argc; ++i) {
    // Flushed before the run: the last line names the input that ends the program.
    std::fprintf(stderr, "%s\n", argv[i]);
    std::vector<char> input;
    if (!ReadFile(argv[i], &input)) {
      std::fprintf(stderr, "cannot read %s\n", argv[i]);
      return 1;
    }
    RunOne(input);
  }
  std::fprintf(stderr, "%d inputs\n", argc);
  return 0;
}
