#include "tools/wsecho/termination.h"

#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "absl/time/time.h"
#include "bytestream/base/deadline.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/runtime/runtime.h"
#include "gtest/gtest.h"

namespace halfpipe::tools {
namespace {

TEST(TerminationTest, WaitsForEitherSignal) {
  Runtime runtime;
  TerminationSignals signals;
  int signal = 0;
  EXPECT_EQ(signals.Wait(&runtime, Deadline::Immediately(), &signal), ETIMEDOUT);
  for (const int sent : {SIGTERM, SIGINT}) {
    ASSERT_EQ(kill(getpid(), sent), 0);
    EXPECT_EQ(signals.Wait(&runtime, Deadline::Never(), &signal), 0);
    EXPECT_EQ(signal, sent);
  }
}

TEST(TerminationTest, ASignalWakesTheOneWhoWaits) {
  Runtime runtime;
  TerminationSignals signals;
  int signal = 0;
  int result = -1;
  Bundle bundle(&runtime);
  ASSERT_TRUE(bundle.Go([&] { result = signals.Wait(&runtime, Deadline::Never(), &signal); }).ok());
  EXPECT_EQ(result, -1);
  ASSERT_EQ(kill(getpid(), SIGTERM), 0);
  EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
  EXPECT_EQ(result, 0);
  EXPECT_EQ(signal, SIGTERM);
}

TEST(TerminationTest, ACancelledWaitLosesNothing) {
  Runtime runtime;
  TerminationSignals signals;
  int signal = 0;
  int result = -1;
  Bundle bundle(&runtime);
  ASSERT_TRUE(bundle.Go([&] { result = signals.Wait(&runtime, Deadline::Never(), &signal); }).ok());
  bundle.CancelAndJoin();
  EXPECT_EQ(result, ECANCELED);
  ASSERT_EQ(kill(getpid(), SIGINT), 0);
  EXPECT_EQ(signals.Wait(&runtime, Deadline::Never(), &signal), 0);
  EXPECT_EQ(signal, SIGINT);
}

TEST(TerminationTest, TheEndDropsWhatCameAndRestoresTheMask) {
  {
    TerminationSignals signals;
    ASSERT_EQ(kill(getpid(), SIGTERM), 0);
  }
  sigset_t blocked;
  ASSERT_EQ(pthread_sigmask(SIG_BLOCK, nullptr, &blocked), 0);
  EXPECT_EQ(sigismember(&blocked, SIGTERM), 0);
  EXPECT_EQ(sigismember(&blocked, SIGINT), 0);
}

}  // namespace
}  // namespace halfpipe::tools
