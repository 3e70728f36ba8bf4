#include "http/core/basic_auth.h"

#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gtest/gtest.h"
#include "http/core/grammar.h"
#include "http/core/header_list.h"

namespace halfpipe::http {
namespace {

std::string Section(absl::string_view value) {
  return absl::StrCat("Authorization: ", value, "\r\n");
}

std::string ReadBasic(absl::string_view value) {
  const std::string section = Section(value);
  const auto read = ReadBasicCredentials(HeaderList(section));
  return read.has_value() ? absl::StrCat(read->user, "|", read->password) : "none";
}

// The example of RFC 7617 section 2, and that of section 2.1 with a pound sign.
TEST(BasicAuthTest, OfTheRfc) {
  EXPECT_EQ(BasicAuthorization({"Aladdin", "open sesame"}), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
  EXPECT_EQ(BasicAuthorization({"test", "123\xc2\xa3"}), "Basic dGVzdDoxMjPCow==");
  EXPECT_EQ(ReadBasic("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="), "Aladdin|open sesame");
  EXPECT_EQ(ReadBasic("basic   dGVzdDoxMjPCow=="), "test|123\xc2\xa3");
}

TEST(BasicAuthTest, EmptyPartsAndColons) {
  EXPECT_EQ(ReadBasic(*BasicAuthorization({"", ""})), "|");
  EXPECT_EQ(ReadBasic(*BasicAuthorization({"u", ""})), "u|");
  EXPECT_EQ(ReadBasic(*BasicAuthorization({"", "p"})), "|p");
  EXPECT_EQ(ReadBasic(*BasicAuthorization({"u", "a:b:"})), "u|a:b:");
  EXPECT_EQ(BasicAuthorization({"u:v", "p"}), std::nullopt);
}

TEST(BasicAuthTest, NoControlCharactersEitherWay) {
  for (int byte = 0; byte < 256; ++byte) {
    SCOPED_TRACE(byte);
    const std::string part = {'a', static_cast<char>(byte)};
    const bool control = byte < 0x20 || byte == 0x7f;
    EXPECT_EQ(BasicAuthorization({"u", part}).has_value(), !control);
    EXPECT_EQ(BasicAuthorization({part, "p"}).has_value(), !control && byte != ':');
  }
  EXPECT_EQ(ReadBasic("Basic dTpwDQo="), "none");  // u:p CR LF
  EXPECT_EQ(ReadBasic("Basic dQA6cA=="), "none");  // u NUL :p
}

TEST(BasicAuthTest, MalformedIsNone) {
  for (const char* value :
       {"", "Basic", "Basic ", "Basicdgjk", "Bearer dTpw", "Basic dTpw=", "Basic dTp",
        "Basic dTpw x", "Basic d Tpw", "Basic dXA=", "Basic dTpwdB==", "Basic dTp_", "Basic =",
        "Basic ====", "Digest dTpw", "XBasic dTpw", "Basic\tdTpw", "Basic dTpw, Basic dTpw"}) {
    EXPECT_EQ(ReadBasic(value), "none") << value;
  }
  EXPECT_EQ(ReadBasic("Basic dTpw"), "u|p");
  EXPECT_FALSE(ReadBasicCredentials(HeaderList("A: Basic dTpw\r\n")).has_value());
  const std::string twice = Section("Basic dTpw") + Section("Basic dTpw");
  EXPECT_FALSE(ReadBasicCredentials(HeaderList(twice)).has_value());
  EXPECT_FALSE(BearerToken(HeaderList(Section("Bearer a") + Section("Bearer a"))).has_value());
}

// RFC 6750 section 2.1.
TEST(BearerTest, Tokens) {
  EXPECT_EQ(BearerAuthorization("mF_9.B5f-4.1JqM"), "Bearer mF_9.B5f-4.1JqM");
  const std::string section = Section("bEARER  mF_9.B5f-4.1JqM");
  EXPECT_EQ(BearerToken(HeaderList(section)), "mF_9.B5f-4.1JqM");
  for (int byte = 0; byte < 256; ++byte) {
    const std::string token = {'a', static_cast<char>(byte), 'b'};
    const bool good = (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') ||
                      (byte >= 'A' && byte <= 'Z') ||
                      (byte != 0 && absl::string_view("-._~+/").find(static_cast<char>(byte)) !=
                                        absl::string_view::npos);
    EXPECT_EQ(IsValidBearerToken(token), good) << byte;
    EXPECT_EQ(BearerAuthorization(token).has_value(), good) << byte;
  }
  for (const char* good : {"a", "a=", "a==", "a===="})
    EXPECT_TRUE(IsValidBearerToken(good)) << good;
  for (const char* bad : {"", "=", "a=b", "a b", "a\r\nEvil: 1"}) {
    EXPECT_FALSE(IsValidBearerToken(bad)) << bad;
    EXPECT_EQ(BearerAuthorization(bad), std::nullopt) << bad;
  }
  for (const char* bad : {"", "=", "a=b", "a b", "a,b"}) {
    const std::string malformed = Section(absl::StrCat("Bearer ", bad));
    EXPECT_EQ(BearerToken(HeaderList(malformed)), std::nullopt) << bad;
  }
}

TEST(ChallengeTest, AreFieldValuesWhateverTheRealm) {
  EXPECT_EQ(
      BasicChallenge("a \"b\" \\c"),
      (OwnedField{"WWW-Authenticate", "Basic realm=\"a \\\"b\\\" \\\\c\", charset=\"UTF-8\""}));
  EXPECT_EQ(BearerChallenge("x\r\nEvil: 1"),
            (OwnedField{"WWW-Authenticate", "Bearer realm=\"xEvil: 1\""}));
  for (int byte = 0; byte < 256; ++byte) {
    EXPECT_TRUE(IsValidFieldValue(BasicChallenge(std::string(1, static_cast<char>(byte))).value));
  }
}

}  // namespace
}  // namespace halfpipe::http
