#include "tools/wsecho/deflate_flags.h"

#include <cerrno>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "bytestream/base/errno_status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/wsecho/flags.h"
#include "websocket/options.h"

namespace halfpipe::tools {
namespace {

using ::testing::HasSubstr;

absl::StatusOr<websocket::DeflateOptions> Parse(const std::vector<std::string>& arguments) {
  DeflateFlags deflate;
  FlagSet flags;
  deflate.Declare(&flags);
  std::vector<std::string> others;
  EXPECT_TRUE(flags.Parse(arguments, &others).ok());
  return deflate.Options();
}

TEST(DeflateFlagsTest, OffByDefault) {
  const auto options = Parse({});
  ASSERT_TRUE(options.ok());
  EXPECT_FALSE(options->enabled);
}

TEST(DeflateFlagsTest, DefaultsAreTheLibrarys) {
  const auto options = Parse({"--deflate"});
  ASSERT_TRUE(options.ok());
  const websocket::DeflateOptions defaults;
  EXPECT_TRUE(options->enabled);
  EXPECT_FALSE(options->server_no_context_takeover || options->client_no_context_takeover);
  EXPECT_EQ(options->server_max_window_bits, defaults.server_max_window_bits);
  EXPECT_EQ(options->client_max_window_bits, defaults.client_max_window_bits);
  EXPECT_EQ(options->fallback, defaults.fallback);
  EXPECT_EQ(options->level, defaults.level);
  EXPECT_EQ(options->mem_level, defaults.mem_level);
  EXPECT_EQ(options->compress_bytes_min, defaults.compress_bytes_min);
  EXPECT_EQ(options->inflation_ratio_max, defaults.inflation_ratio_max);
  // And the texts say so.
  DeflateFlags deflate;
  FlagSet flags;
  deflate.Declare(&flags);
  EXPECT_THAT(flags.Help(), HasSubstr("as they are (64)"));
  EXPECT_THAT(flags.Help(), HasSubstr("by more (256)"));
  EXPECT_EQ(defaults.compress_bytes_min, 64u);
  EXPECT_EQ(defaults.inflation_ratio_max, 256u);
}

TEST(DeflateFlagsTest, Everything) {
  const auto options =
      Parse({"--deflate", "--deflate_server_no_context_takeover",
             "--deflate_client_no_context_takeover", "--deflate_server_max_window_bits=8",
             "--deflate_client_max_window_bits=14", "--deflate_no_fallback", "--deflate_level=9",
             "--deflate_mem_level=1", "--deflate_min_bytes=0", "--deflate_ratio_max=0"});
  ASSERT_TRUE(options.ok());
  EXPECT_TRUE(options->server_no_context_takeover && options->client_no_context_takeover);
  EXPECT_EQ(options->server_max_window_bits, 8);
  EXPECT_EQ(options->client_max_window_bits, 14);
  EXPECT_FALSE(options->fallback);
  EXPECT_EQ(options->level, 9);
  EXPECT_EQ(options->mem_level, 1);
  EXPECT_EQ(options->compress_bytes_min, 0u);
  EXPECT_EQ(options->inflation_ratio_max, 0u);
}

TEST(DeflateFlagsTest, RefusesWhatIsOutOfRange) {
  for (const char* bad :
       {"--deflate_server_max_window_bits=7", "--deflate_server_max_window_bits=16",
        "--deflate_client_max_window_bits=7", "--deflate_client_max_window_bits=264",
        "--deflate_level=10", "--deflate_mem_level=0", "--deflate_mem_level=10",
        "--deflate_ratio_max=4294967296"}) {
    EXPECT_EQ(StatusErrno(Parse({"--deflate", bad}).status()), EINVAL) << bad;
  }
}

TEST(DeflateFlagsTest, RefusesParametersOfNothing) {
  for (const char* lonely :
       {"--deflate_server_no_context_takeover", "--deflate_client_no_context_takeover",
        "--deflate_server_max_window_bits=9", "--deflate_client_max_window_bits=9",
        "--deflate_no_fallback", "--deflate_level=1", "--deflate_mem_level=1",
        "--deflate_min_bytes=0", "--deflate_ratio_max=1"}) {
    EXPECT_EQ(StatusErrno(Parse({lonely}).status()), EINVAL) << lonely;
  }
}

}  // namespace
}  // namespace halfpipe::tools
