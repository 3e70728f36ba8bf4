#include "websocket/deflate/deflate_params.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "websocket/deflate/extension_header.h"

namespace halfpipe::websocket {
namespace {

using Item = ExtensionReader::Item;

constexpr absl::string_view kName = "permessage-deflate";
constexpr absl::string_view kServerNoContext = "server_no_context_takeover";
constexpr absl::string_view kClientNoContext = "client_no_context_takeover";
constexpr absl::string_view kServerWindow = "server_max_window_bits";
constexpr absl::string_view kClientWindow = "client_max_window_bits";

// The parameters of one element as they stand there.
struct Element {
  bool server_no_context = false;
  bool client_no_context = false;
  bool has_server_window = false;
  bool has_client_window = false;
  uint8_t server_window = 0;  // 0: without a value.
  uint8_t client_window = 0;
  bool bad = false;  // Unknown, repeated or malformed.
};

// 8..15 in decimal without a leading zero; else 0.
uint8_t ParseWindowBits(absl::string_view text) {
  if (text == "8") return 8;
  if (text == "9") return 9;
  if (text.size() == 2 && text[0] == '1' && text[1] >= '0' && text[1] <= '5') {
    return static_cast<uint8_t>(10 + text[1] - '0');
  }
  return 0;
}

void TakeFlag(const ExtensionReader& reader, bool* flag, Element* element) {
  if (*flag || reader.has_value()) element->bad = true;
  *flag = true;
}

void TakeWindow(const ExtensionReader& reader, bool* present, uint8_t* bits, Element* element) {
  *bits = ParseWindowBits(reader.value());
  if (*present || (reader.has_value() && *bits == 0)) element->bad = true;
  *present = true;
}

// Names of extensions and parameters are compared without regard to case, as tokens of a field are
// where nothing else is said.
void TakeParam(const ExtensionReader& reader, Element* element) {
  if (absl::EqualsIgnoreCase(reader.name(), kServerNoContext)) {
    TakeFlag(reader, &element->server_no_context, element);
  } else if (absl::EqualsIgnoreCase(reader.name(), kClientNoContext)) {
    TakeFlag(reader, &element->client_no_context, element);
  } else if (absl::EqualsIgnoreCase(reader.name(), kServerWindow)) {
    TakeWindow(reader, &element->has_server_window, &element->server_window, element);
    // Only the client's may stand without a value, and that in an offer only.
    if (element->server_window == 0) element->bad = true;
  } else if (absl::EqualsIgnoreCase(reader.name(), kClientWindow)) {
    TakeWindow(reader, &element->has_client_window, &element->client_window, element);
  } else {
    element->bad = true;
  }
}

// Whether `policy` can meet the offer; *params is what comes of it then.
bool Meets(const Element& offer, const DeflatePolicy& policy, DeflateParams* params) {
  if (offer.bad) return false;
  if (policy.client_max_window_bits < kMaxWindowBits && !offer.has_client_window) return false;
  params->server_no_context_takeover = policy.server_no_context_takeover || offer.server_no_context;
  params->client_no_context_takeover = policy.client_no_context_takeover || offer.client_no_context;
  params->server_max_window_bits = policy.server_max_window_bits;
  if (offer.has_server_window) {
    params->server_max_window_bits = std::min(params->server_max_window_bits, offer.server_window);
  }
  params->client_max_window_bits = policy.client_max_window_bits;
  if (offer.client_window != 0) {
    params->client_max_window_bits = std::min(params->client_max_window_bits, offer.client_window);
  }
  return true;
}

// Whether the answer is a legal one to `offer`; *params is what holds then.
bool Answers(const Element& answer, const DeflateOffer& offer, DeflateParams* params) {
  if (offer.server_no_context_takeover && !answer.server_no_context) return false;
  if (offer.server_max_window_bits != 0 &&
      (!answer.has_server_window || answer.server_window > offer.server_max_window_bits)) {
    return false;
  }
  if (answer.has_client_window && offer.client_max_window_bits == 0) return false;
  params->server_no_context_takeover = answer.server_no_context;
  params->server_max_window_bits = answer.has_server_window ? answer.server_window : kMaxWindowBits;
  // What the offer says of our own messages is a hint that the server may ignore, and a promise of
  // ours whatever it answers (sections 7.1.1.2 and 7.1.2.2).
  params->client_no_context_takeover = answer.client_no_context || offer.client_no_context_takeover;
  params->client_max_window_bits = kMaxWindowBits;
  if (offer.client_max_window_bits != 0) {
    params->client_max_window_bits = offer.client_max_window_bits;
  }
  if (answer.has_client_window) {
    params->client_max_window_bits = std::min(params->client_max_window_bits, answer.client_window);
  }
  return true;
}

DeflateJudgement Invalid(const char* what) {
  DeflateJudgement judgement;
  judgement.verdict = DeflateVerdict::kInvalid;
  judgement.what = what;
  return judgement;
}

// Looks at a whole element of an offer: the first that can be met is the choice.
void Consider(const Element& offer, const DeflatePolicy& policy, DeflateJudgement* judgement) {
  if (judgement->verdict == DeflateVerdict::kAgreed) return;
  if (!Meets(offer, policy, &judgement->params)) return;
  judgement->verdict = DeflateVerdict::kAgreed;
  judgement->server_max_window_bits_asked = offer.has_server_window;
}

}  // namespace

std::string WriteDeflateOffer(const DeflateOffer& offer) {
  std::string text(kName);
  if (offer.server_no_context_takeover) absl::StrAppend(&text, "; ", kServerNoContext);
  if (offer.client_no_context_takeover) absl::StrAppend(&text, "; ", kClientNoContext);
  if (offer.server_max_window_bits != 0) {
    absl::StrAppend(&text, "; ", kServerWindow, "=", offer.server_max_window_bits);
  }
  if (offer.client_max_window_bits != 0) absl::StrAppend(&text, "; ", kClientWindow);
  if (offer.client_max_window_bits != 0 && offer.client_max_window_bits < kMaxWindowBits) {
    absl::StrAppend(&text, "=", offer.client_max_window_bits);
  }
  return text;
}

std::string WriteDeflateAnswer(const DeflateJudgement& judgement) {
  const DeflateParams& params = judgement.params;
  std::string text(kName);
  if (params.server_no_context_takeover) absl::StrAppend(&text, "; ", kServerNoContext);
  if (params.client_no_context_takeover) absl::StrAppend(&text, "; ", kClientNoContext);
  if (judgement.server_max_window_bits_asked || params.server_max_window_bits < kMaxWindowBits) {
    absl::StrAppend(&text, "; ", kServerWindow, "=", params.server_max_window_bits);
  }
  if (params.client_max_window_bits < kMaxWindowBits) {
    absl::StrAppend(&text, "; ", kClientWindow, "=", params.client_max_window_bits);
  }
  return text;
}

DeflateJudgement ChooseDeflate(absl::Span<const absl::string_view> values,
                               const DeflatePolicy& policy) {
  DeflateJudgement judgement;
  if (values.empty()) return judgement;
  ExtensionReader reader(values);
  Element offer;
  bool ours = false;  // The element that is being read is an offer of this extension.
  for (;;) {
    const Item item = reader.Next();
    if (item == Item::kMalformed) return Invalid(reader.what());
    if (item == Item::kParam) {
      if (ours) TakeParam(reader, &offer);
      continue;
    }
    if (ours) Consider(offer, policy, &judgement);
    if (item == Item::kEnd) return judgement;
    ours = absl::EqualsIgnoreCase(reader.name(), kName);
    offer = Element();
  }
}

DeflateJudgement JudgeDeflateAnswer(absl::Span<const absl::string_view> values,
                                    absl::Span<const DeflateOffer> offers) {
  DeflateJudgement judgement;
  if (values.empty()) return judgement;
  ExtensionReader reader(values);
  Element answer;
  bool met = false;
  for (Item item = reader.Next(); item != Item::kEnd; item = reader.Next()) {
    if (item == Item::kMalformed) return Invalid(reader.what());
    if (item == Item::kParam) {
      TakeParam(reader, &answer);
      continue;
    }
    if (offers.empty() || !absl::EqualsIgnoreCase(reader.name(), kName)) {
      return Invalid("response has an extension that was not offered");
    }
    if (met) return Invalid("response accepts permessage-deflate twice");
    met = true;
  }
  if (answer.bad || (answer.has_client_window && answer.client_window == 0)) {
    return Invalid("response has a bad parameter of permessage-deflate");
  }
  for (const DeflateOffer& offer : offers) {
    if (!Answers(answer, offer, &judgement.params)) continue;
    judgement.verdict = DeflateVerdict::kAgreed;
    return judgement;
  }
  return Invalid("response does not fit any offer of permessage-deflate");
}

}  // namespace halfpipe::websocket
