#include "http/core/head_serializer.h"

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "gtest/gtest.h"
#include "http/core/head_error.h"
#include "http/core/head_parser.h"
#include "http/core/message.h"

namespace halfpipe::http {
namespace {

WriteStatus WriteAll(HeadSerializer* head) {
  head->WriteRequestLine("GET", "/chat?a=1");
  head->WriteField("Host", "example.org");
  head->WriteField("Empty", "");
  head->WriteField("Padded", " \ta b\t ");
  return head->WriteEnd();
}

constexpr absl::string_view kWritten =
    "GET /chat?a=1 HTTP/1.1\r\nHost: example.org\r\nEmpty:\r\nPadded: a b\r\n\r\n";

TEST(HeadSerializerTest, WritesARequest) {
  char buffer[200];
  HeadSerializer head(absl::MakeSpan(buffer));
  EXPECT_EQ(WriteAll(&head), WriteStatus::kOk);
  EXPECT_EQ(head.written(), kWritten);
  EXPECT_EQ(head.size_needed(), kWritten.size());
}

TEST(HeadSerializerTest, WritesStatusLines) {
  const struct {
    int status;
    absl::string_view reason;
    absl::string_view line;
  } kRows[] = {
      {101, "Switching Protocols", "HTTP/1.1 101 Switching Protocols\r\n"},
      // The space stays when there is no reason (RFC 9112 section 4).
      {599, "", "HTTP/1.1 599 \r\n"},
      {100, "a\tb\xc3\xa9", "HTTP/1.1 100 a\tb\xc3\xa9\r\n"},
  };
  for (const auto& row : kRows) {
    char buffer[64];
    HeadSerializer head(absl::MakeSpan(buffer));
    EXPECT_EQ(head.WriteStatusLine(row.status, row.reason), WriteStatus::kOk);
    EXPECT_EQ(head.written(), row.line);
  }
}

// For every size of buffer: whole lines only, nothing behind the span, and the size it would take.
TEST(HeadSerializerTest, EverySizeOfBuffer) {
  for (size_t size = 0; size <= kWritten.size() + 1; ++size) {
    std::vector<char> buffer(size);  // Exact, so that asan sees a byte too many.
    HeadSerializer head(absl::MakeSpan(buffer));
    const WriteStatus status = WriteAll(&head);
    EXPECT_EQ(status, size < kWritten.size() ? WriteStatus::kNoSpace : WriteStatus::kOk) << size;
    EXPECT_EQ(head.status(), status);
    EXPECT_EQ(head.size_needed(), kWritten.size());
    const absl::string_view written = head.written();
    EXPECT_EQ(written, kWritten.substr(0, written.size()));
    EXPECT_TRUE(written.empty() || written.back() == '\n') << size;
  }
}

// CR, LF and NUL reach the wire in no part of any line (RFC 9110 section 5.5). Fails where any of
// the Write functions leaves out its call of an IsValid function.
TEST(HeadSerializerTest, RefusesInjectionEverywhere) {
  for (const char bad : {'\r', '\n', '\0', '\x7f', '\x1b'}) {
    for (const std::string& text :
         {std::string(1, bad), "a" + std::string(1, bad), std::string(1, bad) + "a",
          "a" + std::string(1, bad) + "b", std::string("a\r\nX: y") + bad}) {
      for (int part = 0; part < 5; ++part) {
        char buffer[200];
        HeadSerializer head(absl::MakeSpan(buffer));
        WriteStatus status = WriteStatus::kOk;
        if (part == 0) status = head.WriteRequestLine(text, "/");
        if (part == 1) status = head.WriteRequestLine("GET", text);
        if (part == 2) status = head.WriteStatusLine(200, text);
        if (part == 3) status = head.WriteField(text, "v");
        if (part == 4) status = head.WriteField("N", text);
        EXPECT_EQ(status, WriteStatus::kInvalid) << part << " " << int{bad};
        EXPECT_EQ(head.written(), "");
        EXPECT_EQ(head.size_needed(), 0u);
      }
    }
  }
}

TEST(HeadSerializerTest, RefusesWhatTheGrammarRefuses) {
  char buffer[100];
  const auto fresh = [&] { return HeadSerializer(absl::MakeSpan(buffer)); };
  EXPECT_EQ(fresh().WriteRequestLine("", "/"), WriteStatus::kInvalid);
  EXPECT_EQ(fresh().WriteRequestLine("G T", "/"), WriteStatus::kInvalid);
  EXPECT_EQ(fresh().WriteRequestLine("GET", ""), WriteStatus::kInvalid);
  EXPECT_EQ(fresh().WriteRequestLine("GET", "/ HTTP/1.1"), WriteStatus::kInvalid);
  EXPECT_EQ(fresh().WriteRequestLine("GET", "/#f"), WriteStatus::kInvalid);
  EXPECT_EQ(fresh().WriteField("", "v"), WriteStatus::kInvalid);
  EXPECT_EQ(fresh().WriteField("a b", "v"), WriteStatus::kInvalid);
  EXPECT_EQ(fresh().WriteField("a:", "v"), WriteStatus::kInvalid);
  EXPECT_EQ(fresh().WriteStatusLine(99, ""), WriteStatus::kInvalid);
  EXPECT_EQ(fresh().WriteStatusLine(600, ""), WriteStatus::kInvalid);
  EXPECT_EQ(fresh().WriteStatusLine(-200, ""), WriteStatus::kInvalid);
}

TEST(HeadSerializerTest, FailureIsFinal) {
  char buffer[20];
  HeadSerializer head(absl::MakeSpan(buffer));
  EXPECT_EQ(head.WriteField("A", "1"), WriteStatus::kOk);
  EXPECT_EQ(head.WriteField("A", "0123456789abcdef"), WriteStatus::kNoSpace);
  EXPECT_EQ(head.WriteField("B", "2"), WriteStatus::kNoSpace) << "it would fit, with a hole before";
  EXPECT_EQ(head.written(), "A: 1\r\n");
  EXPECT_EQ(head.WriteField("B", "\n"), WriteStatus::kInvalid);
  EXPECT_EQ(head.WriteEnd(), WriteStatus::kInvalid);
  EXPECT_EQ(head.written(), "A: 1\r\n");
}

// Whatever single byte is offered in a part is either refused or read back as just that part.
TEST(HeadSerializerTest, EveryByteIsRefusedOrComesBack) {
  for (int i = 0; i < 256; ++i) {
    const std::string text = {'a', static_cast<char>(i), 'b'};
    char buffer[100];
    HeadSerializer head(absl::MakeSpan(buffer));
    head.WriteRequestLine("GET", "/");
    head.WriteField("N", text);
    if (head.WriteEnd() == WriteStatus::kInvalid) continue;
    RequestHead parsed;
    const ParseResult result = RequestHeadParser().Parse(head.written(), &parsed);
    ASSERT_EQ(result.status, ParseStatus::kDone) << i << " " << HeadErrorText(result.error);
    EXPECT_EQ(result.consumed, head.written().size());
    EXPECT_EQ(parsed.fields.Find("N"), absl::string_view(text)) << i;
  }
}

}  // namespace
}  // namespace halfpipe::http
