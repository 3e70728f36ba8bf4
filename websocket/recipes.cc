#include "websocket/recipes.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/net/ip_address.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/tls/tls_context.h"
#include "http/core/basic_auth.h"
#include "http/core/constant_time.h"
#include "websocket/client.h"
#include "websocket/message_writer.h"

using namespace halfpipe;
using namespace halfpipe::websocket;

namespace recipes {
// Sends what comes by `commands` until its Done(), and collects what is received meanwhile.
absl::Status Converse(Runtime* runtime, Stream* stream, Channel<std::string>* commands,
                      std::string* heard) {
  Channel<std::string> messages(runtime);
  absl::Status ended;
  Bundle receiver(runtime);
  absl::Status started = receiver.Go([&] {
    while (true) {
      auto message = stream->ReceiveView(Deadline::Never());
      if (!message.ok() || !message->has_value()) {
        ended = message.status();
        return messages.Done();
      }
      if (!messages.Send(std::string((*message)->text()), Deadline::Never()).ok()) return;
    }
  });
  if (!started.ok()) return started;
  while (true) {
    std::optional<std::string> message;
    std::optional<std::string> command;
    SelectClause clauses[] = {messages.ReceiveClause(&message), commands->ReceiveClause(&command)};
    auto selected = Select(runtime, absl::MakeSpan(clauses), Deadline::Never());
    if (!selected.ok()) return selected.status();
    if (selected->index == 0) {
      if (selected->done) return ended;  // OK: the peer has closed
      absl::StrAppend(heard, *message);
    } else {
      if (selected->done) break;
      absl::Status sent = stream->SendText(*command, Deadline::In(absl::Seconds(5)));
      if (!sent.ok()) return sent;
    }
  }
  receiver.CancelAndJoin();  // Close() receives too, and one coroutine does that at a time.
  return stream->Close(1000, "", Deadline::In(absl::Seconds(5)));
}
// One direction: every message, and in the end the Close.
void RelayOneWay(Stream* from, Stream* to) {
  while (true) {
    auto message = from->ReceiveView(Deadline::Never());
    if (!message.ok()) return to->Abort();
    if (!message->has_value()) break;
    absl::Status sent = to->Send((*message)->type, (*message)->payload, Deadline::Never());
    if (!sent.ok()) return from->Abort();
  }
  const auto close = *from->peer_close();
  const int code = close.code == kCloseNoStatus ? 0 : close.code;  // 1005 is never sent.
  static_cast<void>(to->Done(code, close.reason, Deadline::In(absl::Seconds(5))));
}

// Both of them. Either may end and leave the other open, if both streams have answer_close = false.
void Relay(Runtime* runtime, Stream* near, Stream* far) {
  Bundle bundle(runtime);
  if (!bundle.Go([&] { RelayOneWay(far, near); }).ok()) return;
  RelayOneWay(near, far);
  static_cast<void>(bundle.Wait(Deadline::Never()));
}

void AddProxy(Server* server, std::string backend) {
  Handler handler;
  handler.options.answer_close = false;
  handler.session = [backend](Connection& connection, Stream& near) {
    ClientOptions options;
    options.stream.answer_close = false;
    Client client(connection.runtime(), std::move(options));
    auto far = client.Connect(absl::StrCat(backend, connection.resource()),
                              Deadline::In(absl::Seconds(5)));
    if (!far.ok()) {
      static_cast<void>(connection.Close(1014, "no backend"));
      return;
    }
    Relay(connection.runtime(), &near, far->get());
  };
  server->HandlePrefix("/", std::move(handler));
}
// Takes messages of up to 8 GiB, and answers each with its size.
void AddUploads(Server* server) {
  Handler handler;
  handler.options.streamed_message_bytes_max = uint64_t{8} << 30;
  handler.options.fragments_per_message_max = 0;  // Small pieces are many.
  handler.session = [](Connection& connection, Stream& stream) {
    uint64_t size = 0;
    while (true) {
      auto part = stream.ReceivePartView(Deadline::In(absl::Seconds(30)));
      if (!part.ok() || !part->has_value()) return;
      size += (*part)->payload.size();  // Here it would be written somewhere.
      if (!(*part)->last) continue;
      if (!connection.SendText(absl::StrCat(size)).ok()) return;
      size = 0;
    }
  };
  server->Handle("/upload", std::move(handler));
}

// Sends a file, or whatever else read(2) reads at once, as one message, and returns the answer.
absl::StatusOr<std::string> Upload(Stream* stream, int fd, Deadline deadline) {
  MessageWriter writer(stream, MessageType::kBinary);
  std::vector<uint8_t> buffer(size_t{64} << 10);
  while (true) {
    const ssize_t size = read(fd, buffer.data(), buffer.size());
    if (size < 0) return ErrnoStatus(errno, "the file could not be read");
    if (size == 0) break;
    absl::Status sent =
        writer.Write(absl::MakeConstSpan(buffer.data(), static_cast<size_t>(size)), deadline);
    if (!sent.ok()) return sent;
  }
  absl::Status sent = writer.Finish(deadline);
  if (!sent.ok()) return sent;
  auto answer = stream->ReceiveView(deadline);
  if (!answer.ok()) return answer.status();
  if (!answer->has_value()) return ErrnoStatus(ECONNRESET, "closed without an answer");
  return std::string((*answer)->text());
}
void AddMembers(Server* server, std::string token) {
  const std::vector<absl::string_view> pages = {"https://app.example"};
  Handler handler;
  handler.origin = {.kind = OriginPolicy::Kind::kAllowList,
                    .allowed = pages,
                    .allow_missing = true};  // programs that are no browsers
  handler.on_upgrade = [token](const UpgradeRequest& request) {
    const auto bearer = http::BearerToken(request.head.fields);
    if (bearer.has_value() && http::SecretsEqual(*bearer, token)) return UpgradeDecision::Accept();
    UpgradeDecision decision = UpgradeDecision::Refuse(401, "Who are you?\n");
    decision.fields.push_back(http::BearerChallenge("members"));
    return decision;
  };
  handler.on_message = [](Connection& connection, MessageView message) {
    static_cast<void>(connection.Send(message));
  };
  server->Handle("/members", std::move(handler));
  server->HandlePlain([](const http::RequestHead& head) {
    if (head.target == "/healthz") return http::TextResponse(200, "alive\n");
    return http::TextResponse(404, "There is nothing here.\n");
  });
}
// Serves wss. The result is in use for as long as the server is.
absl::StatusOr<std::unique_ptr<TlsContext>> ListenWithTls(Server* server, IpAddress* address,
                                                          std::string chain_file,
                                                          std::string key_file) {
  auto context = TlsContext::ForServer(
      {.identity = {.certificates = {.file = chain_file}, .key = {.file = key_file}}});
  if (!context.ok()) return context.status();
  auto listening = server->ListenTcp(*address, context->get());
  if (!listening.ok()) return listening.status();
  *address = *listening;  // with the port that was chosen for port 0
  return context;
}

// Asks a wss URL with roots of one's own in place of the system's.
absl::StatusOr<std::string> AskWithTls(Runtime* runtime, absl::string_view url,
                                       std::string trust_file, Deadline deadline) {
  auto trust = TlsContext::ForClient({.trust = {.file = trust_file}});
  if (!trust.ok()) return trust.status();
  ClientOptions options;
  options.tls = trust->get();
  Client client(runtime, std::move(options));
  auto stream = client.Connect(url, deadline);
  if (!stream.ok()) return stream.status();
  absl::Status sent = (*stream)->SendText("?", deadline);
  if (!sent.ok()) return sent;
  auto answer = (*stream)->ReceiveView(deadline);
  if (!answer.ok()) return answer.status();
  if (!answer->has_value()) return ErrnoStatus(ECONNRESET, "closed without an answer");
  return std::string((*answer)->text());
}
// Each message names a file, whose content is the answer.
void AddFiles(Server* server) {
  server->Handle("/files", {.on_message = [](Connection& connection, MessageView message) {
                   // What runs on a helper thread owns what it uses.
                   auto content = connection.runtime()->RunBlocking(
                       [path = std::string(message.text())]() -> absl::StatusOr<std::string> {
                         std::ifstream file(path);
                         if (!file) return ErrnoStatus(ENOENT, "no such file");
                         return std::string(std::istreambuf_iterator<char>(file), {});
                       },
                       Deadline::In(absl::Seconds(10)));
                   static_cast<void>(content.ok()
                                         ? connection.SendText(*content)
                                         : connection.Close(4004, content.status().message()));
                 }});
}
// SIGTERM and SIGINT are blocked before the server has threads, so that all of them leave it to this
// one, which waits for it.
int ServeUntilSignal(Server* server) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  if (!server->Start().ok()) return 1;
  int number = 0;
  sigwait(&signals, &number);
  server->Drain(absl::Seconds(10));
  return server->Wait(Deadline::Never()).ok() ? 0 : 1;
}
// How many of `count` connections get an answer before the deadline; the others are cancelled.
int Survey(Runtime* runtime, absl::string_view url, int count, Deadline deadline) {
  int answers = 0;
  Bundle bundle(runtime);
  for (int i = 0; i < count; ++i) {
    absl::Status started = bundle.Go([&] {
      Client client(runtime);
      auto stream = client.Connect(url, Deadline::Never());
      if (!stream.ok() || !(*stream)->SendText("?", Deadline::Never()).ok()) return;
      auto answer = (*stream)->ReceiveView(Deadline::Never());
      if (answer.ok() && answer->has_value()) ++answers;
    });
    if (!started.ok()) break;
  }
  static_cast<void>(bundle.Wait(deadline));
  return answers;  // Here the bundle ends: it cancels what is left, and waits for it to come out.
}

}  // namespace recipes
