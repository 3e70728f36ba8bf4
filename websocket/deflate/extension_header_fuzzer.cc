// Sec-WebSocket-Extensions: the reader gives the items that a plain reader of the grammar gives,
// and refuses what that refuses. Lines of the input are field lines.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "websocket/deflate/extension_header.h"

namespace {

using namespace halfpipe::websocket;  // NOLINT
using Item = ExtensionReader::Item;

void Require(bool condition) {
  if (!condition) std::abort();
}

// Items as text: "name", ";name", ";name=value"; at the end "." or, if malformed, "!".
using Items = std::vector<std::string>;

// The grammar of RFC 6455 section 9.1 with the white space and the empty members of RFC 2616, line
// by line.
class PlainReader {
 public:
  explicit PlainReader(const std::vector<std::string>& lines) {
    size_t bytes = 0;
    for (const std::string& line : lines) bytes += line.size();
    bool good = lines.size() <= kMaxExtensionFields && bytes <= kMaxExtensionBytes;
    for (const std::string& line : lines) {
      text_ = line;
      at_ = 0;
      good = good && Line();
    }
    items_.push_back(good && extensions_ > 0 ? "." : "!");
  }

  const Items& items() const { return items_; }

 private:
  bool AtEnd() const { return at_ == text_.size(); }
  char Here() const { return AtEnd() ? '\0' : text_[at_]; }
  bool Is(char c) const { return !AtEnd() && text_[at_] == c; }
  void Blanks() {
    while (Is(' ') || Is('\t')) ++at_;
  }
  std::string Token() {
    const size_t begin = at_;
    while (!AtEnd() && IsExtensionToken(absl::string_view(text_).substr(at_, 1))) ++at_;
    return text_.substr(begin, at_ - begin);
  }
  // What is between quotes; false if they do not close.
  bool Quoted(std::string* value) {
    for (++at_; !Is('"'); ++at_) {
      if (Is('\\')) ++at_;
      if (AtEnd()) return false;
      value->push_back(Here());
    }
    ++at_;
    return true;
  }

  bool Line() {
    for (;;) {
      while (Is(' ') || Is('\t') || Is(',')) ++at_;
      if (AtEnd()) return true;
      const std::string name = Token();
      if (name.empty() || ++extensions_ > kMaxExtensions) return false;
      items_.push_back(name);
      size_t params = 0;
      for (Blanks(); !AtEnd() && !Is(','); Blanks()) {
        if (!Is(';')) return false;
        ++at_;
        if (!Param(++params)) return false;
      }
    }
  }

  bool Param(size_t count) {
    Blanks();
    const std::string name = Token();
    if (name.empty() || count > kMaxExtensionParams) return false;
    Blanks();
    if (!Is('=')) {
      items_.push_back(";" + name);
      return true;
    }
    ++at_;
    Blanks();
    std::string value;
    if (Is('"')) {
      if (!Quoted(&value) || !IsExtensionToken(value)) return false;
    } else {
      value = Token();
      if (value.empty()) return false;
    }
    items_.push_back(";" + name + "=" + value);
    return true;
  }

  std::string text_;
  size_t at_ = 0;
  size_t extensions_ = 0;
  Items items_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > kMaxExtensionBytes + 100) return 0;
  const std::string text(reinterpret_cast<const char*>(data), size);
  const std::vector<std::string> lines = absl::StrSplit(text, '\n');
  const std::vector<absl::string_view> values(lines.begin(), lines.end());
  ExtensionReader reader(values);
  Items items;
  for (bool goes_on = true; goes_on;) {
    switch (reader.Next()) {
      case Item::kExtension:
        items.emplace_back(reader.name());
        break;
      case Item::kParam:
        items.push_back(";" + std::string(reader.name()));
        if (reader.has_value()) items.back() += "=" + std::string(reader.value());
        break;
      case Item::kEnd:
        items.push_back(".");
        goes_on = false;
        break;
      case Item::kMalformed:
        Require(*reader.what() != '\0');
        items.push_back("!");
        goes_on = false;
        break;
    }
  }
  const Items expected = PlainReader(lines).items();
  Require(items.back() == expected.back());
  // Of what is refused as a whole before it is read nothing comes.
  if (items.back() == ".") Require(items == expected);
  Require(reader.Next() == (items.back() == "." ? Item::kEnd : Item::kMalformed));
  return 0;
}
