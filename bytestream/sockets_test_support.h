#ifndef HALFPIPE_BYTESTREAM_SOCKETS_TEST_SUPPORT_H_
#define HALFPIPE_BYTESTREAM_SOCKETS_TEST_SUPPORT_H_

#include <cerrno>

#include "bytestream/handle/handle_table.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/testing/fd_leak_check.h"
#include "gtest/gtest.h"

namespace halfpipe {

// What tests of the C calls run in: a runtime of their own, and at the end every handle has been
// closed, no coroutine is left and no descriptor has leaked.
class CCallTest : public testing::Test {
 protected:
  void TearDown() override { EXPECT_EQ(HandleTable::Current().live_count(), 0u); }

  FdLeakCheck leaks_;
  Runtime runtime_;
};

// Cancels the coroutine that runs, as hclose() of its bundle would.
inline void CancelSelf() { Runtime::Current().Cancel(Runtime::Current().current()); }

}  // namespace halfpipe

// The C call fails with that errno.
#define EXPECT_FAILS(error, call) \
  do {                            \
    errno = 0;                    \
    EXPECT_EQ((call), -1);        \
    EXPECT_EQ(errno, (error));    \
  } while (false)

#endif  // HALFPIPE_BYTESTREAM_SOCKETS_TEST_SUPPORT_H_
