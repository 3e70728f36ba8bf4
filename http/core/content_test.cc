#include "http/core/content.h"

#include <cstdint>
#include <set>
#include <string>

#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "gtest/gtest.h"
#include "http/core/header_list.h"
#include "http/core/message.h"

namespace halfpipe::http {
namespace {

struct Row {
  const char* fields;  // One to a line, each with its "\n".
  int version_minor = 1;
  ContentError error = ContentError::kNone;
  ContentKind kind = ContentKind::kNone;
  uint64_t length = 0;
};

const Row kRows[] = {
    {"A: 1\n"},
    {"Content-Length: 0\n"},
    {"Content-Length: 000\n"},
    {"content-length: 5\n", 1, ContentError::kNone, ContentKind::kLength, 5},
    {"Content-Length: 9223372036854775807\n", 1, ContentError::kNone, ContentKind::kLength,
     9223372036854775807u},
    {"Content-Length: 9223372036854775808\n", 1, ContentError::kBadLength},
    {"Content-Length: 18446744073709551616\n", 1, ContentError::kBadLength},
    {"Content-Length: 99999999999999999999999999\n", 1, ContentError::kBadLength},
    {"Content-Length:\n", 1, ContentError::kBadLength},
    {"Content-Length: -1\n", 1, ContentError::kBadLength},
    {"Content-Length: +5\n", 1, ContentError::kBadLength},
    {"Content-Length: 0x5\n", 1, ContentError::kBadLength},
    {"Content-Length: 5 5\n", 1, ContentError::kBadLength},
    {"Content-Length: 5, 5\n", 1, ContentError::kBadLength},
    {"Content-Length: 5;q\n", 1, ContentError::kBadLength},
    {"Content-Length: 5\nContent-Length: 5\n", 1, ContentError::kSeveralLengths},
    {"Content-Length: 5\nContent-Length: 6\n", 1, ContentError::kSeveralLengths},
    {"Transfer-Encoding: chunked\n", 1, ContentError::kNone, ContentKind::kChunked},
    {"transfer-encoding: CHUNKED\n", 1, ContentError::kNone, ContentKind::kChunked},
    {"Transfer-Encoding: chunked\n", 0, ContentError::kCodingInOldVersion},
    {"Transfer-Encoding: chunked\nContent-Length: 5\n", 1, ContentError::kLengthAndCoding},
    {"Content-Length: 0\nTransfer-Encoding: identity\n", 1, ContentError::kLengthAndCoding},
    {"Transfer-Encoding: gzip, chunked\n", 1, ContentError::kUnknownCoding},
    {"Transfer-Encoding: gzip\nTransfer-Encoding: , Chunked,\n", 1, ContentError::kUnknownCoding},
    {"Transfer-Encoding: chunked, chunked\n", 1, ContentError::kBadCodings},
    {"Transfer-Encoding: chunked, gzip, chunked\n", 1, ContentError::kBadCodings},
    {"Transfer-Encoding: chunked, gzip\n", 1, ContentError::kBadCodings},
    {"Transfer-Encoding: ,\n", 1, ContentError::kBadCodings},
    {"Transfer-Encoding: chunked\nTransfer-Encoding: chunked\n", 1, ContentError::kBadCodings},
    {"Transfer-Encoding: xchunked\n", 1, ContentError::kBadCodings},
    {"Transfer-Encoding: chunked;q=1\n", 1, ContentError::kBadCodings},
    {"Transfer-Encoding: identity\n", 1, ContentError::kBadCodings},
    {"Transfer-Encoding:\n", 1, ContentError::kBadCodings},
    {"Transfer-Encoding: \"chunked\"\n", 1, ContentError::kBadCodings},
};

TEST(ContentTest, OfRequestsAndResponses) {
  for (const Row& row : kRows) {
    SCOPED_TRACE(row.fields);
    const std::string section = absl::StrReplaceAll(row.fields, {{"\n", "\r\n"}});
    RequestHead request;
    request.version_minor = row.version_minor;
    request.fields = HeaderList(section);
    ContentFraming framing = {ContentKind::kUntilClose, 77};
    EXPECT_EQ(JudgeRequestContent(request, &framing), row.error);
    const bool fine = row.error == ContentError::kNone;
    EXPECT_EQ(framing.kind, fine ? row.kind : ContentKind::kUntilClose);
    EXPECT_EQ(framing.length, fine ? row.length : 77u);

    ResponseHead response;
    response.version_minor = row.version_minor;
    response.status = 404;
    response.fields = HeaderList(section);
    EXPECT_EQ(JudgeResponseContent(response, &framing), row.error);
    // What no field bounds goes on until the end.
    if (fine && request.fields.Has("A")) {
      EXPECT_EQ(framing.kind, ContentKind::kUntilClose);
    } else if (fine) {
      EXPECT_EQ(framing.kind, row.kind);
    }
    for (const int status : {100, 101, 204, 304}) {
      response.status = status;
      EXPECT_EQ(JudgeResponseContent(response, &framing), ContentError::kNone);
      EXPECT_EQ(framing.kind, ContentKind::kNone);
    }
  }
}

TEST(ContentTest, StatusesAndTexts) {
  std::set<absl::string_view> texts;
  for (int i = 0; i <= static_cast<int>(ContentError::kUnknownCoding); ++i) {
    const ContentError error = static_cast<ContentError>(i);
    texts.insert(ContentErrorText(error));
    EXPECT_EQ(ContentErrorStatus(error), error == ContentError::kNone            ? 0
                                         : error == ContentError::kUnknownCoding ? 501
                                                                                 : 400);
  }
  EXPECT_EQ(texts.size(), 7u);
}

}  // namespace
}  // namespace halfpipe::http
