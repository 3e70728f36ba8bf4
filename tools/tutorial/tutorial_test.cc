// The programs of the tutorial, from outside.

#include <csignal>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/wsecho/child_process.h"
#include "tools/wsecho/raw_socket.h"

namespace halfpipe::tools {
namespace {

constexpr char kHello[] = "Hello! What you say comes back.\r\n";
// Longer than any test takes.
constexpr char kLong[] = "1000000";

// A step, on a port that the system has chosen.
class Step {
 public:
  explicit Step(int number, const std::vector<std::string>& arguments = {})
      : process_(Command(number, arguments)) {
    const std::string line = process_.ReadLine();
    absl::string_view rest = line;
    int port = 0;
    EXPECT_TRUE(absl::ConsumePrefix(&rest, "listening on port ") && absl::SimpleAtoi(rest, &port))
        << line;
    port_ = static_cast<uint16_t>(port);
  }

  std::unique_ptr<RawSocket> Connect() { return std::make_unique<RawSocket>(RawConnect(port_)); }
  ChildProcess& process() { return process_; }

 private:
  static std::vector<std::string> Command(int number, const std::vector<std::string>& arguments) {
    std::vector<std::string> command = {absl::StrCat("tools/tutorial/step", number), "0"};
    command.insert(command.end(), arguments.begin(), arguments.end());
    return command;
  }

  ChildProcess process_;
  uint16_t port_ = 0;
};

TEST(TutorialTest, Step1GreetsOneClient) {
  Step step(1);
  auto client = step.Connect();
  EXPECT_EQ(client->ReceiveAll(), "Hello!\r\n");
  client.reset();
  EXPECT_EQ(step.process().Wait(), 0);
}

TEST(TutorialTest, Step2TalksWithSeveralAtOnce) {
  Step step(2);
  auto first = step.Connect();
  auto second = step.Connect();
  EXPECT_EQ(second->ReceiveUntil("\r\n"), kHello);
  second->Send("second\r\n");
  EXPECT_EQ(second->ReceiveUntil("\r\n"), "second\r\n");
  EXPECT_EQ(first->ReceiveUntil("\r\n"), kHello);
  first->Send("one\r\nand two\r\n");
  EXPECT_EQ(first->ReceiveUntil("two\r\n"), "one\r\nand two\r\n");
  first->EndSending();
  EXPECT_EQ(first->ReceiveAll(), "");
  second->Send("still here\r\n");
  EXPECT_EQ(second->ReceiveUntil("\r\n"), "still here\r\n");
}

TEST(TutorialTest, Step3GivesUpOnTheSilent) {
  Step step(3, {"200"});
  auto client = step.Connect();
  EXPECT_EQ(client->ReceiveUntil("\r\n"), kHello);
  EXPECT_EQ(client->ReceiveAll(), "You are silent. Goodbye!\r\n");
}

class LinesTest : public testing::TestWithParam<int> {};

TEST_P(LinesTest, ALongLineIsNoEnd) {
  Step step(GetParam(), {kLong});
  auto client = step.Connect();
  EXPECT_EQ(client->ReceiveUntil("\r\n"), kHello);
  client->Send(absl::StrCat(std::string(257, 'x'), "\r\nshort\r\n"));
  EXPECT_EQ(client->ReceiveUntil("short\r\n"), "That was too long.\r\nshort\r\n");
}

INSTANTIATE_TEST_SUITE_P(Steps, LinesTest, testing::Values(3, 4, 5));

TEST(TutorialTest, Step4IsCancelledByASignal) {
  Step step(4, {kLong});
  auto first = step.Connect();
  auto second = step.Connect();
  EXPECT_EQ(first->ReceiveUntil("\r\n"), kHello);
  EXPECT_EQ(second->ReceiveUntil("\r\n"), kHello);
  step.process().Signal(SIGTERM);
  EXPECT_EQ(step.process().Wait(), 0);
  EXPECT_EQ(step.process().output(), "a client was cut off\na client was cut off\nbye\n");
  EXPECT_EQ(first->ReceiveAll(), "");
  EXPECT_EQ(second->ReceiveAll(), "");
}

class ShutdownTest : public testing::TestWithParam<int> {};

TEST_P(ShutdownTest, WaitsForClientsToFinish) {
  Step step(GetParam(), {kLong, kLong});
  auto client = step.Connect();
  EXPECT_EQ(client->ReceiveUntil("\r\n"), kHello);
  step.process().Signal(SIGTERM);
  EXPECT_EQ(step.process().ReadLine(), "no more clients");
  client->Send("last words\r\n");
  EXPECT_EQ(client->ReceiveUntil("\r\n"), "last words\r\n");
  client->EndSending();
  EXPECT_EQ(client->ReceiveAll(), "");
  EXPECT_EQ(step.process().Wait(), 0);
  EXPECT_EQ(step.process().output(), "bye\n");
}

TEST_P(ShutdownTest, CutsOffThoseThatDoNot) {
  Step step(GetParam(), {kLong, "100"});
  auto client = step.Connect();
  EXPECT_EQ(client->ReceiveUntil("\r\n"), kHello);
  step.process().Signal(SIGINT);
  EXPECT_EQ(step.process().Wait(), 0);
  EXPECT_EQ(step.process().output(), "no more clients\ntime is up\na client was cut off\nbye\n");
  EXPECT_EQ(client->ReceiveAll(), "");
}

TEST_P(ShutdownTest, GivesUpOnTheSilent) {
  Step step(GetParam(), {"200"});
  auto client = step.Connect();
  EXPECT_EQ(client->ReceiveUntil("\r\n"), kHello);
  EXPECT_EQ(client->ReceiveAll(), "You are silent. Goodbye!\r\n");
}

INSTANTIATE_TEST_SUITE_P(Steps, ShutdownTest, testing::Values(5, 6));

}  // namespace
}  // namespace halfpipe::tools
