#include "websocket/handshake/server_handshake.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>

#include "absl/strings/match.h"
#include "http/core/head_serializer.h"
#include "http/core/response.h"
#include "websocket/handshake/accept_key.h"
#include "websocket/handshake/extension_fields.h"
#include "websocket/handshake/handshake_fields.h"
#include "websocket/handshake/subprotocol.h"

namespace halfpipe::websocket {
namespace {

ServerJudgement Refuse(int status, absl::string_view what) {
  ServerJudgement judgement;
  judgement.status = status;
  judgement.what = what;
  return judgement;
}

absl::string_view Finish(http::HeadSerializer& writer) {
  return writer.WriteEnd() == http::WriteStatus::kOk ? writer.written() : absl::string_view();
}

}  // namespace

ServerJudgement JudgeClientRequest(const http::RequestHead& head,
                                   absl::Span<const absl::string_view> supported,
                                   const DeflatePolicy* deflate) {
  if (head.method != "GET") return Refuse(405, "method is not GET");
  ServerJudgement judgement;
  const http::UpgradeError error = http::JudgeUpgradeRequest(head, "websocket", &judgement.address);
  if (error != http::UpgradeError::kNone) {
    return Refuse(http::UpgradeErrorStatus(error), http::UpgradeErrorText(error));
  }

  const size_t versions = head.fields.Count("Sec-WebSocket-Version");
  if (versions > 1) return Refuse(400, "request has several Sec-WebSocket-Version");
  if (head.fields.Find("Sec-WebSocket-Version").value_or("") != "13") {
    return Refuse(426, "Sec-WebSocket-Version is not 13");
  }
  const std::optional<absl::string_view> key = head.fields.FindOnly("Sec-WebSocket-Key");
  if (!key.has_value()) return Refuse(400, "request has no single Sec-WebSocket-Key");
  if (!IsValidKey(*key)) return Refuse(400, "Sec-WebSocket-Key is not 16 bytes in base64");
  if (!HasValidOffer(head.fields)) return Refuse(400, "Sec-WebSocket-Protocol is malformed");
  // Read also where nothing of it is wanted: a malformed list fails the handshake (RFC 6455 section
  // 9.1).
  judgement.deflate = ChooseDeflate(ExtensionFields(head.fields).values(),
                                    deflate != nullptr ? *deflate : DeflatePolicy());
  if (judgement.deflate.verdict == DeflateVerdict::kInvalid) {
    return Refuse(400, judgement.deflate.what);
  }
  if (deflate == nullptr) judgement.deflate = DeflateJudgement();

  judgement.status = 101;
  judgement.key = *key;
  judgement.subprotocol = ChooseSubprotocol(head.fields, supported);
  return judgement;
}

absl::string_view WriteAcceptance(absl::string_view key, absl::string_view subprotocol,
                                  absl::Span<const http::Field> extra_fields, absl::Span<char> out,
                                  absl::string_view extension) {
  for (const http::Field& field : extra_fields) {
    if (IsHandshakeField(field.name)) return absl::string_view();
  }
  const HandshakeAccept accept = AcceptValue(key);
  http::HeadSerializer writer(out);
  writer.WriteStatusLine(101, "Switching Protocols");
  writer.WriteField("Upgrade", "websocket");
  writer.WriteField("Connection", "Upgrade");
  writer.WriteField("Sec-WebSocket-Accept", AsView(accept));
  if (!subprotocol.empty()) writer.WriteField("Sec-WebSocket-Protocol", subprotocol);
  if (!extension.empty()) writer.WriteField(kExtensionsField, extension);
  for (const http::Field& field : extra_fields) writer.WriteField(field.name, field.value);
  return Finish(writer);
}

absl::string_view WriteRefusal(int status, absl::Span<char> out, const RefusalFields& fields) {
  http::HeadSerializer writer(out);
  writer.WriteStatusLine(status, http::ReasonPhrase(status));
  if (!fields.date.empty()) writer.WriteField("Date", fields.date);
  if (status == 405) writer.WriteField("Allow", fields.allow);
  if (status == 426) {
    writer.WriteField("Upgrade", "websocket");
    writer.WriteField("Sec-WebSocket-Version", "13");
  }
  // A sender of Upgrade must name it in Connection too (RFC 9110 section 7.8).
  writer.WriteField("Connection", status == 426 ? "Upgrade, close" : "close");
  writer.WriteField("Content-Length", "0");
  return Finish(writer);
}

void CompleteRefusal(http::Response* response, absl::string_view allow) {
  if (response->status == 405 && !http::HasField(response->fields, "Allow")) {
    response->fields.push_back({"Allow", std::string(allow)});
  }
  if (response->status == 426 && !http::HasField(response->fields, "Sec-WebSocket-Version")) {
    response->fields.push_back({"Sec-WebSocket-Version", "13"});
  }
}

}  // namespace halfpipe::websocket
