#include "bytestream/base/errno_status.h"

#include <cerrno>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

struct Case {
  int error;
  absl::StatusCode code;
  const char* name;
};

// The table of the style guide, and what the system adds.
constexpr Case kCases[] = {
    {EINVAL, absl::StatusCode::kInvalidArgument, "EINVAL"},
    {EBADF, absl::StatusCode::kFailedPrecondition, "EBADF"},
    {EBUSY, absl::StatusCode::kFailedPrecondition, "EBUSY"},
    {EPIPE, absl::StatusCode::kFailedPrecondition, "EPIPE"},
    {EDEADLK, absl::StatusCode::kFailedPrecondition, "EDEADLK"},
    {EAGAIN, absl::StatusCode::kFailedPrecondition, "EAGAIN"},
    {EADDRINUSE, absl::StatusCode::kAlreadyExists, "EADDRINUSE"},
    {EEXIST, absl::StatusCode::kAlreadyExists, "EEXIST"},
    {EADDRNOTAVAIL, absl::StatusCode::kNotFound, "EADDRNOTAVAIL"},
    {ENOENT, absl::StatusCode::kNotFound, "ENOENT"},
    {ENOTSUP, absl::StatusCode::kUnimplemented, "ENOTSUP"},
    {EAFNOSUPPORT, absl::StatusCode::kUnimplemented, "EAFNOSUPPORT"},
    {ETIMEDOUT, absl::StatusCode::kDeadlineExceeded, "ETIMEDOUT"},
    {ECANCELED, absl::StatusCode::kCancelled, "ECANCELED"},
    {ECONNRESET, absl::StatusCode::kUnavailable, "ECONNRESET"},
    {ECONNREFUSED, absl::StatusCode::kUnavailable, "ECONNREFUSED"},
    {ECONNABORTED, absl::StatusCode::kUnavailable, "ECONNABORTED"},
    {EHOSTUNREACH, absl::StatusCode::kUnavailable, "EHOSTUNREACH"},
    {ENETUNREACH, absl::StatusCode::kUnavailable, "ENETUNREACH"},
    {ENETDOWN, absl::StatusCode::kUnavailable, "ENETDOWN"},
    {EPROTO, absl::StatusCode::kInternal, "EPROTO"},
    {EMSGSIZE, absl::StatusCode::kResourceExhausted, "EMSGSIZE"},
    {ENOMEM, absl::StatusCode::kResourceExhausted, "ENOMEM"},
    {ENOBUFS, absl::StatusCode::kResourceExhausted, "ENOBUFS"},
    {EMFILE, absl::StatusCode::kResourceExhausted, "EMFILE"},
    {ENFILE, absl::StatusCode::kResourceExhausted, "ENFILE"},
    {ETOOMANYREFS, absl::StatusCode::kResourceExhausted, "ETOOMANYREFS"},
    {EACCES, absl::StatusCode::kPermissionDenied, "EACCES"},
    {EPERM, absl::StatusCode::kPermissionDenied, "EPERM"},
};

TEST(ErrnoStatusTest, EachErrnoHasItsCodeItsNameAndComesBack) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    const absl::Status status = ErrnoStatus(c.error, "who, what, limit");
    EXPECT_EQ(status.code(), c.code);
    EXPECT_EQ(status.message(), "who, what, limit");
    EXPECT_EQ(StatusErrno(status), c.error);
    EXPECT_EQ(ErrnoName(c.error), c.name);
  }
}

// Whoever prints a status sees its errno, by name where it has one.
TEST(ErrnoStatusTest, IsPrinted) {
  EXPECT_NE(ErrnoStatus(ECONNRESET, "x").ToString().find("errno='ECONNRESET'"), std::string::npos);
  EXPECT_NE(ErrnoStatus(EXDEV, "x").ToString().find("errno='18'"), std::string::npos);
  EXPECT_EQ(StatusErrno(ErrnoStatus(-3, "no errno")), -3);
}

TEST(ErrnoStatusTest, Shortages) {
  for (const int error : {EMFILE, ENFILE, ENOMEM, ENOBUFS, ENOSPC}) {
    EXPECT_TRUE(IsShortage(error)) << ErrnoName(error);
  }
  for (const int error : {0, ETIMEDOUT, ECANCELED, EAGAIN, ECONNRESET, EMSGSIZE, EBADF}) {
    EXPECT_FALSE(IsShortage(error)) << ErrnoName(error);
  }
}

TEST(ErrnoStatusTest, Interruptions) {
  for (const int error : {ETIMEDOUT, ECANCELED, EMFILE, ENFILE, ENOMEM, ENOBUFS, ENOSPC}) {
    EXPECT_TRUE(IsInterruption(ErrnoStatus(error, "x"))) << ErrnoName(error);
  }
  for (const int error : {0, EAGAIN, ECONNRESET, EMSGSIZE, EBADF, EPIPE, EBUSY, EINVAL, EPROTO}) {
    EXPECT_FALSE(IsInterruption(ErrnoStatus(error, "x"))) << ErrnoName(error);
  }
}

TEST(ErrnoStatusTest, ZeroIsOk) {
  EXPECT_TRUE(ErrnoStatus(0, "ignored").ok());
  EXPECT_EQ(StatusErrno(absl::OkStatus()), 0);
}

TEST(ErrnoStatusTest, ErrnoWithoutARowComesBackToo) {
  const absl::Status status = ErrnoStatus(EXDEV, "odd");
  EXPECT_EQ(status.code(), absl::StatusCode::kUnknown);
  EXPECT_EQ(StatusErrno(status), EXDEV);
  EXPECT_EQ(ErrnoName(EXDEV), "errno");
}

TEST(ErrnoStatusTest, StatusWithoutPayloadHasTheFirstErrnoOfItsCode) {
  EXPECT_EQ(StatusErrno(absl::InvalidArgumentError("x")), EINVAL);
  EXPECT_EQ(StatusErrno(absl::FailedPreconditionError("x")), EPIPE);
  EXPECT_EQ(StatusErrno(absl::DeadlineExceededError("x")), ETIMEDOUT);
  EXPECT_EQ(StatusErrno(absl::CancelledError("x")), ECANCELED);
  EXPECT_EQ(StatusErrno(absl::UnavailableError("x")), ECONNRESET);
  EXPECT_EQ(StatusErrno(absl::InternalError("x")), EPROTO);
  EXPECT_EQ(StatusErrno(absl::ResourceExhaustedError("x")), EMSGSIZE);
  EXPECT_EQ(StatusErrno(absl::PermissionDeniedError("x")), EACCES);
  EXPECT_EQ(StatusErrno(absl::UnimplementedError("x")), ENOTSUP);
  EXPECT_EQ(StatusErrno(absl::DataLossError("x")), EIO);
}

TEST(ErrnoStatusTest, ForeignPayloadsDoNotMatter) {
  absl::Status status = ErrnoStatus(EBADF, "x");
  status.SetPayload("somebody/else", absl::Cord("y"));
  EXPECT_EQ(StatusErrno(status), EBADF);
}

// What stands where ours would and is not ours counts for nothing.
TEST(ErrnoStatusTest, PayloadThatIsNoErrno) {
  for (const char* text : {"", "0", "EPIPE", "99999999999", "13x"}) {
    absl::Status status = absl::UnavailableError("x");
    status.SetPayload("halfpipe/errno", absl::Cord(text));
    EXPECT_EQ(StatusErrno(status), ECONNRESET) << text;
  }
}

TEST(ErrnoStatusTest, MessageIsCopied) {
  std::string text = "first";
  const absl::Status status = ErrnoStatus(EIO, text);
  text = "other";
  EXPECT_EQ(status.message(), "first");
}

}  // namespace
}  // namespace halfpipe
