// The three forms of a payload's length: RFC 6455 section 5.2.

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "websocket/testing/bytes.h"
#include "websocket/testing/conformance/case.h"

namespace halfpipe::websocket::conformance {
namespace {

using Form = Frame::LengthForm;

std::string TextOf(size_t size) {
  std::string text;
  while (text.size() < size) absl::StrAppend(&text, text.size(), " ");
  text.resize(size);
  return text;
}

const char* FormName(Form form) {
  switch (form) {
    case Form::k16:
      return "16 bits";
    case Form::k64:
      return "64 bits";
    default:
      return "7 bits";
  }
}

// A length that a shorter form could have told is a breach.
void AddLongForm(std::vector<Case>* rows, Form form, size_t size) {
  for (const int first_byte : {0x81, 0x82}) {
    rows->push_back(
        {.name = absl::StrCat(size, " in ", FormName(form), " on ", absl::Hex(first_byte)),
         .section = "6455 5.2",
         .in = {{.first_byte = static_cast<uint8_t>(first_byte),
                 .payload = TextOf(size),
                 .form = form},
                Close(1000)},
         .events = {Failed(1002)}});
  }
}

void AddEnds(std::vector<Case>* table) {
  std::vector<Case>& rows = *table;
  // The end of the stream inside a header or a payload is no message.
  const std::string header = Bytes({0x82, 0xff, 0, 0, 0, 0, 0, 1, 0, 0, 9, 9, 9, 9});
  for (size_t size = 1; size <= header.size(); ++size) {
    rows.push_back({.name = absl::StrCat("end after ", size, " bytes of a header"),
                    .section = "6455 7.1.5",
                    .roles = Roles::kServer,
                    .in = {Text("whole"), Raw(header.substr(0, size))},
                    .events = {GotText("whole"), Reset()}});
  }
  // Unless what is there is a breach, which is told however the bytes came.
  const std::vector<std::string> breaches = {Bytes({0x91}),
                                             Bytes({0x83}),
                                             Bytes({0x09}),
                                             Bytes({0x89, 0xfe}),
                                             Bytes({0x81, 0x01}),
                                             Bytes({0x82, 0xff, 0x80}),
                                             Bytes({0x82, 0xfe, 0x00, 0x7d, 1, 2, 3}),
                                             Bytes({0x82, 0xff, 0xff, 0, 0, 0, 0, 0})};
  for (size_t i = 0; i < breaches.size(); ++i) {
    rows.push_back({.name = absl::StrCat("end inside a header that is a breach, ", i),
                    .section = "6455 7.1.7",
                    .roles = Roles::kServer,
                    .in = {Text("whole"), Raw(breaches[i])},
                    .events = {GotText("whole"), Failed(1002)}});
  }
  for (const size_t size : {1u, 4u, 9u}) {
    rows.push_back(
        {.name = absl::StrCat("end ", size, " bytes before the end of a text"),
         .section = "6455 7.1.5",
         .in = {{.first_byte = 0x81, .payload = "0123456789", .announced_size = 10 + size}},
         .events = {Reset()}});
    rows.push_back(
        {.name = absl::StrCat("end ", size, " bytes before the end of a ping"),
         .section = "6455 7.1.5",
         .in = {{.first_byte = 0x89, .payload = "0123456789", .announced_size = 10 + size}},
         .events = {Reset()}});
  }
  rows.push_back({.name = "end before any byte of a text",
                  .section = "6455 7.1.5",
                  .in = {Announce(0x81, 10)},
                  .events = {Reset()}});
}

}  // namespace

std::vector<Case> LengthCases() {
  std::vector<Case> rows;
  for (const size_t size : {1u,     2u,     124u,   125u,   126u,   127u,   128u,   129u,   254u,
                            255u,   256u,   1000u,  4095u,  4096u,  4097u,  16383u, 16384u, 16385u,
                            32767u, 32768u, 65534u, 65535u, 65536u, 65537u, 100000u}) {
    rows.push_back({.name = absl::StrCat("text of ", size),
                    .section = "6455 5.2",
                    .in = {Text(TextOf(size)), Text("next"), Close(1000)},
                    .events = {GotText(TextOf(size)), GotText("next"), Closed(1000)}});
    rows.push_back({.name = absl::StrCat("binary of ", size),
                    .section = "6455 5.2",
                    .in = {Binary(TextOf(size)), Ping("p"), Close(1000)},
                    .events = {GotBinary(TextOf(size)), Closed(1000)},
                    .out = {Pong("p")}});
  }
  for (const size_t size : {0u, 1u, 5u, 124u, 125u}) AddLongForm(&rows, Form::k16, size);
  for (const size_t size : {0u, 1u, 125u, 126u, 127u, 65534u, 65535u}) {
    AddLongForm(&rows, Form::k64, size);
  }
  // The top bit must be 0; with it the length would be negative, or wrap a sum.
  for (const uint64_t size : {uint64_t{1} << 63, UINT64_MAX - 1, (uint64_t{1} << 63) + 5}) {
    for (const int first_byte : {0x81, 0x82, 0x01}) {
      rows.push_back(
          {.name = absl::StrCat("length ", absl::Hex(size), " on ", absl::Hex(first_byte)),
           .section = "6455 5.2",
           .in = {Announce(first_byte, size, Form::k64), Raw("and some bytes")},
           .events = {Failed(1002)}});
    }
  }
  rows.push_back(
      {.name = "all bits of the length set",
       .section = "6455 5.2",
       .roles = Roles::kServer,
       .in = {Raw(Bytes({0x81, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4}))},
       .events = {Failed(1002)}});
  rows.push_back({.name = "all bits of the length set, unmasked",
                  .section = "6455 5.2",
                  .roles = Roles::kClient,
                  .in = {Raw(Bytes({0x81, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}))},
                  .events = {Failed(1002)}});
  AddEnds(&rows);
  return rows;
}

}  // namespace halfpipe::websocket::conformance
