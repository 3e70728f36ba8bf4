#include "bytestream/msocket.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/handle/handle_table.h"
#include "bytestream/handle/handle_type.h"
#include "bytestream/message_socket.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

// Keeps what was sent and gives it back; fails with `error` if that is not 0.
class Loop final : public MessageSocket, public HandleObject {
 public:
  absl::Status SendMessage(absl::Span<const IoSlice> slices, Deadline) override {
    if (error != 0) return ErrnoStatus(error, "as told");
    std::string message;
    for (const IoSlice& slice : slices) {
      message.append(reinterpret_cast<const char*>(slice.data), slice.size);
    }
    messages.push_back(message);
    return absl::OkStatus();
  }
  absl::StatusOr<std::optional<size_t>> ReceiveMessage(absl::Span<const IoSpan> slices,
                                                       Deadline) override {
    if (error != 0) return ErrnoStatus(error, "as told");
    if (messages.empty()) return std::optional<size_t>();
    const std::string message = messages.front();
    messages.erase(messages.begin());
    size_t offset = 0;
    for (const IoSpan& slice : slices) {
      const size_t count = std::min(slice.size, message.size() - offset);
      if (slice.data != nullptr) std::memcpy(slice.data, message.data() + offset, count);
      offset += count;
    }
    return std::optional<size_t>(message.size());
  }
  bool sender_busy() const override { return busy; }

  void* Query(const void* type) override {
    return type == &kMessageSocketType ? static_cast<MessageSocket*>(this) : nullptr;
  }
  void Close() noexcept override {}
  void Dispose() noexcept override {}

  std::vector<std::string> messages;
  int error = 0;
  bool busy = false;
};

// Something else that has a handle.
class Other final : public HandleObject {
 public:
  void* Query(const void*) override { return nullptr; }
  void Close() noexcept override {}
  void Dispose() noexcept override {}
};

class MsocketTest : public testing::Test {
 protected:
  void SetUp() override {
    handle_ = HandleTable::Current().Make(&loop_);
    ASSERT_GT(handle_, 0);
  }
  void TearDown() override { EXPECT_EQ(HandleTable::Current().Close(handle_), 0); }

  static ssize_t Outcome(ssize_t result) { return result >= 0 ? result : -errno; }

  Loop loop_;
  int handle_ = -1;
};

TEST_F(MsocketTest, MessagesGoThrough) {
  EXPECT_EQ(msend(handle_, "one", 3, -1), 0);
  dill_iolist tail = {const_cast<char*>("wo"), 2, nullptr, 0};
  dill_iolist head = {const_cast<char*>("t"), 1, &tail, 0};
  EXPECT_EQ(msendl(handle_, &head, &tail, -1), 0);
  EXPECT_EQ(msend(handle_, nullptr, 0, -1), 0);
  EXPECT_EQ(loop_.messages, (std::vector<std::string>{"one", "two", ""}));
  char got[4] = {};
  EXPECT_EQ(mrecv(handle_, got, sizeof(got), -1), 3);
  EXPECT_STREQ(got, "one");
  char last = 0;
  dill_iolist end = {&last, 1, nullptr, 0};
  dill_iolist skip = {nullptr, 2, &end, 0};
  EXPECT_EQ(mrecvl(handle_, &skip, &end, -1), 3);
  EXPECT_EQ(last, 'o');
  EXPECT_EQ(mrecvl(handle_, nullptr, nullptr, -1), 0);
  EXPECT_EQ(Outcome(mrecv(handle_, got, sizeof(got), -1)), -EPIPE);
}

TEST_F(MsocketTest, Errors) {
  char got[4];
  dill_iolist piece = {got, sizeof(got), nullptr, 0};
  dill_iolist stray = {got, sizeof(got), nullptr, 0};
  EXPECT_EQ(Outcome(msend(handle_, nullptr, 1, -1)), -EINVAL);
  EXPECT_EQ(Outcome(msendl(handle_, nullptr, nullptr, -1)), -EINVAL);
  EXPECT_EQ(Outcome(msendl(handle_, &piece, &stray, -1)), -EINVAL);
  EXPECT_EQ(Outcome(mrecvl(handle_, &piece, &stray, -1)), -EINVAL);
  EXPECT_EQ(Outcome(mrecvl(handle_, &piece, nullptr, -1)), -EINVAL);
  const int closed = handle_ + 1;
  EXPECT_EQ(Outcome(msend(closed, "x", 1, -1)), -EBADF);
  EXPECT_EQ(Outcome(mrecv(closed, got, sizeof(got), -1)), -EBADF);
  Other other;
  const int wrong = HandleTable::Current().Make(&other);
  ASSERT_GT(wrong, 0);
  EXPECT_EQ(Outcome(msend(wrong, "x", 1, -1)), -ENOTSUP);
  EXPECT_EQ(Outcome(mrecv(wrong, got, sizeof(got), -1)), -ENOTSUP);
  EXPECT_EQ(HandleTable::Current().Close(wrong), 0);
  loop_.busy = true;
  EXPECT_EQ(Outcome(msend(handle_, "x", 1, -1)), -EBUSY);
  loop_.busy = false;
  // What the protocol says comes out as it is.
  for (const int error : {EMSGSIZE, EPROTO, ETIMEDOUT, ECANCELED, EBUSY, ECONNRESET, ENOMEM}) {
    loop_.error = error;
    EXPECT_EQ(Outcome(msend(handle_, "x", 1, -1)), -error);
    EXPECT_EQ(Outcome(mrecv(handle_, got, sizeof(got), -1)), -error);
  }
}

}  // namespace
}  // namespace halfpipe
