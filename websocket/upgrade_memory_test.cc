// The opening handshake where memory fails: at every block of the runtime's pool, over a whole
// handshake of either side, and at what is asked of the heap. The call says ENOMEM or does what it
// does with memory enough, the peer has whole heads or nothing, and everything is given back.

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "bytestream/base/buffer_pool.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/bytestream.h"
#include "bytestream/net/fd_stream.h"
#include "bytestream/net/unix.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/testing/allocation_faults.h"
#include "bytestream/testing/status_matchers.h"
#include "bytestream/testing/syscall_faults.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "http/core/message.h"
#include "http/core/response.h"
#include "websocket/testing/http_reader.h"
#include "websocket/upgrade.h"
#include "websocket/upgrade_test_support.h"

namespace halfpipe::websocket {
namespace {

using testing::ElementsAre;

constexpr absl::string_view kDeflate = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
constexpr absl::string_view kGet = "GET /page HTTP/1.1\r\nHost: example.org\r\n\r\n";

// From here on the pool has `free_blocks` blocks left, and the system no mapping for more.
class ScarceBlocks final : public SyscallHook {
 public:
  ScarceBlocks(BufferPool* pool, int free_blocks) : pool_(pool) {
    pool->Put(pool->Get());  // There is a mapping now.
    previous_ = SetSyscallHook(this);
    while (uint8_t* const block = pool->Get()) taken_.push_back(block);
    for (int i = 0; i < free_blocks; ++i) PutOne();
  }
  ~ScarceBlocks() override {
    while (!taken_.empty()) PutOne();
    SetSyscallHook(previous_);
  }

  // Whether more were asked for than there were.
  bool hit() const { return failures_ > 1; }

  int OnSyscall(Syscall call, int) override {
    if (call != Syscall::kMmap) return 0;
    ++failures_;  // The first one is the constructor's.
    return ENOMEM;
  }

 private:
  void PutOne() {
    pool_->Put(taken_.back());
    taken_.pop_back();
  }

  BufferPool* const pool_;
  SyscallHook* previous_ = nullptr;
  std::vector<uint8_t*> taken_;
  int failures_ = 0;
};

// One handshake: what the peer has said before it begins, and what comes of it.
struct Row {
  const char* name;
  std::string said;
  int error;  // With memory enough.
  // A server's: the statuses of its answers. A client's: none, its request is one head.
  std::vector<int> statuses;
  int decision = 101;
};

class UpgradeMemoryTest : public testing::Test {
 protected:
  static std::vector<Row> ServerRows() {
    return {
        {"accepted", Request(), 0, {101}},
        {"with compression", Request(kDeflate), 0, {101}},
        {"refused by the hook", Request(), EACCES, {403}, 403},
        {"no request to upgrade to WebSocket", "POST / HTTP/1.1\r\nHost: h\r\n\r\n", EPROTO, {405}},
        {"malformed", "nonsense\r\n\r\n", EPROTO, {400}},
        {"plain, then the end", absl::StrCat(kGet, kGet), ENOTSUP, {200, 200}},
        {"plain, then accepted", absl::StrCat(kGet, Request()), 0, {200, 101}},
        {"plain, then refused", absl::StrCat(kGet, Request()), EACCES, {200, 403}, 403},
    };
  }
  static std::vector<Row> ClientRows() {
    return {
        {"accepted", Answer(), 0, {}},
        {"with compression", Answer(kDeflate), 0, {}},
        {"behind an interim response",
         absl::StrCat("HTTP/1.1 100 Continue\r\n\r\n", Answer()),
         0,
         {}},
        {"refused", "HTTP/1.1 403 No\r\nContent-Length: 5\r\n\r\nnever", EACCES, {}},
        {"refused in chunks",
         "HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nnever\r\n0\r\n\r\n",
         EACCES,
         {}},
        {"redirected", "HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\n", EACCES, {}},
        {"answered badly", Answer("Sec-WebSocket-Protocol: x\r\n"), EPROTO, {}},
    };
  }

  absl::Status Serve(const Row& row, Bytestream* stream) {
    ServerUpgradeOptions options;
    options.deflate.enabled = true;
    options.plain_requests_max = 2;
    return ServerUpgradeOrPlain(
        &runtime_, stream, options,
        [&row](const UpgradeRequest&) {
          return row.decision == 101 ? UpgradeDecision::Accept()
                                     : UpgradeDecision::Refuse(row.decision, "no");
        },
        [](const http::RequestHead&) { return http::TextResponse(200, "page"); }, Deadline::Never(),
        &served_);
  }

  absl::Status Ask(Bytestream* stream) {
    ClientUpgradeOptions options = {.target = "/chat?x=1", .host = "example.org"};
    options.entropy = &entropy_;
    options.deflate.enabled = true;
    return ClientUpgrade(&runtime_, stream, options, &asked_, Deadline::Never());
  }

  // Runs `call(stream)` on a socket whose other end has said `said` and then no more; returns what
  // it hears from there.
  template <typename Call>
  std::string Run(absl::string_view said, Call call) {
    absl::StatusOr<std::array<int, 2>> fds = UnixPairFds();
    EXPECT_THAT(fds, IsOk());
    const int peer = (*fds)[0];
    EXPECT_EQ(write(peer, said.data(), said.size()), static_cast<ssize_t>(said.size()));
    EXPECT_EQ(shutdown(peer, SHUT_WR), 0);
    {
      FdStream stream(&runtime_, (*fds)[1]);
      call(&stream);
    }
    std::string heard;
    char bytes[4096];
    for (;;) {
      const ssize_t size = read(peer, bytes, sizeof(bytes));
      // Unread input of a stream that is gone is ECONNRESET, behind what was sent.
      if (size <= 0) break;
      heard.append(bytes, static_cast<size_t>(size));
    }
    close(peer);
    return heard;
  }

  // The heads a server has sent are whole and those of the row, up to where memory failed.
  void CheckServer(const Row& row, const absl::Status& status, bool hit, const std::string& heard) {
    const ServerOutput output = ReadServerOutput(heard);
    EXPECT_EQ(output.breach, "") << heard;
    if (StatusErrno(status) != ENOMEM) {
      EXPECT_THAT(status, IsErrno(row.error));
      EXPECT_EQ(output.statuses, row.statuses);
      EXPECT_EQ(served_.status, row.statuses.back());
      return;
    }
    EXPECT_TRUE(hit);
    std::vector<int> statuses = output.statuses;
    EXPECT_EQ(served_.status, statuses.empty() ? 0 : statuses.back());
    if (!statuses.empty() && statuses.back() == 503) statuses.pop_back();
    EXPECT_LT(statuses.size(), row.statuses.size());
    statuses.resize(std::min(statuses.size(), row.statuses.size()));
    EXPECT_TRUE(std::equal(statuses.begin(), statuses.end(), row.statuses.begin()));
  }

  void CheckClient(const Row& row, const absl::Status& status, bool hit, const std::string& heard) {
    size_t size = 0;
    if (StatusErrno(status) != ENOMEM) {
      EXPECT_THAT(status, IsErrno(row.error));
      EXPECT_NE(asked_.status, 0);
    } else {
      EXPECT_TRUE(hit);
      EXPECT_EQ(asked_.status, 0);
      if (heard.empty()) return;
    }
    EXPECT_EQ(JudgeClientHead(heard, &size), "");
    EXPECT_EQ(size, heard.size());
  }

  Runtime runtime_;
  FixedEntropy entropy_;
  ServerUpgradeResult served_;
  ClientUpgradeResult asked_;
};

// Each block in turn is the one that is not there. What every handshake needs is memory for the
// head that comes; all but the barest answers need some for the head that goes.
TEST_F(UpgradeMemoryTest, NoBlock) {
  for (const bool server : {true, false}) {
    for (const Row& row : server ? ServerRows() : ClientRows()) {
      int failures = 0;
      for (int free_blocks = 0;; ++free_blocks) {
        SCOPED_TRACE(
            absl::StrCat(server ? "server, " : "client, ", row.name, ", ", free_blocks, " blocks"));
        bool hit = false;
        absl::Status status;
        const std::string heard = Run(row.said, [&](Bytestream* stream) {
          ScarceBlocks blocks(&runtime_.buffer_pool(), free_blocks);
          status = server ? Serve(row, stream) : Ask(stream);
          hit = blocks.hit();
        });
        server ? CheckServer(row, status, hit, heard) : CheckClient(row, status, hit, heard);
        EXPECT_EQ(runtime_.buffer_pool().blocks_in_use(), 0u);
        failures += StatusErrno(status) == ENOMEM ? 1 : 0;
        if (!hit || HasFailure()) break;
      }
      EXPECT_GE(failures, 1) << row.name;
    }
  }
}

// A server that can read the request but not put the answer together says so.
TEST_F(UpgradeMemoryTest, NoBlockForTheAnswerIs503) {
  for (const Row& row : ServerRows()) {
    if (row.error == EPROTO) continue;  // Bad requests are answered without memory.
    SCOPED_TRACE(row.name);
    absl::Status status;
    const std::string heard = Run(row.said, [&](Bytestream* stream) {
      ScarceBlocks blocks(&runtime_.buffer_pool(), 1);
      status = Serve(row, stream);
    });
    EXPECT_THAT(status, IsErrno(ENOMEM));
    EXPECT_EQ(served_.status, 503);
    EXPECT_THAT(ReadServerOutput(heard).statuses, ElementsAre(503));
    EXPECT_EQ(served_.resource, "");
    EXPECT_EQ(served_.deflate, std::nullopt);
  }
}

TEST_F(UpgradeMemoryTest, BadRequestsAreAnsweredWithoutMemory) {
  for (const Row& row : ServerRows()) {
    if (row.error != EPROTO) continue;
    SCOPED_TRACE(row.name);
    absl::Status status;
    const std::string heard = Run(row.said, [&](Bytestream* stream) {
      ScarceBlocks blocks(&runtime_.buffer_pool(), 1);
      status = Serve(row, stream);
    });
    EXPECT_THAT(status, IsErrno(EPROTO));
    EXPECT_EQ(ReadServerOutput(heard).statuses, row.statuses);
  }
}

// All that is asked of the heap, what the results hold aside, is room for the rest of an answer
// that has begun to leave when its time is over. Without it the connection is reset, and the
// refusal is one all the same.
TEST_F(UpgradeMemoryTest, NoHeapForTheRestOfAnAnswer) {
  ServerUpgradeOptions options;
  options.answer_time_max = absl::ZeroDuration();
  const std::string body(800'000, 'x');  // More than the system takes at once, less than a tail.
  const int requests = SweepAllocations([&](AllocationFault& fault) {
    const std::string heard = Run(Request(), [&](Bytestream* stream) {
      EXPECT_THAT(ServerUpgrade(
                      &runtime_, stream, options,
                      [&](const UpgradeRequest&) { return UpgradeDecision::Refuse(403, body); },
                      Deadline::Never(), &served_),
                  IsErrno(EACCES));
      EXPECT_EQ(served_.status, fault.hit() ? 0 : 403);
      EXPECT_EQ(stream->tail_size() > 0, !fault.hit());
      EXPECT_THAT(stream->Flush(Deadline::Immediately()),
                  IsErrno(fault.hit() ? ECONNRESET : ETIMEDOUT));
    });
    EXPECT_EQ(heard.substr(0, 13), "HTTP/1.1 403 ");
    EXPECT_LT(heard.size(), body.size());
  });
  EXPECT_EQ(requests, 1);
  EXPECT_EQ(runtime_.buffer_pool().blocks_in_use(), 0u);
}

}  // namespace
}  // namespace halfpipe::websocket
