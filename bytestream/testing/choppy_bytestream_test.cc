#include "bytestream/testing/choppy_bytestream.h"

#include <cerrno>
#include <cstdint>
#include <random>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/bytestream.h"
#include "bytestream/net/pair.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/testing/sim_clock.h"
#include "bytestream/testing/status_matchers.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

TEST(ChoppyBytestreamTest, SameBytesWhateverTheSeed) {
  for (uint32_t seed = 0; seed < 50; ++seed) {
    SCOPED_TRACE(seed);
    SimRuntime runtime;
    auto [a, b] = MakePair(&runtime, {.capacity_bytes = 100});
    const BytestreamPtr choppy_a(new ChoppyBytestream(std::move(a), seed));
    const BytestreamPtr choppy_b(new ChoppyBytestream(std::move(b), seed + 1));
    std::mt19937 random(seed);
    std::string text(5000, '\0');
    for (char& c : text) c = static_cast<char>(random());
    Bundle bundle(&runtime);
    ASSERT_THAT(bundle.Go([&] {
      const absl::string_view view = text;
      const IoSlice slices[] = {IoSlice(view.substr(0, 1000)), IoSlice(),
                                IoSlice(view.substr(1000))};
      EXPECT_THAT(choppy_a->Write(slices, false, Deadline::Never()), IsOk());
      EXPECT_THAT(choppy_a->Done(Deadline::Never()), IsOk());
    }),
                IsOk());
    std::string received;
    bool peek = false;
    for (;;) {
      peek = !peek;
      if (peek) {
        const auto view = choppy_b->Peek(1, Deadline::Never());
        ASSERT_THAT(view, IsOk());
        if (view->empty()) break;
        EXPECT_EQ(choppy_b->buffered(), view->size());
        const size_t count = 1 + random() % view->size();
        received.append(reinterpret_cast<const char*>(view->data()), count);
        choppy_b->Consume(count);
        EXPECT_EQ(choppy_b->buffered(), view->size() - count);
      } else {
        uint8_t room[100];
        const auto size = choppy_b->ReadSome(absl::MakeSpan(room), 3, Deadline::Never());
        ASSERT_THAT(size, IsOk());
        received.append(reinterpret_cast<const char*>(room), *size);
      }
    }
    EXPECT_EQ(bundle.Wait(Deadline::Never()), 0);
    EXPECT_EQ(received, text);
  }
}

TEST(ChoppyBytestreamTest, ShowsAtLeastWhatIsAskedForAndWhatWasShown) {
  SimRuntime runtime;
  auto [a, b] = MakePair(&runtime);
  ChoppyBytestream choppy(std::move(b), 3);
  const std::string text(1000, 'x');
  const IoSlice slice{absl::string_view(text)};
  ASSERT_THAT(a->Write(absl::MakeConstSpan(&slice, 1), false, Deadline::Never()), IsOk());
  size_t shown = 0;
  bool cut = false;
  for (const size_t min : {1, 5, 0, 300, 2}) {
    const auto view = choppy.Peek(min, Deadline::Never());
    ASSERT_THAT(view, IsOk());
    EXPECT_GE(view->size(), min);
    EXPECT_GE(view->size(), shown);
    shown = view->size();
    cut = cut || shown < text.size();
  }
  EXPECT_TRUE(cut);
}

// However it is cut, a Write() that timed out has sent nothing, or will have sent everything.
TEST(ChoppyBytestreamTest, InterruptedWriteIsAllOrNothing) {
  for (uint32_t seed = 0; seed < 50; ++seed) {
    SCOPED_TRACE(seed);
    SimRuntime runtime;
    auto [a, b] = MakePair(&runtime, {.capacity_bytes = seed % 20 + 1});
    ChoppyBytestream choppy(std::move(a), seed);
    const absl::string_view text = "a message that is longer than the pipe is";
    const IoSlice slice(text);
    EXPECT_THAT(choppy.Write(absl::MakeConstSpan(&slice, 1), false, Deadline::In(absl::Seconds(1))),
                IsOk());
    EXPECT_THAT(choppy.Write(absl::MakeConstSpan(&slice, 1), false, Deadline::In(absl::Seconds(1))),
                IsErrno(ETIMEDOUT));
    std::string received(text.size(), '\0');
    const IoSpan span(received.data(), received.size());
    EXPECT_THAT(b->Read(absl::MakeConstSpan(&span, 1), Deadline::Immediately()), IsOk());
    EXPECT_EQ(received, std::string(text));
    EXPECT_THAT(b->Peek(1, Deadline::Immediately()), IsErrno(ETIMEDOUT));
  }
}

}  // namespace
}  // namespace halfpipe
