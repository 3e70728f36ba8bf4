#include "http/core/response.h"

#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "gtest/gtest.h"
#include "http/core/head_parser.h"
#include "http/core/header_list.h"
#include "http/core/message.h"

namespace halfpipe::http {
namespace {

// The head, or the error's text.
std::string Write(const Response& response, Persistence persistence = Persistence::kClose,
                  absl::string_view date = {}) {
  char buffer[1024];
  absl::string_view head;
  const ResponseError error =
      WriteResponseHead(response, persistence, absl::MakeSpan(buffer), &head, date);
  return std::string(error == ResponseError::kNone ? head : ResponseErrorText(error));
}

ResponseError ErrorOf(const Response& response) {
  char buffer[1024];
  absl::string_view head = "untouched";
  const ResponseError error =
      WriteResponseHead(response, Persistence::kClose, absl::MakeSpan(buffer), &head);
  if (error != ResponseError::kNone) {
    EXPECT_EQ(head, "untouched");
  }
  return error;
}

TEST(ResponseTest, HeadHasTheLengthOfTheContent) {
  EXPECT_EQ(Write({.status = 200, .fields = {{"A", "1"}, {"B", "2"}}, .body = "hello"}),
            "HTTP/1.1 200 OK\r\nA: 1\r\nB: 2\r\nConnection: close\r\nContent-Length: 5\r\n\r\n");
  EXPECT_EQ(Write({.status = 404}),
            "HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(Write(TextResponse(503, "busy\n")),
            "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\n"
            "Connection: close\r\nContent-Length: 5\r\n\r\n");
}

TEST(ResponseTest, ConnectionSaysWhatBecomesOfIt) {
  const Response ok = {.status = 200};
  EXPECT_EQ(Write(ok, Persistence::kImplied), "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(Write(ok, Persistence::kKeepAlive),
            "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n");
  const Response upgrade = {.status = 426};
  for (const auto& [persistence, connection] :
       {std::pair(Persistence::kImplied, "Upgrade"),
        std::pair(Persistence::kClose, "Upgrade, close"),
        std::pair(Persistence::kKeepAlive, "Upgrade, keep-alive")}) {
    EXPECT_EQ(Write(upgrade, persistence),
              absl::StrCat("HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nConnection: ",
                           connection, "\r\nContent-Length: 0\r\n\r\n"));
  }
}

// RFC 9112 section 9.3.
TEST(ResponseTest, PersistenceIsTheClientsToAskFor) {
  for (const auto& [version, connection, persistence] :
       {std::tuple("1.1", "", Persistence::kImplied),
        std::tuple("1.1", "Connection: keep-alive\r\n", Persistence::kImplied),
        std::tuple("1.1", "Connection: close\r\n", Persistence::kClose),
        std::tuple("1.1", "Connection: x, CLOSE\r\n", Persistence::kClose),
        std::tuple("1.0", "", Persistence::kClose),
        std::tuple("1.0", "Connection: Keep-Alive\r\n", Persistence::kKeepAlive),
        std::tuple("1.0", "Connection: keep-alive, close\r\n", Persistence::kClose)}) {
    const std::string text =
        absl::StrCat("GET / HTTP/", version, "\r\nHost: a\r\n", connection, "\r\n");
    RequestHead head;
    ASSERT_EQ(RequestHeadParser().Parse(text, &head).status, ParseStatus::kDone) << text;
    EXPECT_EQ(PersistenceOf(head), persistence) << text;
  }
}

// RFC 9110 section 8.6: neither Content-Length nor content.
TEST(ResponseTest, StatusesWithoutContent) {
  for (const int status : {204, 304}) {
    EXPECT_FALSE(StatusHasContent(status));
    EXPECT_FALSE(absl::StrContains(Write({.status = status}), "Content-Length")) << status;
    EXPECT_EQ(ErrorOf({.status = status, .body = "x"}), ResponseError::kHasContent);
  }
  for (const int status : {200, 201, 205, 206, 300, 301, 303, 305, 400, 599}) {
    EXPECT_TRUE(StatusHasContent(status));
    EXPECT_TRUE(absl::StrContains(Write({.status = status}), "Content-Length: 0")) << status;
  }
  for (const int status : {100, 101, 103, 199}) EXPECT_FALSE(StatusHasContent(status));
  // Section 15.3.6: none is generated, and that is said.
  EXPECT_EQ(ErrorOf({.status = 205, .body = "x"}), ResponseError::kHasContent);
}

// RFC 9110 sections 15.5.2, 15.5.6 and 15.5.8.
TEST(ResponseTest, StatusesThatMustHaveAField) {
  for (const auto& [status, name] : {std::pair(401, "www-authenticate"), std::pair(405, "Allow"),
                                     std::pair(407, "Proxy-Authenticate")}) {
    EXPECT_EQ(ErrorOf({.status = status}), ResponseError::kMissingField);
    EXPECT_EQ(ErrorOf({.status = status, .fields = {{"X", "y"}}}), ResponseError::kMissingField);
    // Allow may be empty: no method is allowed then.
    EXPECT_EQ(ErrorOf({.status = status, .fields = {{"X", "y"}, {name, ""}}}),
              ResponseError::kNone);
    EXPECT_EQ(ErrorOf({.status = status + 1}), ResponseError::kNone);
  }
}

// RFC 9110 section 6.6.1.
TEST(ResponseTest, DateIsOurs) {
  const absl::string_view now = "Sun, 06 Nov 1994 08:49:37 GMT";
  EXPECT_EQ(Write({.status = 204, .fields = {{"A", "1"}}}, Persistence::kImplied, now),
            absl::StrCat("HTTP/1.1 204 No Content\r\nDate: ", now, "\r\nA: 1\r\n\r\n"));
  EXPECT_EQ(Write({.status = 204, .fields = {{"date", "my own"}}}, Persistence::kImplied, now),
            "HTTP/1.1 204 No Content\r\ndate: my own\r\n\r\n");
  EXPECT_EQ(Write({.status = 204}, Persistence::kImplied, "x\r\nEvil: 1"),
            ResponseErrorText(ResponseError::kBadField));
}

TEST(ResponseTest, StatusesOfResponses) {
  for (const int status : {-1, 0, 99, 100, 101, 199, 600, 1000}) {
    EXPECT_EQ(ErrorOf({.status = status}), ResponseError::kBadStatus) << status;
  }
  for (int status = 200; status < 600; ++status) {
    const std::string head =
        Write({.status = status,
               .fields = {{"Allow", ""}, {"WWW-Authenticate", "x"}, {"Proxy-Authenticate", "x"}}});
    ResponseHead parsed;
    ResponseHeadParser parser;
    ASSERT_EQ(parser.Parse(head, &parsed).status, ParseStatus::kDone) << head;
    EXPECT_EQ(parsed.status, status);
    EXPECT_EQ(parsed.reason, ReasonPhrase(status));
  }
}

TEST(ResponseTest, NothingIsInjected) {
  for (int byte = 0; byte < 256; ++byte) {
    SCOPED_TRACE(byte);
    const std::string part = {'a', static_cast<char>(byte), 'b'};
    const bool control = (byte < 0x20 && byte != '\t') || byte == 0x7f;
    EXPECT_EQ(ErrorOf({.status = 200, .fields = {{"A", part}}}) == ResponseError::kBadField,
              control);
    const bool token = absl::string_view("!#$%&'*+-.^_`|~").find(static_cast<char>(byte)) !=
                           absl::string_view::npos ||
                       (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') ||
                       (byte >= 'A' && byte <= 'Z');
    EXPECT_EQ(ErrorOf({.status = 200, .fields = {{part, "1"}}}) == ResponseError::kBadField,
              !token || byte == 0);
  }
  EXPECT_EQ(ErrorOf({.status = 200, .fields = {{"", "1"}}}), ResponseError::kBadField);
  EXPECT_EQ(ErrorOf({.status = 200, .fields = {{"A", "1\r\nSet-Cookie: evil=1"}}}),
            ResponseError::kBadField);
}

TEST(ResponseTest, FieldsOfTheConnectionAreTheWriters) {
  for (const char* name :
       {"Connection", "keep-alive", "CONTENT-LENGTH", "transfer-encoding", "Trailer", "Upgrade"}) {
    EXPECT_EQ(ErrorOf({.status = 200, .fields = {{name, "1"}}}), ResponseError::kOwnField) << name;
  }
}

TEST(ResponseTest, SpaceAtMinusOneZeroPlusOne) {
  const Response response = {.status = 200, .fields = {{"A", "1"}}, .body = "12345"};
  const size_t size = Write(response).size();
  for (const int more : {-1, 0, 1}) {
    std::string buffer(size + static_cast<size_t>(more + 1) - 1, '\0');
    absl::string_view head;
    EXPECT_EQ(WriteResponseHead(response, Persistence::kClose, absl::MakeSpan(buffer), &head),
              more < 0 ? ResponseError::kNoSpace : ResponseError::kNone);
    EXPECT_EQ(head.size(), more < 0 ? 0u : size);
  }
}

TEST(ResponseTest, FieldsAreFoundByName) {
  const std::vector<OwnedField> fields = {{"A", "1"}, {"b", ""}};
  EXPECT_TRUE(HasField(fields, "a"));
  EXPECT_TRUE(HasField(fields, "B"));
  EXPECT_FALSE(HasField(fields, "c"));
  EXPECT_FALSE(HasField({}, "a"));
}

TEST(ResponseTest, OwnedFieldsAreCopies) {
  std::string text = "A: 1\r\nb:\r\nA: 3\r\n";
  const std::vector<OwnedField> fields = OwnedFields(HeaderList(text));
  text.assign(text.size(), 'x');
  EXPECT_EQ(fields, (std::vector<OwnedField>{{"A", "1"}, {"b", ""}, {"A", "3"}}));
  EXPECT_EQ(FindOnly(fields, "a"), nullptr);
  EXPECT_EQ(FindOnly(fields, "c"), nullptr);
  ASSERT_NE(FindOnly(fields, "B"), nullptr);
  EXPECT_EQ(*FindOnly(fields, "B"), "");
}

TEST(ResponseTest, ErrorTextsDiffer) {
  std::string all;
  for (int i = 0; i <= static_cast<int>(ResponseError::kNoSpace); ++i) {
    const absl::string_view text = ResponseErrorText(static_cast<ResponseError>(i));
    EXPECT_FALSE(absl::StrContains(all, text));
    absl::StrAppend(&all, text, "\n");
  }
}

}  // namespace
}  // namespace halfpipe::http
