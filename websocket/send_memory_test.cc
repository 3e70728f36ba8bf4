// Sends of every kind for which there is no memory: a block of the pool, or what malloc() gives. What
// says ENOMEM has sent nothing and may be made again; what says nothing has been sent whole; and the
// peer, with its window, stays in step.

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "bytestream/base/buffer_pool.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/bytestream.h"
#include "bytestream/net/fd_stream.h"
#include "bytestream/net/unix.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/testing/allocation_faults.h"
#include "bytestream/testing/fd_leak_check.h"
#include "bytestream/testing/heap_counter.h"
#include "bytestream/testing/sim_clock.h"
#include "bytestream/testing/status_matchers.h"
#include "bytestream/testing/syscall_errors.h"
#include "bytestream/testing/syscall_faults.h"
#include "gtest/gtest.h"
#include "websocket/connection.h"
#include "websocket/core/role.h"
#include "websocket/deflate/deflate_params.h"
#include "websocket/encoded_message.h"
#include "websocket/message_writer.h"
#include "websocket/options.h"
#include "websocket/send_queue.h"
#include "websocket/server_test_support.h"
#include "websocket/stream.h"
#include "websocket/testing/bytes.h"

namespace halfpipe::websocket {
namespace {

const Deadline kNever = Deadline::Never();
const Deadline kNow = Deadline::Immediately();

// Not to be compressed to nothing.
std::string Text(size_t size) {
  std::string text;
  for (uint32_t i = 1; text.size() < size; i = i * 1664525 + 1013904223) absl::StrAppend(&text, i);
  text.resize(size);
  return text;
}

// The pool has no block as long as it lives.
class EmptyPool {
 public:
  explicit EmptyPool(BufferPool* pool) : pool_(pool), fault_({Syscall::kMmap}, 0, ENOMEM) {
    fault_.FailOn();
    while (uint8_t* const block = pool->Get()) blocks_.push_back(block);
  }
  ~EmptyPool() {
    for (uint8_t* const block : blocks_) pool_->Put(block);
  }
  EmptyPool(const EmptyPool&) = delete;
  EmptyPool& operator=(const EmptyPool&) = delete;

 private:
  BufferPool* const pool_;
  SyscallFault fault_;
  std::vector<uint8_t*> blocks_;
};

class SendMemoryTest : public testing::Test {
 protected:
  // Over sockets, which take no memory of ours for what is under way.
  void Connect(Role role, bool deflate) {
    ours_.reset();
    theirs_.reset();
    const auto fds = UnixPairFds();
    ASSERT_THAT(fds, IsOk());
    Options options;
    if (deflate) options.deflate_params = DeflateParams();
    options.role = role;
    ours_ = std::make_unique<Stream>(&runtime_, BytestreamPtr(new FdStream(&runtime_, (*fds)[0])),
                                     options);
    options.role = role == Role::kClient ? Role::kServer : Role::kClient;
    theirs_ = std::make_unique<Stream>(&runtime_, BytestreamPtr(new FdStream(&runtime_, (*fds)[1])),
                                       options);
  }

  std::string Receive(Stream* stream) {
    auto message = stream->ReceiveView(kNow);
    if (!message.ok()) return absl::StrCat("errno ", StatusErrno(message.status()));
    return message->has_value() ? std::string((*message)->text()) : "closed";
  }

  // Both directions are as good as ever, and so is what is compressed by what came before.
  void ExpectAlive() {
    for (int i = 0; i < 2; ++i) {
      EXPECT_THAT(ours_->SendText(Text(500), kNow), IsOk());
      EXPECT_TRUE(Receive(theirs_.get()) == Text(500));
      EXPECT_THAT(theirs_->SendText("back", kNow), IsOk());
      EXPECT_EQ(Receive(ours_.get()), "back");
    }
    EXPECT_EQ(Receive(theirs_.get()), absl::StrCat("errno ", ETIMEDOUT));
  }

  FdLeakCheck leaks_;
  Runtime runtime_;
  std::unique_ptr<Stream> ours_;
  std::unique_ptr<Stream> theirs_;
};

// A block is what a client masks in, and what is compressed into; without one a message is not
// compressed.
TEST_F(SendMemoryTest, WithoutABlock) {
  for (const Role role : {Role::kClient, Role::kServer}) {
    for (const bool deflate : {false, true}) {
      for (const Compress compress : {Compress::kAlways, Compress::kNever}) {
        SCOPED_TRACE(testing::Message() << (role == Role::kClient) << deflate);
        Connect(role, deflate);
        const std::string text = Text(30'000);
        const IoSlice slices[] = {IoSlice(text), IoSlice(absl::string_view("end"))};
        int expected = role == Role::kClient ? ENOMEM : 0;
        {
          const EmptyPool empty(&runtime_.buffer_pool());
          for (int i = 0; i < 2; ++i) {
            EXPECT_THAT(ours_->Send(MessageType::kText, slices, compress, kNever),
                        IsErrno(expected));
          }
          EXPECT_FALSE(ours_->sender_busy());
          EXPECT_FALSE(ours_->close_sent());
        }
        for (int i = 0; expected == 0 && i < 2; ++i) {
          EXPECT_TRUE(Receive(theirs_.get()) == text + "end");
        }
        ExpectAlive();
      }
    }
  }
}

// A list of any length is written as it is: nothing is taken from the heap for it.
TEST_F(SendMemoryTest, ListsOfManySlices) {
  Connect(Role::kServer, /*deflate=*/false);
  const std::string text = Text(100);
  for (size_t count = 0; count <= text.size(); ++count) {
    std::vector<IoSlice> slices;
    for (size_t i = 0; i < count; ++i) slices.emplace_back(text.data() + i, 1);
    const HeapCounter heap;
    const absl::Status status = ours_->Send(MessageType::kText, slices, kNever);
    const uint64_t requests = heap.requests();
    EXPECT_THAT(status, IsOk());
    EXPECT_EQ(requests, 0u);
    EXPECT_EQ(Receive(theirs_.get()), text.substr(0, count));
  }
  ExpectAlive();
}

// What goes between messages, and what is encoded already, needs none.
TEST_F(SendMemoryTest, ControlFramesAndEncodedOnesNeedNothing) {
  for (const Role role : {Role::kClient, Role::kServer}) {
    for (const bool deflate : {false, true}) {
      Connect(role, deflate);
      int pongs = 0;
      theirs_->OnPong([&](absl::Span<const uint8_t>) { ++pongs; });
      ours_->OnPong([&](absl::Span<const uint8_t>) { ++pongs; });
      const auto encoded = EncodedMessage::Make(MessageType::kText, Text(5'000), Compress::kAlways);
      ASSERT_THAT(encoded, IsOk());
      const IoSlice frame((*encoded)->plain().data(), (*encoded)->plain().size());
      {
        const EmptyPool empty(&runtime_.buffer_pool());
        AllocationFault fault(0);
        fault.FailOn();
        EXPECT_THAT(ours_->Ping(AsBytes("p"), kNever), IsOk());
        if (role == Role::kServer) {
          EXPECT_THAT(ours_->TrySendEncoded(absl::MakeConstSpan(&frame, 1)), IsOk());
        }
        EXPECT_THAT(ours_->Done(1000, "bye", kNever), IsOk());
        EXPECT_FALSE(fault.hit());
      }
      if (role == Role::kServer) {
        EXPECT_TRUE(Receive(theirs_.get()) == Text(5'000));
      }
      EXPECT_EQ(Receive(theirs_.get()), "closed");
      EXPECT_EQ(Receive(ours_.get()), "closed");
      EXPECT_EQ(pongs, 1);
    }
  }
}

// A piece for which there is no memory is not sent, and may be later; the message goes on.
TEST_F(SendMemoryTest, PiecesWithoutABlock) {
  for (const Role role : {Role::kClient, Role::kServer}) {
    for (const bool deflate : {false, true}) {
      for (int without = 0; without < 3; ++without) {
        SCOPED_TRACE(testing::Message() << (role == Role::kClient) << deflate << without);
        Connect(role, deflate);
        MessageWriter writer(ours_.get(), MessageType::kText);
        // The first piece of a message that was to be compressed is the one that decides it.
        const int expected = role == Role::kClient || (deflate && without > 0) ? ENOMEM : 0;
        for (int i = 0; i < 3; ++i) {
          const std::string piece = Text(20'000 + static_cast<size_t>(i));
          const auto put = [&] {
            return i == 2 ? writer.Finish(AsBytes(piece), kNever)
                          : writer.Write(AsBytes(piece), kNever);
          };
          if (i == without) {
            const EmptyPool empty(&runtime_.buffer_pool());
            EXPECT_THAT(put(), IsErrno(expected));
            EXPECT_EQ(writer.begun(), i > 0 || expected == 0);
            EXPECT_EQ(ours_->sender_busy(), writer.begun() && !writer.finished());
            if (expected == 0) continue;
            EXPECT_THAT(ours_->Ping(AsBytes("p"), kNever), IsOk());
          }
          EXPECT_THAT(put(), IsOk());
        }
        EXPECT_TRUE(writer.finished());
        EXPECT_TRUE(Receive(theirs_.get()) == Text(20'000) + Text(20'001) + Text(20'002));
        EXPECT_EQ(Receive(ours_.get()), absl::StrCat("errno ", ETIMEDOUT));  // A pong may come.
        ExpectAlive();
      }
    }
  }
}

// What compressing takes is from malloc(): each of its requests refused, alone or with all later
// ones. The message is sent all the same.
TEST_F(SendMemoryTest, EachRequestOfACompressorIsRefused) {
  for (const Role role : {Role::kClient, Role::kServer}) {
    for (const bool goes_on : {false, true}) {
      for (const bool by_pieces : {false, true}) {
        const int requests = SweepAllocations([&](AllocationFault& fault) {
          fault.set_armed(false);
          if (goes_on) fault.FailOn();
          Connect(role, /*deflate=*/true);
          const std::string text = Text(30'000);
          fault.set_armed(true);
          if (by_pieces) {
            MessageWriter writer(ours_.get(), MessageType::kText);
            EXPECT_THAT(writer.Write(AsBytes(text).first(10'000), kNever), IsOk());
            EXPECT_THAT(writer.Finish(AsBytes(text).subspan(10'000), kNever), IsOk());
          } else {
            EXPECT_THAT(ours_->SendText(text, kNever), IsOk());
          }
          fault.set_armed(false);
          EXPECT_EQ(ours_->deflate_memory_bytes() == 0, fault.hit());
          EXPECT_TRUE(Receive(theirs_.get()) == text);
          ExpectAlive();
        });
        EXPECT_GE(requests, 3);
      }
    }
  }
}

// What does not leave in time is to be kept. Where there is no memory for that a message would be
// left half said: the connection is over, for both.
TEST_F(SendMemoryTest, WithoutMemoryForARestTheConnectionBreaks) {
  for (const Role role : {Role::kClient, Role::kServer}) {
    for (const bool deflate : {false, true}) {
      for (const bool by_pieces : {false, true}) {
        SCOPED_TRACE(testing::Message() << (role == Role::kClient) << deflate << by_pieces);
        Connect(role, deflate);
        const std::string text = Text(900'000);  // More than a socket holds, also compressed.
        absl::Status status;
        if (deflate) {
          // The compressor has its memory.
          ASSERT_THAT(ours_->SendText("x", kNow), IsOk());
          ASSERT_EQ(Receive(theirs_.get()), "x");
        }
        {
          AllocationFault refused(0);
          refused.FailOn();
          if (by_pieces) {
            MessageWriter writer(ours_.get(), MessageType::kText);
            status = writer.Finish(AsBytes(text), kNow);
          } else {
            status = ours_->SendText(text, kNow);
          }
          EXPECT_TRUE(refused.hit());
        }
        EXPECT_THAT(status, IsErrno(ECONNRESET));
        // A writer has ended the outbound half in place of its message.
        const int over = by_pieces ? EPIPE : ECONNRESET;
        EXPECT_THAT(ours_->SendText("y", kNow), IsErrno(over));
        EXPECT_THAT(ours_->Ping({}, kNow), IsErrno(over));
        EXPECT_THAT(ours_->ReceiveView(kNow), IsErrno(ECONNRESET));
        EXPECT_EQ(Receive(theirs_.get()), absl::StrCat("errno ", ECONNRESET));
      }
    }
  }
}

// The same for frames that are encoded already.
TEST_F(SendMemoryTest, WithoutMemoryForTheRestOfEncodedFramesTheConnectionBreaks) {
  Connect(Role::kServer, /*deflate=*/false);
  const auto encoded = EncodedMessage::Make(MessageType::kBinary, Text(900'000));
  ASSERT_THAT(encoded, IsOk());
  const IoSlice frame((*encoded)->plain().data(), (*encoded)->plain().size());
  {
    AllocationFault fault(0);
    EXPECT_THAT(ours_->TrySendEncoded(absl::MakeConstSpan(&frame, 1)), IsErrno(ECONNRESET));
    EXPECT_TRUE(fault.hit());
  }
  EXPECT_THAT(ours_->TrySendEncoded(absl::MakeConstSpan(&frame, 1)), IsErrno(ECONNRESET));
  EXPECT_EQ(Receive(theirs_.get()), absl::StrCat("errno ", ECONNRESET));
}

// Replies are gathered in a block. Without one each leaves by itself.
TEST_F(SendMemoryTest, WithoutABlockNothingIsHeldBack) {
  for (const bool empty_pool : {false, true}) {
    Connect(Role::kServer, /*deflate=*/false);
    for (const char* text : {"one", "two"}) ASSERT_THAT(theirs_->SendText(text, kNow), IsOk());
    EXPECT_EQ(Receive(ours_.get()), "one");
    {
      std::optional<EmptyPool> empty;
      if (empty_pool) empty.emplace(&runtime_.buffer_pool());
      EXPECT_THAT(ours_->SendText("reply", kNow), IsOk());
    }
    EXPECT_EQ(Receive(theirs_.get()), empty_pool ? "reply" : absl::StrCat("errno ", ETIMEDOUT));
    EXPECT_EQ(Receive(ours_.get()), "two");
    EXPECT_EQ(Receive(ours_.get()), absl::StrCat("errno ", ETIMEDOUT));
    if (!empty_pool) {
      EXPECT_EQ(Receive(theirs_.get()), "reply");
    }
  }
}

// A message of a server's that has to wait needs a place to; where there is no memory for one there
// is no room.
TEST(EnqueueMemoryTest, WithoutMemoryThereIsNoRoom) {
  for (const SlowPolicy policy :
       {SlowPolicy::kClose, SlowPolicy::kSkipNewest, SlowPolicy::kSkipOldest}) {
    SimRuntime runtime;
    Server server(&runtime, {});
    Connection* connection = nullptr;
    server.Handle("/", {.on_open = [&](Connection& c) { connection = &c; }});
    ASSERT_THAT(server.Start(), IsOk());
    auto client = OpenPair(&runtime, &server, "/", {.capacity_bytes = 100});
    ASSERT_NE(client, nullptr);
    ASSERT_EQ(runtime.SleepUntil(Deadline::In(absl::Milliseconds(1))), 0);
    ASSERT_NE(connection, nullptr);
    const auto message = EncodedMessage::Make(MessageType::kText, Text(200));
    ASSERT_THAT(message, IsOk());
    // The first one leaves in part, its rest being the tail; the next ones wait.
    EXPECT_THAT(connection->Enqueue(*message, policy), IsOk());
    int waiting = 0;
    {
      AllocationFault fault(0);
      absl::Status status;
      // The first place of all is refused, and with kSkipNewest others are not.
      status = connection->Enqueue(*message, policy);
      EXPECT_TRUE(fault.hit());
      EXPECT_THAT(status, IsErrno(ENOBUFS));
    }
    EXPECT_EQ(connection->open(), policy != SlowPolicy::kClose);
    if (policy == SlowPolicy::kClose) {
      EXPECT_THAT(connection->Enqueue(*message, policy), IsErrno(EBADF));
      EXPECT_EQ(ReceiveText(client.get()), std::nullopt);
    } else {
      EXPECT_THAT(connection->Enqueue(*message, policy), IsOk());
      ++waiting;
      for (int i = 0; i < 1 + waiting; ++i) EXPECT_EQ(ReceiveText(client.get()), Text(200));
      EXPECT_EQ(ReceiveText(client.get(), Deadline::In(absl::Seconds(1))), std::nullopt);
    }
    EXPECT_EQ(server.counts().messages_skipped, policy == SlowPolicy::kClose ? 0u : 1u);
    client.reset();
    server.Stop();
  }
}

}  // namespace
}  // namespace halfpipe::websocket
