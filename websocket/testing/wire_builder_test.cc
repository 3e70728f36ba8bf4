#include "websocket/testing/wire_builder.h"

#include <string>

#include "gtest/gtest.h"
#include "websocket/core/role.h"
#include "websocket/testing/bytes.h"

namespace halfpipe::websocket {
namespace {

// The examples of RFC 6455 section 5.7, typed from the RFC.
TEST(WireBuilderTest, BuildsTheExamplesOfTheRfc) {
  EXPECT_EQ(WireBuilder(Role::kServer).Text("Hello").str(), Bytes({0x81, 0x05}) + "Hello");
  EXPECT_EQ(WireBuilder(Role::kClient).Text("Hello").str(),
            Bytes({0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58}));
  EXPECT_EQ(WireBuilder(Role::kServer).Text("Hel", WireBuilder::kMore).Continuation("lo").str(),
            Bytes({0x01, 0x03}) + "Hel" + Bytes({0x80, 0x02}) + "lo");
  EXPECT_EQ(WireBuilder(Role::kServer).Ping("Hello").str(), Bytes({0x89, 0x05}) + "Hello");
  EXPECT_EQ(WireBuilder(Role::kClient).Pong("Hello").str(),
            Bytes({0x8a, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58}));
  EXPECT_EQ(WireBuilder(Role::kServer).Binary(std::string(256, 'x')).str(),
            Bytes({0x82, 0x7e, 0x01, 0x00}) + std::string(256, 'x'));
  EXPECT_EQ(WireBuilder(Role::kServer).Binary(std::string(65536, 'x')).str().substr(0, 11),
            Bytes({0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0}) + "x");
}

TEST(WireBuilderTest, BuildsClose) {
  EXPECT_EQ(WireBuilder(Role::kServer).Close().str(), Bytes({0x88, 0x00}));
  EXPECT_EQ(WireBuilder(Role::kServer).Close(1000, "bye").str(),
            Bytes({0x88, 0x05, 0x03, 0xe8}) + "bye");
}

TEST(WireBuilderTest, BuildsWhatIsWrong) {
  EXPECT_EQ(WireBuilder(Role::kServer)
                .Frame({.first_byte = 0xf3,
                        .length_form = WireBuilder::LengthForm::k16,
                        .announced_size = 5,
                        .flip_mask = true,
                        .payload = ""})
                .str(),
            Bytes({0xf3, 0xfe, 0x00, 0x05, 0x37, 0xfa, 0x21, 0x3d}));
  EXPECT_EQ(WireBuilder(Role::kServer).Header(0x82, 126).Raw("z").str(),
            Bytes({0x82, 0x7e, 0x00, 0x7e}) + "z");
}

}  // namespace
}  // namespace halfpipe::websocket
