#include "tools/wsecho/flags.h"

#include <cerrno>
#include <string>
#include <vector>

#include "bytestream/base/errno_status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace halfpipe::tools {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class FlagsTest : public ::testing::Test {
 protected:
  FlagsTest() {
    flags_.Add("name", &text_, "TEXT", "a text");
    flags_.Add("size", &size_, "BYTES", "a size");
    flags_.Add("on", &on_, "a switch");
  }

  absl::Status Parse(const std::vector<std::string>& arguments) {
    return flags_.Parse(arguments, &others_);
  }

  FlagSet flags_;
  std::string text_ = "default";
  uint64_t size_ = 7;
  bool on_ = false;
  std::vector<std::string> others_;
};

TEST_F(FlagsTest, NothingLeavesTheDefaults) {
  EXPECT_TRUE(Parse({}).ok());
  EXPECT_EQ(text_, "default");
  EXPECT_EQ(size_, 7u);
  EXPECT_FALSE(on_);
  EXPECT_THAT(others_, IsEmpty());
}

TEST_F(FlagsTest, TakesValuesSwitchesAndOthersInAnyOrder) {
  EXPECT_TRUE(Parse({"first", "--size=0", "--on", "-", "--name=a=b", "last"}).ok());
  EXPECT_EQ(text_, "a=b");
  EXPECT_EQ(size_, 0u);
  EXPECT_TRUE(on_);
  EXPECT_THAT(others_, ElementsAre("first", "-", "last"));
}

TEST_F(FlagsTest, AFlagThatMayComeSeveralTimes) {
  std::vector<std::string> values;
  flags_.Add("each", &values, "TEXT", "one of several");
  EXPECT_TRUE(Parse({"--each=a", "--on", "--each=", "--each=b=c"}).ok());
  EXPECT_THAT(values, ElementsAre("a", "", "b=c"));
  EXPECT_FALSE(Parse({"--each"}).ok());
}

TEST_F(FlagsTest, TwoDashesEndTheFlags) {
  EXPECT_TRUE(Parse({"--", "--on", "--"}).ok());
  EXPECT_FALSE(on_);
  EXPECT_THAT(others_, ElementsAre("--on", "--"));
}

TEST_F(FlagsTest, AnEmptyValueIsAValue) {
  EXPECT_TRUE(Parse({"--name="}).ok());
  EXPECT_EQ(text_, "");
}

TEST_F(FlagsTest, TheLastOneWins) {
  EXPECT_TRUE(Parse({"--size=1", "--size=18446744073709551615"}).ok());
  EXPECT_EQ(size_, UINT64_MAX);
}

TEST_F(FlagsTest, RefusesWhatItDoesNotKnow) {
  for (const char* bad : {"--other", "--nam=x", "--names=x", "-on", "-name=x", "--=x", "-=",
                          "---on", "--name", "--on=true", "--on=", "--size", "--size=", "--size=-1",
                          "--size=+1", "--size= 1", "--size=1k", "--size=18446744073709551616"}) {
    EXPECT_EQ(StatusErrno(Parse({bad})), EINVAL) << bad;
  }
  EXPECT_EQ(text_, "default");
  EXPECT_EQ(size_, 7u);
  EXPECT_FALSE(on_);
}

TEST_F(FlagsTest, HelpNamesEveryFlag) {
  EXPECT_THAT(flags_.Help(), HasSubstr("--name=TEXT"));
  EXPECT_THAT(flags_.Help(), HasSubstr("--size=BYTES"));
  EXPECT_THAT(flags_.Help(), HasSubstr("a switch\n"));
}

TEST(ArgumentsTest, LeavesTheProgramOut) {
  char program[] = "program";
  char argument[] = "argument";
  char* argv[] = {program, argument, nullptr};
  EXPECT_THAT(Arguments(2, argv), ElementsAre("argument"));
  EXPECT_THAT(Arguments(1, argv), IsEmpty());
  EXPECT_THAT(Arguments(0, argv), IsEmpty());
}

}  // namespace
}  // namespace halfpipe::tools
