// wsecho's page in a browser.

#include <csignal>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "gtest/gtest.h"
#include "tools/interop/peer.h"
#include "tools/wsecho/child_process.h"

namespace halfpipe::tools {
namespace {

constexpr char kChromium[] = "/usr/bin/chromium";

TEST(ChromiumTest, ThePageSendsATextAndBytesAndSeesThemComeBack) {
  if (!Installed("Chromium", {"test", "-x", kChromium}) ||
      !Installed("Python 3, which drives Chromium,", {kPython, "-c", ""})) {
    GTEST_SKIP() << "Chromium, or Python 3 which drives it, is not installed";
  }
  ChildProcess server({"tools/wsecho/wsecho", "--listen=127.0.0.1:0"});
  std::string line = server.ReadLine();
  absl::string_view address = line;
  ASSERT_TRUE(absl::ConsumePrefix(&address, "listening on ws://")) << line;

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
  EXPECT_TRUE(absl::StrContains(driver.output(), "Chrome/")) << driver.output();
  server.Signal(SIGTERM);
  EXPECT_EQ(server.Wait(), 0);
}

}  // namespace
}  // namespace halfpipe::tools
