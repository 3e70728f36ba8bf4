// wsecho's page in a browser.

#include <csignal>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/interop/peer.h"
#include "tools/interop/results.h"
#include "tools/wsecho/child_process.h"

namespace halfpipe::tools {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr char kChromium[] = "/usr/bin/chromium";

// Uses the page of a wsecho with `flags` as a person would. Returns what the browser says it agreed
// on with it, and what it is.
std::string Visit(const std::vector<std::string>& flags) {
  ChildProcess server(With({"tools/wsecho/wsecho", "--listen=127.0.0.1:0"}, flags));
  std::string line = server.ReadLine();
  absl::string_view address = line;
  EXPECT_TRUE(absl::ConsumePrefix(&address, "listening on ws://")) << line;

  const std::string directory = getenv("TEST_TMPDIR");
  ChildProcess::Options options;
  // What the browser wants to write goes there, its profile too.
  options.environment = {absl::StrCat("HOME=", directory),
                         absl::StrCat("XDG_CONFIG_HOME=", directory),
                         absl::StrCat("XDG_CACHE_HOME=", directory)};
  ChildProcess driver({kPython, "tools/interop/chromium_page.py", kChromium,
                       absl::StrCat("http://", address), absl::StrCat(directory, "/profile")},
                      options);
  EXPECT_EQ(driver.Finish(""), 0) << driver.errors();
  server.Signal(SIGTERM);
  EXPECT_EQ(server.Wait(), 0);
  return driver.output();
}

class ChromiumTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!Installed("Chromium", {kChromium, "--version"}, "apt-get install chromium") ||
        !Installed("Python 3, which drives Chromium,", {kPython, "-c", ""},
                   "apt-get install python3")) {
      RecordAbsence("Chromium");
      GTEST_SKIP() << "Chromium, or Python 3 which drives it, is not installed";
    }
  }
};

void Record(const std::string& ours, const std::string& compression, absl::string_view output) {
  const std::vector<std::string> lines = absl::StrSplit(output, '\n');
  const std::string agreed = After("extensions ", lines[0]);
  RecordResult({.peer = "Chromium",
                .version = VersionOf("Chromium"),
                .role = "client",
                .ours = ours,
                .compression = compression,
                .what = CasesIn(output),
                .outcome = agreed});
}

TEST_F(ChromiumTest, ThePageSendsATextAndBytesAndSeesThemComeBack) {
  const std::string output = Visit({});
  EXPECT_THAT(output, AllOf(HasSubstr("extensions \n"), HasSubstr("Chrome/")));
  Record("wsecho", "offered by the peer alone", output);
}

TEST_F(ChromiumTest, TheSameCompressed) {
  const std::string output =
      Visit({"--deflate", "--deflate_min_bytes=0", "--deflate_server_max_window_bits=10",
             "--deflate_client_max_window_bits=9"});
  EXPECT_THAT(output, AllOf(HasSubstr("extensions permessage-deflate; server_max_window_bits=10; "
                                      "client_max_window_bits=9"),
                            HasSubstr("Chrome/")));
  Record("wsecho --deflate", "small windows, asked for by ours", output);
}

}  // namespace
}  // namespace halfpipe::tools
