#include "tools/interop/peer.h"

#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest-spi.h"
#include "gtest/gtest.h"

namespace halfpipe::tools {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// The message of the failure that `function` has to make, and of nothing else.
template <typename Function>
std::string FailureOf(Function function) {
  testing::TestPartResultArray failures;
  {
    testing::ScopedFakeTestPartResultReporter reporter(
        testing::ScopedFakeTestPartResultReporter::INTERCEPT_ONLY_CURRENT_THREAD, &failures);
    function();
  }
  EXPECT_EQ(failures.size(), 1);
  return failures.size() == 1 ? failures.GetTestPartResult(0).message() : "";
}

class PeerTest : public testing::Test {
 protected:
  void SetUp() override { unsetenv("HALFPIPE_REQUIRE_PEERS"); }
  void TearDown() override { unsetenv("HALFPIPE_REQUIRE_PEERS"); }

  // A command that ends with `status` after it has left a mark of its run and said `says`.
  std::vector<std::string> Command(int status, const std::string& says) const {
    return {"sh", "-c", absl::StrCat("echo x >> \"$0\"; echo \"$1\" >&2; exit ", status), marks_,
            says};
  }

  int RunCount() const {
    int count = 0;
    std::ifstream marks(marks_);
    for (std::string line; std::getline(marks, line);) ++count;
    return count;
  }

  // Each test's own, as are the peers' names: what was found is kept for the whole run.
  const std::string name_ = testing::UnitTest::GetInstance()->current_test_info()->name();
  const std::string marks_ = absl::StrCat(getenv("TEST_TMPDIR"), "/", name_);
};

TEST_F(PeerTest, AsksForTheVersionOnce) {
  const std::vector<std::string> command = Command(0, "Peer/12.3.4 (with lib/5.6)");
  EXPECT_TRUE(Installed(name_, command, ""));
  EXPECT_TRUE(Installed(name_, command, ""));
  EXPECT_EQ(VersionOf(name_), "12.3.4");
  EXPECT_EQ(RunCount(), 1);
}

TEST_F(PeerTest, AbsentIsNoFailure) {
  const std::vector<std::string> command = Command(1, "no such module");
  EXPECT_FALSE(Installed(name_, command, "apt-get install it"));
  EXPECT_FALSE(Installed(name_, command, "apt-get install it"));
  EXPECT_EQ(VersionOf(name_), "");
  EXPECT_EQ(RunCount(), 1);
}

TEST_F(PeerTest, NoSuchProgramIsAbsent) {
  EXPECT_FALSE(Installed(name_, {"/no/such/program"}, ""));
}

// In each test that asks, and the words say what to do.
TEST_F(PeerTest, AbsentAndRequiredIsAFailure) {
  setenv("HALFPIPE_REQUIRE_PEERS", "1", 1);
  const std::vector<std::string> command = Command(1, "no such module");
  for (int i = 0; i < 2; ++i) {
    const std::string words =
        FailureOf([&] { EXPECT_FALSE(Installed(name_, command, "npm install it")); });
    EXPECT_THAT(words, AllOf(HasSubstr(name_ + " is missing"), HasSubstr("npm install it"),
                             HasSubstr("HALFPIPE_WITH_PEERS=1 tools/bazelw --setup-only"),
                             HasSubstr("no such module")));
  }
  EXPECT_EQ(RunCount(), 1);
}

TEST_F(PeerTest, CompilesOnce) {
  Peer peer;
  peer.name = name_;
  peer.version = {"true"};
  peer.build = Command(0, "");
  EXPECT_TRUE(Ready(peer));
  EXPECT_TRUE(Ready(peer));
  EXPECT_EQ(RunCount(), 1);
}

TEST_F(PeerTest, ScriptNeedsNoCompiler) {
  Peer peer;
  peer.name = name_;
  peer.version = {"true"};
  EXPECT_TRUE(Ready(peer));
}

// And never counts as built.
TEST_F(PeerTest, DoesNotCompile) {
  Peer peer;
  peer.name = name_;
  peer.version = {"true"};
  peer.build = Command(1, "expected ';'");
  for (int i = 0; i < 2; ++i) {
    const std::string words = FailureOf([&] { EXPECT_FALSE(Ready(peer)); });
    EXPECT_THAT(words, AllOf(HasSubstr(name_), HasSubstr("expected ';'")));
  }
  EXPECT_EQ(RunCount(), 1);
}

TEST_F(PeerTest, AbsentIsNotCompiled) {
  Peer peer;
  peer.name = name_;
  peer.version = {"false"};
  peer.build = Command(0, "");
  EXPECT_FALSE(Ready(peer));
  EXPECT_EQ(RunCount(), 0);
}

}  // namespace
}  // namespace halfpipe::tools
