#include "websocket/testing/play.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "bytestream/base/check.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/runtime/bundle.h"
#include "websocket/testing/bytes.h"

namespace halfpipe::websocket {

std::string PlayAgainst(Runtime* runtime, const Connect& connect,
                        const std::vector<std::string>& pieces,
                        absl::FunctionRef<void(BytestreamPtr)> endpoint) {
  // Nothing waits for anything but the endpoint: this long is for ever.
  const Deadline deadline = Deadline::In(absl::Seconds(120));
  auto [lower, peer] = connect();
  std::string written;
  Bundle bundle(runtime);
  const auto write = [&, peer = peer.get()] {
    for (const std::string& piece : pieces) {
      const IoSlice slice{absl::string_view(piece)};
      if (!peer->Write(absl::MakeConstSpan(&slice, 1), /*more=*/false, deadline).ok()) return;
      if (runtime->Yield() != 0) return;
    }
    static_cast<void>(peer->Done(deadline));
  };
  const auto read = [&, peer = peer.get()] {
    for (;;) {
      auto bytes = peer->Peek(1, deadline);
      if (!bytes.ok() || bytes->empty()) return;
      absl::StrAppend(&written, AsChars(*bytes));
      peer->Consume(bytes->size());
    }
  };
  HALFPIPE_CHECK(bundle.Go(write).ok() && bundle.Go(read).ok());
  endpoint(std::move(lower));
  HALFPIPE_CHECK(bundle.Wait(deadline) == 0);
  return written;
}

}  // namespace halfpipe::websocket
