// With DILL_DISABLE_RAW_NAMES a program may use every raw name for its own.

#define DILL_DISABLE_RAW_NAMES
#include "bytestream/sockets.h"
#include "gtest/gtest.h"

namespace {

struct bundle {
  int go;
};
struct iolist {
  int coroutine;
};
int now(bundle value) { return value.go; }
int ipaddr(iolist value) { return value.coroutine; }

TEST(SocketsNoRawNamesTest, RawNamesAreFree) {
  EXPECT_EQ(now(bundle{3}), 3);
  EXPECT_EQ(ipaddr(iolist{4}), 4);
  EXPECT_GT(dill_now(), 0);
}

}  // namespace
