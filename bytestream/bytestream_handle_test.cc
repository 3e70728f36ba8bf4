#include "bytestream/bytestream_handle.h"

#include <cerrno>

#include "bytestream/handle/handle_table.h"
#include "bytestream/handle/handle_type.h"
#include "bytestream/sockets.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

TEST(BytestreamHandleTest, TakenOutAndGivenBackItIsTheSameConnection) {
  int s[2];
  ASSERT_EQ(dill_ipc_pair(s), 0);
  HandleObject* object = nullptr;
  Bytestream* stream = nullptr;
  ASSERT_EQ(TakeBytestream(s[0], &object, &stream), 0);
  EXPECT_EQ(object->Query(&kBytestreamType), stream);
  // The number is dead, the connection is not.
  EXPECT_EQ(dill_bsend(s[0], "x", 1, -1), -1);
  EXPECT_EQ(errno, EBADF);
  const int again = MakeBytestreamHandle(object);
  ASSERT_GT(again, 0);
  EXPECT_NE(again, s[0]);
  EXPECT_EQ(dill_bsend(again, "x", 1, -1), 0);
  char got = 0;
  EXPECT_EQ(dill_brecv(s[1], &got, 1, -1), 0);
  EXPECT_EQ(got, 'x');
  CloseHandle(again);
  EXPECT_EQ(dill_brecv(s[1], &got, 1, -1), -1);
  EXPECT_EQ(errno, EPIPE);
  CloseHandle(s[1]);
}

TEST(BytestreamHandleTest, TheOwnerMayEndIt) {
  int s[2];
  ASSERT_EQ(dill_ipc_pair(s), 0);
  HandleObject* object = nullptr;
  Bytestream* stream = nullptr;
  ASSERT_EQ(TakeBytestream(s[0], &object, &stream), 0);
  BytestreamPtr owned(stream);
  owned.reset();
  char got = 0;
  EXPECT_EQ(dill_brecv(s[1], &got, 1, -1), -1);
  EXPECT_EQ(errno, EPIPE);
  CloseHandle(s[1]);
}

TEST(BytestreamHandleTest, WhatCannotBeTakenStaysAsItIs) {
  HandleObject* object = nullptr;
  Bytestream* stream = nullptr;
  EXPECT_EQ(TakeBytestream(-1, &object, &stream), EBADF);
  const int group = dill_bundle();
  EXPECT_EQ(TakeBytestream(group, &object, &stream), ENOTSUP);
  CloseHandle(group);
  int s[2];
  ASSERT_EQ(dill_ipc_pair(s), 0);
  {
    PinnedHandle pin(s[0]);
    EXPECT_EQ(TakeBytestream(s[0], &object, &stream), EBUSY);
  }
  EXPECT_EQ(dill_bsend(s[0], "x", 1, -1), 0);
  CloseHandle(s[0]);
  CloseHandle(s[1]);
  CloseHandle(s[1]);  // nothing is there any more
}

}  // namespace
}  // namespace halfpipe
