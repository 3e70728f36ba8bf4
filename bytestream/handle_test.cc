// A protocol written in C++ behind a handle.

#include "bytestream/handle.h"

#include <cerrno>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/bytestream.h"
#include "bytestream/framing/prefix.h"
#include "bytestream/libdillimpl.h"
#include "bytestream/msocket.h"
#include "bytestream/net/pair.h"
#include "bytestream/sockets.h"
#include "bytestream/sockets_test_support.h"
#include "bytestream/testing/forwarding_bytestream.h"
#include "bytestream/testing/status_matchers.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

constexpr HandleType kCountingType{"counting stream"};

// Passes everything on and counts what is sent.
class Counting final : public ForwardingBytestream, public HandleObject {
 public:
  explicit Counting(BytestreamPtr inner) : ForwardingBytestream(std::move(inner)) {}
  ~Counting() override = default;

  absl::Status Write(absl::Span<const IoSlice> slices, bool more, Deadline deadline) override {
    sent += TotalSize(slices);
    return inner().Write(slices, more, deadline);
  }

  void* Query(const void* type) override {
    if (type == &kBytestreamType) return static_cast<Bytestream*>(this);
    return type == &kCountingType ? this : nullptr;
  }
  void Close() noexcept override { Abort(); }
  void Dispose() noexcept override { delete this; }

  size_t sent = 0;
};

class HandleTest : public CCallTest {};

TEST_F(HandleTest, CallsAndProtocolsWorkOnIt) {
  auto [near, far] = MakePair(&runtime_);
  const absl::StatusOr<int> h = MakeHandle(new Counting(std::move(near)));
  ASSERT_THAT(h, IsOk());
  EXPECT_EQ(bsend(*h, "abc", 3, -1), 0);
  const absl::StatusOr<Counting*> counting = QueryHandle<Counting>(*h, kCountingType);
  ASSERT_THAT(counting, IsOk());
  EXPECT_EQ((*counting)->sent, 3u);
  EXPECT_EQ(hquery(*h, &kCountingType), *counting);
  // What a C protocol would find below itself.
  struct bsock_vfs* const vfs = static_cast<struct bsock_vfs*>(hquery(*h, bsock_type));
  ASSERT_NE(vfs, nullptr);
  char text[] = "de";
  struct iolist piece = {text, 2, nullptr, 0};
  EXPECT_EQ(vfs->bsendl(vfs, &piece, &piece, -1), 0);
  EXPECT_EQ((*counting)->sent, 5u);
  const int s = prefix_attach(*h, 1, 0);
  ASSERT_GT(s, 0);
  EXPECT_EQ(msend(s, "xyz", 3, -1), 0);
  EXPECT_EQ((*counting)->sent, 9u);
  const int again = prefix_detach(s);
  EXPECT_THAT(QueryHandle<Counting>(again, kCountingType), IsOkAndHolds(*counting));
  EXPECT_EQ(hclose(again), 0);
  char got[9];
  const IoSpan span(got, 9);
  EXPECT_THAT(far->Read(absl::MakeConstSpan(&span, 1), Deadline::Never()), IsOk());
  EXPECT_EQ(std::string(got, 9), "abcde\3xyz");
}

TEST_F(HandleTest, WhatThereIsNot) {
  EXPECT_THAT(QueryHandle<Counting>(-1, kCountingType), IsErrno(EBADF));
  const int group = bundle();
  EXPECT_THAT(QueryHandle<Counting>(group, kCountingType), IsErrno(ENOTSUP));
  EXPECT_EQ(hclose(group), 0);
}

TEST_F(HandleTest, ACancelledCoroutineMakesNone) {
  auto [near, far] = MakePair(&runtime_);
  Counting* const counting = new Counting(std::move(near));
  const auto make = [&] {
    CancelSelf();
    EXPECT_THAT(MakeHandle(counting), IsErrno(ECANCELED));
  };
  EXPECT_EQ(hclose(go(make())), 0);
  const absl::StatusOr<int> h = MakeHandle(counting);  // it was not taken
  ASSERT_THAT(h, IsOk());
  EXPECT_EQ(hclose(*h), 0);
}

}  // namespace
}  // namespace halfpipe
