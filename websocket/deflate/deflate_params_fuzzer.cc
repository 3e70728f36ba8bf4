// Reading Sec-WebSocket-Extensions: what is accepted can be written again and means the same, a cut
// of the list into lines at a comma changes nothing, and whatever a server of ours answers a client
// of ours takes. The first byte of the input says the policy, the rest is the field's value.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "websocket/deflate/deflate_params.h"
#include "websocket/deflate/extension_header.h"

namespace {

using namespace halfpipe::websocket;  // NOLINT
using Item = ExtensionReader::Item;
using Values = std::vector<absl::string_view>;

void Require(bool condition) {
  if (!condition) std::abort();
}

// The list with all values in quotes and every character escaped; empty if it is malformed.
std::string Rewrite(const Values& values) {
  ExtensionReader reader(values);
  std::string all;
  for (;;) {
    switch (reader.Next()) {
      case Item::kExtension:
        Require(IsExtensionToken(reader.name()));
        absl::StrAppend(&all, all.empty() ? "" : " ,", reader.name());
        break;
      case Item::kParam:
        Require(IsExtensionToken(reader.name()));
        absl::StrAppend(&all, ";", reader.name());
        if (!reader.has_value()) break;
        Require(IsExtensionToken(reader.value()));
        all += "=\"";
        for (char c : reader.value()) absl::StrAppend(&all, "\\", absl::string_view(&c, 1));
        all += "\"";
        break;
      case Item::kEnd:
        Require(!all.empty());
        return all;
      case Item::kMalformed:
        Require(*reader.what() != '\0');
        return "";
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1 || size > kMaxExtensionBytes / 4) return 0;
  const absl::string_view value(reinterpret_cast<const char*>(data) + 1, size - 1);
  const DeflatePolicy policy = {(data[0] & 1) != 0, (data[0] & 2) != 0,
                                static_cast<uint8_t>(8 + (data[0] >> 2) % 8),
                                static_cast<uint8_t>((data[0] & 0x80) != 0 ? 15 : 10)};
  const std::string rewritten = Rewrite({value});
  const DeflateJudgement judgement = ChooseDeflate(Values{value}, policy);
  Require((judgement.verdict == DeflateVerdict::kInvalid) == (rewritten.empty()));
  if (rewritten.empty()) return 0;
  Require(Rewrite({rewritten}) == rewritten);
  const size_t comma = value.find(',');
  if (comma != absl::string_view::npos && value.find('"') == absl::string_view::npos) {
    Require(Rewrite({value.substr(0, comma), value.substr(comma + 1)}) == rewritten);
  }
  const DeflateJudgement again = ChooseDeflate(Values{rewritten}, policy);
  Require(again.verdict == judgement.verdict && again.params == judgement.params);
  if (judgement.verdict != DeflateVerdict::kAgreed) return 0;

  const std::string answer = WriteDeflateAnswer(judgement);
  Require(answer.size() <= kMaxDeflateElementSize);
  const std::vector<DeflateOffer> offers(1);
  const DeflateJudgement taken = JudgeDeflateAnswer(Values{answer}, offers);
  Require(taken.verdict == DeflateVerdict::kAgreed && taken.params == judgement.params);
  return 0;
}
