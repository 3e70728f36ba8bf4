#include "bytestream/net/passed_descriptors.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "bytestream/testing/fd_leak_check.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

class PassedDescriptorsTest : public testing::Test {
 protected:
  // As if a receive had brought `count` descriptors.
  void Collect(int count, uint64_t place, bool cut = false) {
    std::vector<int> fds;
    for (int i = 0; i < count; ++i) fds.push_back(dup(STDIN_FILENO));
    PassedDescriptors::Control control;
    msghdr message = {};
    passed_.Offer(&control, &message);
    const size_t size = fds.size() * sizeof(int);
    if (count > 0) {
      ASSERT_LE(CMSG_LEN(size), message.msg_controllen);
      cmsghdr* const header = CMSG_FIRSTHDR(&message);
      *header = {CMSG_LEN(size), SOL_SOCKET, SCM_RIGHTS};
      std::memcpy(CMSG_DATA(header), fds.data(), size);
    }
    message.msg_controllen = count > 0 ? CMSG_LEN(size) : 0;
    message.msg_flags = cut ? MSG_CTRUNC : 0;
    passed_.Collect(message, place);
  }

  // 0, 1 for the last one of a place, or an errno.
  int Take(uint64_t place, int* last = nullptr) {
    int fd = -1;
    bool is_last = false;
    const int error = passed_.Take(place, &fd, &is_last);
    if (last != nullptr) *last = is_last;
    EXPECT_EQ(error == 0 ? close(fd) : 0, 0);
    return error;
  }

  FdLeakCheck leaks_;
  PassedDescriptors passed_;
};

TEST_F(PassedDescriptorsTest, NothingPassed) {
  Collect(0, 5);
  EXPECT_TRUE(passed_.empty());
  EXPECT_EQ(Take(5), EPROTO);
}

TEST_F(PassedDescriptorsTest, InOrderByPlace) {
  Collect(2, 3);
  Collect(1, 7);
  EXPECT_EQ(passed_.size(), 3u);
  EXPECT_EQ(Take(2), EPROTO);
  int last = 0;
  EXPECT_EQ(Take(3, &last), 0);
  EXPECT_FALSE(last);
  EXPECT_EQ(Take(3, &last), 0);
  EXPECT_TRUE(last);
  EXPECT_EQ(Take(3), EPROTO);
  EXPECT_EQ(Take(7, &last), 0);
  EXPECT_TRUE(last);
  EXPECT_TRUE(passed_.empty());
}

TEST_F(PassedDescriptorsTest, DropsWhatWasPassedOver) {
  for (const uint64_t place : {1, 2, 3}) Collect(1, place);
  passed_.DropBefore(2);
  EXPECT_EQ(passed_.size(), 2u);
  EXPECT_EQ(Take(3), 0);
  EXPECT_EQ(Take(2), EPROTO);
  EXPECT_TRUE(passed_.empty());
}

// The limit, however the queue has turned over before.
TEST_F(PassedDescriptorsTest, RoomForSoMany) {
  uint64_t place = 0;
  for (int round = 0; round < 3; ++round) {
    const uint64_t first = place;
    for (size_t i = 0; i < PassedDescriptors::kMax; ++i) Collect(1, place++);
    PassedDescriptors::Control control;
    msghdr message = {};
    passed_.Offer(&control, &message);
    EXPECT_EQ(message.msg_controllen, 0u);
    EXPECT_EQ(message.msg_control, nullptr);
    EXPECT_EQ(Take(first), 0);
    passed_.Offer(&control, &message);
    EXPECT_EQ(message.msg_controllen, CMSG_LEN(sizeof(int)));
    Collect(1, place++);
    for (uint64_t at = first + 1; at < place; ++at) EXPECT_EQ(Take(at), 0) << at;
    Collect(5, place++);
    EXPECT_EQ(Take(place - 1), 0);
    passed_.DropBefore(place);
    EXPECT_TRUE(passed_.empty());
  }
}

TEST_F(PassedDescriptorsTest, LostOnesAreToldAtTheirPlace) {
  Collect(1, 4, /*cut=*/true);
  Collect(0, 6, /*cut=*/true);
  Collect(1, 8);
  int last = 1;
  EXPECT_EQ(Take(3), EPROTO);
  EXPECT_EQ(Take(4, &last), 0);
  EXPECT_FALSE(last);  // one more came with it
  EXPECT_EQ(Take(4), EMSGSIZE);
  EXPECT_EQ(Take(4), EMSGSIZE);
  EXPECT_EQ(Take(6), EMSGSIZE);
  EXPECT_EQ(Take(7), EPROTO);
  EXPECT_EQ(Take(8, &last), 0);
  EXPECT_TRUE(last);
  EXPECT_TRUE(passed_.empty());
}

TEST_F(PassedDescriptorsTest, LostOnesAreForgottenBehindThem) {
  Collect(0, 4, /*cut=*/true);
  EXPECT_FALSE(passed_.empty());
  passed_.DropBefore(4);
  EXPECT_FALSE(passed_.empty());
  passed_.DropBefore(5);
  EXPECT_TRUE(passed_.empty());
  EXPECT_EQ(Take(5), EPROTO);
}

TEST_F(PassedDescriptorsTest, OtherControlDataIsLeftAlone) {
  PassedDescriptors::Control control = {};
  msghdr message = {};
  passed_.Offer(&control, &message);
  const ucred credentials = {1, 2, 3};
  cmsghdr* const header = CMSG_FIRSTHDR(&message);
  *header = {CMSG_LEN(sizeof(credentials)), SOL_SOCKET, SCM_CREDENTIALS};
  std::memcpy(CMSG_DATA(header), &credentials, sizeof(credentials));
  message.msg_controllen = CMSG_LEN(sizeof(credentials));
  passed_.Collect(message, 1);
  EXPECT_TRUE(passed_.empty());
}

TEST_F(PassedDescriptorsTest, ClosesAllAtItsEnd) {
  PassedDescriptors closed;
  Collect(3, 1);
  passed_.CloseAll();
  EXPECT_TRUE(passed_.empty());
  Collect(3, 2);  // left to the destructor
}

}  // namespace
}  // namespace halfpipe
