#include "websocket/handshake/accept_key.h"

#include <openssl/crypto.h>

#include <cstddef>
#include <cstdlib>
#include <string>

#include "absl/types/span.h"
#include "bytestream/base/entropy.h"
#include "gtest/gtest.h"
#include "http/core/base64.h"

namespace halfpipe::websocket {
namespace {

// The example of RFC 6455 sections 1.3 and 4.2.2.
constexpr char kRfcKey[] = "dGhlIHNhbXBsZSBub25jZQ==";
constexpr char kRfcAccept[] = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

int crypto_allocations = 0;

void* CountedMalloc(size_t size, const char*, int) {
  ++crypto_allocations;
  return std::malloc(size);
}
void* CountedRealloc(void* memory, size_t size, const char*, int) {
  ++crypto_allocations;
  return std::realloc(memory, size);
}
void PlainFree(void* memory, const char*, int) { std::free(memory); }

// Works only before the library has allocated anything.
const int counting = CRYPTO_set_mem_functions(CountedMalloc, CountedRealloc, PlainFree);

TEST(AcceptKeyTest, TheExampleOfTheRfc) {
  EXPECT_EQ(AsView(AcceptValue(kRfcKey)), kRfcAccept);
  EXPECT_TRUE(IsValidKey(kRfcKey));
}

TEST(AcceptKeyTest, KeysAreSixteenBytesOfEntropy) {
  FakeEntropy entropy(1), same(1);
  uint8_t nonce[16];
  same.Fill(absl::MakeSpan(nonce));
  const HandshakeKey key = MakeKey(entropy);
  EXPECT_TRUE(IsValidKey(AsView(key)));
  uint8_t decoded[16];
  ASSERT_EQ(http::Base64Decode(AsView(key), absl::MakeSpan(decoded)), 16u);
  EXPECT_EQ(absl::MakeConstSpan(decoded), absl::MakeConstSpan(nonce));
  EXPECT_NE(key, MakeKey(entropy));
}

TEST(AcceptKeyTest, OnlySixteenBytesInStrictBase64AreAKey) {
  for (const char* key : {
           "",
           "dGhlIHNhbXBsZSBub25jZQ=",    // Padding is missing.
           "dGhlIHNhbXBsZSBub25jZQ",     // All of it.
           "dGhlIHNhbXBsZSBub25jZR==",   // Bits left over that are not 0.
           "dGhlIHNhbXBsZSBub25jZQAA",   // 18 bytes.
           "dGhlIHNhbXBsZSBub24=",       // 14 bytes.
           "dGhlIHNhbXBsZSBub25jZQ== ",  // A blank.
           "dGhlIHNhbXBsZSBub-5jZQ==",   // The alphabet of URLs.
           "dGhlIHNhb=BsZSBub25jZQ==",   // Padding inside.
           "not base64 at all !!!!!!",
       }) {
    EXPECT_FALSE(IsValidKey(key)) << key;
  }
}

// Bytes above 0x7F, negative where char is signed, at every place of a key: refused, and nothing is
// read outside a table.
// Fails if IsValidKey() looks at the size alone.
TEST(AcceptKeyTest, BytesAbove7fInAKeyAreRefused) {
  for (size_t place = 0; place < kHandshakeKeySize; ++place) {
    for (int byte = 0x80; byte <= 0xFF; ++byte) {
      std::string key = kRfcKey;
      key[place] = static_cast<char>(byte);
      ASSERT_FALSE(IsValidKey(key)) << place << " " << byte;
      ASSERT_NE(AsView(AcceptValue(key)), kRfcAccept);
    }
  }
}

TEST(AcceptKeyTest, AnyKeyCanBeHashed) {
  EXPECT_EQ(AsView(AcceptValue("")), "Kfh9QIsMVZcl6xEPYxPHzW8SZ8w=");
  EXPECT_EQ(AsView(AcceptValue(std::string(1000, 'k'))).size(), kHandshakeAcceptSize);
}

TEST(AcceptKeyTest, AcceptMatchesOnlyTheWholeValue) {
  EXPECT_TRUE(AcceptMatches(kRfcAccept, kRfcKey));
  EXPECT_FALSE(AcceptMatches("", kRfcKey));
  EXPECT_FALSE(AcceptMatches(std::string(kRfcAccept) + "=", kRfcKey));
  EXPECT_FALSE(AcceptMatches(std::string(kRfcAccept).substr(0, 27), kRfcKey));
  for (size_t place = 0; place < kHandshakeAcceptSize; ++place) {
    std::string accept = kRfcAccept;
    accept[place] = static_cast<char>(accept[place] ^ 0x20);
    EXPECT_FALSE(AcceptMatches(accept, kRfcKey)) << place;
  }
}

TEST(AcceptKeyTest, HashingAllocatesNothing) {
  ASSERT_EQ(counting, 1);
  const int before = crypto_allocations;
  EXPECT_EQ(AsView(AcceptValue(kRfcKey)), kRfcAccept);
  EXPECT_EQ(crypto_allocations, before);
}

}  // namespace
}  // namespace halfpipe::websocket
