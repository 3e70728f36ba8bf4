#include "websocket/deflate/deflate_params.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gtest/gtest.h"

namespace halfpipe::websocket {
namespace {

using Values = std::vector<absl::string_view>;

DeflateJudgement Choose(absl::string_view offers, const DeflatePolicy& policy = {}) {
  return ChooseDeflate(Values{offers}, policy);
}

// The answer, or "none" or "invalid".
std::string Answer(absl::string_view offers, const DeflatePolicy& policy = {}) {
  const DeflateJudgement judgement = Choose(offers, policy);
  switch (judgement.verdict) {
    case DeflateVerdict::kNone:
      return "none";
    case DeflateVerdict::kInvalid:
      return "invalid";
    case DeflateVerdict::kAgreed:
      return WriteDeflateAnswer(judgement);
  }
  return "";
}

DeflateJudgement Judge(absl::string_view answer, const std::vector<DeflateOffer>& offers) {
  return JudgeDeflateAnswer(Values{answer}, offers);
}

TEST(ChooseDeflateTest, TheRfcsExamples) {
  // RFC 7692 section 7.1.3 and before.
  EXPECT_EQ(Answer("permessage-deflate"), "permessage-deflate");
  EXPECT_EQ(Answer("permessage-deflate; client_max_window_bits; server_max_window_bits=10"),
            "permessage-deflate; server_max_window_bits=10");
  EXPECT_EQ(Answer("permessage-deflate; client_max_window_bits; server_max_window_bits=10, "
                   "permessage-deflate; client_max_window_bits"),
            "permessage-deflate; server_max_window_bits=10");
  EXPECT_EQ(Answer("permessage-deflate; server_no_context_takeover"),
            "permessage-deflate; server_no_context_takeover");
}

TEST(ChooseDeflateTest, NothingIsNoOffer) {
  EXPECT_EQ(ChooseDeflate({}, DeflatePolicy()).verdict, DeflateVerdict::kNone);
  EXPECT_EQ(Answer("x-webkit-deflate-frame, foo; bar=1"), "none");
}

TEST(ChooseDeflateTest, ParametersAsTheyStand) {
  const DeflateJudgement all = Choose(
      "permessage-deflate; server_no_context_takeover; client_no_context_takeover; "
      "server_max_window_bits=\"9\"; client_max_window_bits=12");
  EXPECT_EQ(all.verdict, DeflateVerdict::kAgreed);
  EXPECT_EQ(all.params, (DeflateParams{true, true, 9, 12}));
  EXPECT_EQ(WriteDeflateAnswer(all),
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover; "
            "server_max_window_bits=9; client_max_window_bits=12");
  EXPECT_EQ(Answer("Permessage-Deflate; Server_No_Context_Takeover"),
            "permessage-deflate; server_no_context_takeover");
}

TEST(ChooseDeflateTest, EveryWindow) {
  for (int bits = 8; bits <= 15; ++bits) {
    // A limit that was asked for is always named, 15 too.
    EXPECT_EQ(Answer(absl::StrCat("permessage-deflate; server_max_window_bits=", bits)),
              absl::StrCat("permessage-deflate; server_max_window_bits=", bits));
    const DeflateJudgement hint =
        Choose(absl::StrCat("permessage-deflate; client_max_window_bits=", bits));
    EXPECT_EQ(hint.params.client_max_window_bits, bits);
  }
  for (const char* bad : {"7", "16", "08", "010", "+9", "0", "1", "18", "100", "ten", "9.0"}) {
    EXPECT_EQ(Answer(absl::StrCat("permessage-deflate; server_max_window_bits=", bad)), "none");
    EXPECT_EQ(Answer(absl::StrCat("permessage-deflate; client_max_window_bits=", bad)), "none");
  }
}

TEST(ChooseDeflateTest, DeclinesEachBadOfferAlone) {
  for (const char* bad :
       {"server_max_window_bits", "server_no_context_takeover=1", "client_no_context_takeover=true",
        "server_no_context_takeover; server_no_context_takeover",
        "client_no_context_takeover; client_no_context_takeover",
        "server_max_window_bits=10; server_max_window_bits=10",
        "client_max_window_bits; client_max_window_bits",
        "client_max_window_bits=9; client_max_window_bits", "unknown", "unknown=1",
        "client_max_window_bits; server-max-window-bits=10"}) {
    const std::string offer = absl::StrCat("permessage-deflate; ", bad);
    EXPECT_EQ(Answer(offer), "none") << bad;
    EXPECT_EQ(Answer(absl::StrCat(offer, ", other, permessage-deflate; server_max_window_bits=11")),
              "permessage-deflate; server_max_window_bits=11")
        << bad;
    EXPECT_EQ(ChooseDeflate(Values{offer, "permessage-deflate"}, {}).verdict,
              DeflateVerdict::kAgreed);
  }
}

TEST(ChooseDeflateTest, AMalformedListIsNotDeclinedButRefused) {
  for (const char* bad :
       {"", "permessage-deflate;", "permessage-deflate; a=", "permessage-deflate b",
        "permessage-deflate, ;", "other; \"x\", permessage-deflate"}) {
    const DeflateJudgement judgement = Choose(bad);
    EXPECT_EQ(judgement.verdict, DeflateVerdict::kInvalid) << bad;
    EXPECT_STRNE(judgement.what, "");
  }
  // Also behind an offer that could be met.
  EXPECT_EQ(Answer("permessage-deflate, ;"), "invalid");
}

TEST(ChooseDeflateTest, ThePolicyLimits) {
  DeflatePolicy policy;
  policy.server_no_context_takeover = true;
  policy.server_max_window_bits = 12;
  EXPECT_EQ(Answer("permessage-deflate", policy),
            "permessage-deflate; server_no_context_takeover; server_max_window_bits=12");
  EXPECT_EQ(Answer("permessage-deflate; server_max_window_bits=14", policy),
            "permessage-deflate; server_no_context_takeover; server_max_window_bits=12");
  EXPECT_EQ(Answer("permessage-deflate; server_max_window_bits=9", policy),
            "permessage-deflate; server_no_context_takeover; server_max_window_bits=9");

  policy = DeflatePolicy();
  policy.client_no_context_takeover = true;
  policy.client_max_window_bits = 10;
  // The client's window may only be limited where it has said so (7.1.2.2).
  EXPECT_EQ(Answer("permessage-deflate", policy), "none");
  EXPECT_EQ(Answer("permessage-deflate; client_max_window_bits", policy),
            "permessage-deflate; client_no_context_takeover; client_max_window_bits=10");
  EXPECT_EQ(Answer("permessage-deflate; client_max_window_bits=9", policy),
            "permessage-deflate; client_no_context_takeover; client_max_window_bits=9");
  EXPECT_EQ(Answer("permessage-deflate; client_max_window_bits=11", policy),
            "permessage-deflate; client_no_context_takeover; client_max_window_bits=10");
  EXPECT_EQ(Answer("permessage-deflate; server_max_window_bits=9, permessage-deflate; "
                   "client_max_window_bits",
                   policy),
            "permessage-deflate; client_no_context_takeover; client_max_window_bits=10");
}

TEST(WriteDeflateOfferTest, Offers) {
  EXPECT_EQ(WriteDeflateOffer({}), "permessage-deflate; client_max_window_bits");
  EXPECT_EQ(WriteDeflateOffer({.client_max_window_bits = 0}), "permessage-deflate");
  const std::string longest = WriteDeflateOffer({true, true, 15, 14});
  EXPECT_EQ(longest,
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover; "
            "server_max_window_bits=15; client_max_window_bits=14");
  EXPECT_LE(longest.size(), kMaxDeflateElementSize);
}

TEST(JudgeDeflateAnswerTest, NoFieldIsNoCompression) {
  EXPECT_EQ(JudgeDeflateAnswer({}, std::vector<DeflateOffer>(1)).verdict, DeflateVerdict::kNone);
}

TEST(JudgeDeflateAnswerTest, AnswersToAPlainOffer) {
  const std::vector<DeflateOffer> offers(1);
  const auto params = [&](absl::string_view answer) {
    const DeflateJudgement judgement = Judge(answer, offers);
    EXPECT_EQ(judgement.verdict, DeflateVerdict::kAgreed) << answer;
    return judgement.params;
  };
  EXPECT_EQ(params("permessage-deflate"), DeflateParams());
  // A server may do without context, and limit its own window, unasked (7.1.1.1, 7.1.2.1).
  EXPECT_EQ(params("permessage-deflate; server_no_context_takeover"),
            (DeflateParams{.server_no_context_takeover = true}));
  EXPECT_EQ(params("permessage-deflate; client_no_context_takeover"),
            (DeflateParams{.client_no_context_takeover = true}));
  for (uint8_t bits = 8; bits <= 15; ++bits) {
    EXPECT_EQ(params(absl::StrCat("permessage-deflate; server_max_window_bits=", bits)),
              (DeflateParams{.server_max_window_bits = bits}));
    EXPECT_EQ(params(absl::StrCat("permessage-deflate; client_max_window_bits=", bits)),
              (DeflateParams{.client_max_window_bits = bits}));
  }
}

TEST(JudgeDeflateAnswerTest, RefusesWhatWasNotOffered) {
  const std::vector<DeflateOffer> offers = {{.server_no_context_takeover = true,
                                             .server_max_window_bits = 10,
                                             .client_max_window_bits = 0}};
  const std::string good =
      "permessage-deflate; server_no_context_takeover; server_max_window_bits=10";
  EXPECT_EQ(Judge(good, offers).verdict, DeflateVerdict::kAgreed);
  EXPECT_EQ(
      Judge("permessage-deflate; server_no_context_takeover; server_max_window_bits=8", offers)
          .verdict,
      DeflateVerdict::kAgreed);
  for (const std::string& bad :
       {std::string("permessage-deflate"), good + "; client_max_window_bits=10",
        std::string("permessage-deflate; server_no_context_takeover"),
        std::string("permessage-deflate; server_max_window_bits=10"),
        std::string("permessage-deflate; server_no_context_takeover; server_max_window_bits=11"),
        good + "; unknown", good + "; server_no_context_takeover", good + ", " + good,
        good + ", other", "other, " + good, std::string("other"), std::string(""), std::string(";"),
        good + ";", good + "; client_no_context_takeover=1"}) {
    const DeflateJudgement judgement = Judge(bad, offers);
    EXPECT_EQ(judgement.verdict, DeflateVerdict::kInvalid) << bad;
    EXPECT_STRNE(judgement.what, "");
  }
  EXPECT_EQ(Judge("permessage-deflate", {}).verdict, DeflateVerdict::kInvalid);
}

TEST(JudgeDeflateAnswerTest, RefusesMalformedParameters) {
  const std::vector<DeflateOffer> offers(1);
  // An answer's limits have values, also the client's (7.1.2.2).
  for (const char* bad :
       {"client_max_window_bits", "server_max_window_bits", "client_max_window_bits=7",
        "client_max_window_bits=16", "server_max_window_bits=08", "server_no_context_takeover=x",
        "client_max_window_bits=9; client_max_window_bits=9",
        "client_no_context_takeover; client_no_context_takeover"}) {
    EXPECT_EQ(Judge(absl::StrCat("permessage-deflate; ", bad), offers).verdict,
              DeflateVerdict::kInvalid)
        << bad;
  }
}

// Section 7.1.2.2: what a client says of its own window is a hint, which a server may ignore; the
// client keeps to it whatever the answer is.
TEST(JudgeDeflateAnswerTest, AClientKeepsToTheWindowItHasNamed) {
  for (uint8_t hint = 8; hint <= 15; ++hint) {
    const std::vector<DeflateOffer> offers = {{.client_max_window_bits = hint}};
    EXPECT_EQ(Judge("permessage-deflate", offers).params.client_max_window_bits, hint);
    for (uint8_t limit = 8; limit <= 15; ++limit) {
      const DeflateJudgement judgement =
          Judge(absl::StrCat("permessage-deflate; client_max_window_bits=", limit), offers);
      ASSERT_EQ(judgement.verdict, DeflateVerdict::kAgreed) << judgement.what;
      EXPECT_EQ(judgement.params.client_max_window_bits, std::min(hint, limit));
    }
  }
}

// Section 7.1.1.2: the same of doing without context takeover.
TEST(JudgeDeflateAnswerTest, AClientDoesWithoutContextAsItHasSaid) {
  for (const bool hint : {false, true}) {
    const std::vector<DeflateOffer> offers = {{.client_no_context_takeover = hint}};
    EXPECT_EQ(Judge("permessage-deflate", offers).params.client_no_context_takeover, hint);
    EXPECT_TRUE(Judge("permessage-deflate; client_no_context_takeover", offers)
                    .params.client_no_context_takeover);
  }
}

TEST(JudgeDeflateAnswerTest, Fallbacks) {
  const std::vector<DeflateOffer> offers = {{.server_max_window_bits = 10}, {}};
  EXPECT_EQ(
      Judge("permessage-deflate; server_max_window_bits=9", offers).params.server_max_window_bits,
      9);
  EXPECT_EQ(Judge("permessage-deflate", offers).params.server_max_window_bits, 15);
}

// Whatever a server of ours chooses, a client of ours takes, and both mean the same.
TEST(NegotiationTest, BothSidesAgreeOnEveryCombination) {
  for (int bits = 0; bits < 16; ++bits) {
    for (const uint8_t window : {0, 8, 9, 14, 15}) {
      for (const uint8_t limit : {8, 9, 14, 15}) {
        const DeflateOffer offer = {(bits & 1) != 0, (bits & 2) != 0, window, window};
        const DeflatePolicy policy = {(bits & 4) != 0, (bits & 8) != 0, limit, limit};
        const DeflateJudgement chosen = Choose(WriteDeflateOffer(offer), policy);
        if (window == 0 && limit < 15) {
          EXPECT_EQ(chosen.verdict, DeflateVerdict::kNone);
          continue;
        }
        ASSERT_EQ(chosen.verdict, DeflateVerdict::kAgreed);
        const std::string answer = WriteDeflateAnswer(chosen);
        EXPECT_LE(answer.size(), kMaxDeflateElementSize);
        const DeflateJudgement taken = Judge(answer, {offer});
        ASSERT_EQ(taken.verdict, DeflateVerdict::kAgreed) << answer;
        EXPECT_EQ(taken.params, chosen.params) << answer;
      }
    }
  }
}

}  // namespace
}  // namespace halfpipe::websocket
