#include "websocket/testing/endpoint.h"

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "bytestream/base/buffer_pool.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/bytestream.h"
#include "http/core/message.h"
#include "http/core/response.h"
#include "websocket/stream.h"
#include "websocket/testing/bytes.h"
#include "websocket/testing/replay_bytestream.h"

namespace halfpipe::websocket {
namespace {

const Deadline kNever = Deadline::Never();

class Echo {
 public:
  Echo(Runtime* runtime, const EchoOptions& options, EndpointRun* run)
      : runtime_(runtime), options_(options), run_(run), memory_(options.fill_bytes, '?') {}

  void Look() {
    run_->blocks_peak = std::max(run_->blocks_peak, runtime_->buffer_pool().blocks_in_use());
  }

  // Receives to the end, sends everything back, and closes.
  void Run(Stream* stream) {
    absl::Status status;
    for (bool goes_on = true; goes_on;) {
      MessageType type = MessageType::kText;
      absl::Span<const uint8_t> payload;
      switch (options_.receive) {
        case EchoOptions::Receive::kView:
          status = View(stream, &type, &payload, &goes_on);
          break;
        case EchoOptions::Receive::kFill:
          status = Fill(stream, &type, &payload, &goes_on);
          break;
        case EchoOptions::Receive::kParts:
          status = Parts(stream, &type, &payload, &goes_on);
          break;
      }
      Look();
      // Whether a message that is too large and a breach behind that are told together or one after
      // the other depends on the cuts.
      if (StatusErrno(status) == EMSGSIZE) continue;
      if (!status.ok() || !goes_on) break;
      run_->messages.push_back(
          absl::StrCat(type == MessageType::kText ? "text " : "binary ", AsChars(payload)));
      // After a failure of its own this fails; the receive tells why.
      static_cast<void>(stream->Send(type, payload, kNever));
      Look();
    }
    run_->stream_errno = StatusErrno(status);
    if (const std::optional<CloseInfo> close = stream->peer_close()) {
      run_->close_code = close->code;
    }
    static_cast<void>(stream->Close(1000, "", kNever));
    run_->deflate_bytes_peak = stream->deflate_memory_peak_bytes();
  }

 private:
  absl::Status View(Stream* stream, MessageType* type, absl::Span<const uint8_t>* payload,
                    bool* goes_on) {
    auto view = stream->ReceiveView(kNever);
    *goes_on = view.ok() && view->has_value();
    if (!*goes_on) return view.status();
    *type = (*view)->type;
    *payload = (*view)->payload;
    return absl::OkStatus();
  }

  absl::Status Fill(Stream* stream, MessageType* type, absl::Span<const uint8_t>* payload,
                    bool* goes_on) {
    const IoSpan whole(memory_.data(), memory_.size());
    auto info = stream->Receive(absl::MakeConstSpan(&whole, 1), kNever);
    *goes_on = (info.ok() && info->has_value()) || StatusErrno(info.status()) == EMSGSIZE;
    if (!info.ok() || !info->has_value()) return info.status();
    *type = (*info)->type;
    *payload = AsBytes(memory_).first((*info)->size);
    return absl::OkStatus();
  }

  // Puts a message together again.
  absl::Status Parts(Stream* stream, MessageType* type, absl::Span<const uint8_t>* payload,
                     bool* goes_on) {
    for (parts_.clear();;) {
      auto part = stream->ReceivePart(AsMutableBytes(memory_), kNever);
      *goes_on = part.ok() && part->has_value();
      if (!*goes_on) return part.status();
      absl::StrAppend(&parts_, AsChars((*part)->payload));
      if (!(*part)->last) continue;
      *type = (*part)->type;
      *payload = AsBytes(parts_);
      return absl::OkStatus();
    }
  }

  Runtime* const runtime_;
  const EchoOptions& options_;
  EndpointRun* const run_;
  std::string memory_;
  std::string parts_;
};

// Takes what the peer still says, so that closing does not reset the connection under an answer.
void Drain(Bytestream* stream) {
  for (;;) {
    auto rest = stream->Peek(1, kNever);
    if (!rest.ok() || rest->empty()) return;
    stream->Consume(rest->size());
  }
}

}  // namespace

EndpointRun RunServerOn(Runtime* runtime, const ServerUpgradeOptions& options,
                        const EchoOptions& echo, BytestreamPtr lower) {
  EndpointRun run;
  Echo session(runtime, echo, &run);
  const auto welcome = [&session](const UpgradeRequest&) {
    session.Look();
    return UpgradeDecision::Accept();
  };
  const auto plain = [&session](const http::RequestHead&) {
    session.Look();
    return http::Response();
  };
  const absl::Status status =
      echo.plain
          ? ServerUpgradeOrPlain(runtime, lower.get(), options, welcome, plain, kNever, &run.server)
          : ServerUpgrade(runtime, lower.get(), options, welcome, kNever, &run.server);
  run.upgrade_errno = StatusErrno(status);
  if (!status.ok()) {
    Drain(lower.get());
    return run;
  }
  run.deflate = run.server.deflate.has_value();
  Stream stream(runtime, std::move(lower), StreamOptions(options, run.server, echo.stream));
  session.Run(&stream);
  return run;
}

EndpointRun RunClientOn(Runtime* runtime, const ClientUpgradeOptions& options,
                        const EchoOptions& echo, BytestreamPtr lower) {
  EndpointRun run;
  Echo session(runtime, echo, &run);
  const absl::Status status = ClientUpgrade(runtime, lower.get(), options, &run.client, kNever);
  session.Look();
  run.upgrade_errno = StatusErrno(status);
  if (!status.ok()) {
    static_cast<void>(lower->Done(kNever));
    Drain(lower.get());
    return run;
  }
  run.deflate = run.client.deflate.has_value();
  Stream stream(runtime, std::move(lower), StreamOptions(options, run.client, echo.stream));
  static_cast<void>(stream.SendText("first", kNever));
  session.Run(&stream);
  return run;
}

EndpointRun RunServer(Runtime* runtime, const ServerUpgradeOptions& options,
                      const EchoOptions& echo, std::vector<std::string> pieces) {
  Recorded recorded;
  BytestreamPtr lower(new ReplayBytestream(std::move(pieces), &recorded));
  EndpointRun run = RunServerOn(runtime, options, echo, std::move(lower));
  run.written = std::move(recorded.written);
  return run;
}

EndpointRun RunClient(Runtime* runtime, const ClientUpgradeOptions& options,
                      const EchoOptions& echo, std::vector<std::string> pieces) {
  Recorded recorded;
  BytestreamPtr lower(new ReplayBytestream(std::move(pieces), &recorded));
  EndpointRun run = RunClientOn(runtime, options, echo, std::move(lower));
  run.written = std::move(recorded.written);
  return run;
}

}  // namespace halfpipe::websocket
