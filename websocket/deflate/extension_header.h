#ifndef HALFPIPE_WEBSOCKET_DEFLATE_EXTENSION_HEADER_H_
#define HALFPIPE_WEBSOCKET_DEFLATE_EXTENSION_HEADER_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace halfpipe::websocket {

// What is read of Sec-WebSocket-Extensions; more is malformed. Browsers offer one extension with
// one parameter.
inline constexpr size_t kMaxExtensionFields = 16;   // Field lines of one head.
inline constexpr size_t kMaxExtensionBytes = 4096;  // Of their values together.
inline constexpr size_t kMaxExtensions = 32;        // Members of the list, in all lines.
inline constexpr size_t kMaxExtensionParams = 16;   // Of one extension.

// Reads the values of all Sec-WebSocket-Extensions fields of a head, which are one list (RFC 6455
// sections 9.1 and 11.3.2). Pure, pull style, in one pass over the bytes.
//
//   extension-list  = 1#extension
//   extension       = token *( ";" extension-param )
//   extension-param = token [ "=" ( token | quoted-string ) ]
//
// White space may stand round ",", ";" and "=", and members may be empty: the grammar is that of
// RFC 2616. At least one is not. A quoted string counts as what it says without its quotes and
// backslashes, and that must be a token.
//
// Example:
//   ExtensionReader reader(values);
//   for (;;) {
//     switch (reader.Next()) {
//       case ExtensionReader::Item::kExtension: ... reader.name() ...
class ExtensionReader {
 public:
  enum class Item : uint8_t {
    kExtension,  // name()
    kParam,      // of the extension before: name(), has_value(), value()
    kEnd,        // For ever.
    kMalformed,  // what(); for ever.
  };

  // `values` and what they view are borrowed for the reader's life.
  explicit ExtensionReader(absl::Span<const absl::string_view> values);

  Item Next();

  absl::string_view name() const { return name_; }
  // A parameter's value is never empty: a token is not. Valid until the next Next().
  bool has_value() const { return !value_.empty(); }
  absl::string_view value() const { return value_; }

  // The rule that was broken. Static text.
  const char* what() const { return what_; }

 private:
  Item Fail(const char* what);
  bool NextLine();
  void SkipWhiteSpace();
  bool TakeToken(absl::string_view* token);
  bool TakeQuoted();
  Item TakeExtension();
  Item TakeParam();

  absl::Span<const absl::string_view> lines_;  // Behind `rest_`.
  absl::string_view rest_;
  absl::string_view name_;
  absl::string_view value_;
  std::string unescaped_;  // Holds value_ if it had a backslash.
  const char* what_ = "";
  size_t extension_count_ = 0;
  size_t param_count_ = 0;
  bool in_extension_ = false;
  bool ended_ = false;
};

// tchar of RFC 9110 section 5.6.2: what tokens are made of.
bool IsExtensionToken(absl::string_view text);

}  // namespace halfpipe::websocket

#endif  // HALFPIPE_WEBSOCKET_DEFLATE_EXTENSION_HEADER_H_
