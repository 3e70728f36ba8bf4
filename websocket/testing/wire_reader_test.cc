#include "websocket/testing/wire_reader.h"

#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "websocket/core/role.h"
#include "websocket/testing/bytes.h"
#include "websocket/testing/wire_builder.h"

namespace halfpipe::websocket {
namespace {

TEST(WireReaderTest, ReadsWhatIsRight) {
  const std::string wire = FromClient()
                               .Text("Hel", WireBuilder::kMore)
                               .Ping("p")
                               .Continuation("lo")
                               .Binary(std::string(126, 'x'))
                               .Binary(std::string(65536, 'y'))
                               .Pong()
                               .Close(1000, "bye");
  const WireContent content = ReadWire(wire, Role::kClient);
  EXPECT_EQ(content.breach, "");
  ASSERT_EQ(content.frames.size(), 7u);
  EXPECT_EQ(content.frames[0].first_byte, 0x01);
  EXPECT_EQ(content.frames[0].payload, "Hel");
  EXPECT_EQ(content.frames[0].mask_key, (MaskKey{0x37, 0xfa, 0x21, 0x3d}));
  EXPECT_EQ(content.frames[2].first_byte, 0x80);
  EXPECT_EQ(content.frames[3].payload, std::string(126, 'x'));
  EXPECT_EQ(content.frames[4].payload.size(), 65536u);
  EXPECT_EQ(content.frames[6].payload, Bytes({0x03, 0xe8}) + "bye");
  EXPECT_EQ(ReadWire("", Role::kServer).frames.size(), 0u);
  EXPECT_EQ(ReadWire(FromServer().Text("x").Close().Pong().str(), Role::kServer).breach, "");
}

TEST(WireReaderTest, CompressionAllowsOneBitInOnePlace) {
  const std::string first = FromServer().Frame({.first_byte = 0xc1, .payload = "\xff\xff"});
  EXPECT_EQ(ReadWire(first, Role::kServer, /*deflate=*/true).breach, "");
  EXPECT_EQ(ReadWire(first, Role::kServer).breach, "a reserved bit");
  const std::string fragments =
      FromServer().Frame({.first_byte = 0x41}).Frame({.first_byte = 0xc0});
  EXPECT_EQ(ReadWire(fragments, Role::kServer, /*deflate=*/true).breach, "a reserved bit");
}

TEST(WireReaderTest, NamesTheFirstBreach) {
  using Form = WireBuilder::LengthForm;
  const std::vector<std::pair<std::string, std::string>> table = {
      {FromClient().Text("x"), "a server masks"},
      {FromServer().Frame({.length_form = Form::k16, .payload = "x"}),
       "a length is not in its shortest form"},
      {FromServer().Frame({.length_form = Form::k64, .payload = std::string(65535, 'x')}),
       "a length is not in its shortest form"},
      {FromServer().Frame({.length_form = Form::k64, .announced_size = uint64_t{1} << 63}),
       "a length has its top bit set"},
      {FromServer().Frame({.announced_size = 5, .payload = "four"}),
       "the stream ends inside a payload"},
      {Bytes({0x81}), "the stream ends inside a frame header"},
      {Bytes({0x81, 0x7e, 0x01}), "the stream ends inside a length"},
      {FromServer().Frame({.first_byte = 0xa1}), "a reserved bit"},
      {FromServer().Frame({.first_byte = 0x83}), "a reserved opcode"},
      {FromServer().Frame({.first_byte = 0x8b}), "a reserved opcode"},
      {FromServer().Frame({.first_byte = 0x09}), "a fragmented control frame"},
      {FromServer().Frame({.first_byte = 0xc9}), "a reserved bit in a control frame"},
      {FromServer().Ping(std::string(126, 'p')), "a control frame over 125 bytes"},
      {FromServer().Continuation("x"), "a continuation without a message"},
      {FromServer().Text("x", WireBuilder::kMore).Text("y"), "a new message inside another one"},
      {FromServer().Text("\xff"), "a text that is not UTF-8"},
      {FromServer().Close().Text("x"), "a data frame behind the Close"},
      {FromServer().Close().Ping().Close(), "a second Close"},
      {FromServer().CloseWithPayload("x"), "a Close of one byte"},
      {FromServer().Close(1005), "a close code that may not be sent"},
      {FromServer().Close(1004), "a close code that may not be sent"},
      {FromServer().Close(2999), "a close code that may not be sent"},
      {FromServer().Close(5000), "a close code that may not be sent"},
      {FromServer().Close(1000, "\xff"), "the reason of a Close is not UTF-8"},
  };
  for (const auto& [wire, breach] : table) {
    const WireContent content = ReadWire(FromServer().Text("good").str() + wire, Role::kServer);
    EXPECT_EQ(content.breach, breach);
    ASSERT_FALSE(content.frames.empty());
    EXPECT_EQ(content.frames[0].payload, "good");
  }
  EXPECT_EQ(ReadWire(FromServer().Text("x").str(), Role::kClient).breach, "a client does not mask");
  EXPECT_EQ(ReadWire(Bytes({0x81, 0x80, 1}), Role::kClient).breach,
            "the stream ends inside a masking key");
}

}  // namespace
}  // namespace halfpipe::websocket
