#ifndef HALFPIPE_BYTESTREAM_USER_BYTESTREAM_H_
#define HALFPIPE_BYTESTREAM_USER_BYTESTREAM_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/base/io_slice.h"
#include "bytestream/base/read_buffer.h"
#include "bytestream/bytestream.h"
#include "bytestream/runtime/bundle.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/runtime/waiter.h"
#include "bytestream/socket_vfs.h"

namespace halfpipe {

// Whose stream a UserBytestream is.
class UserStreamOwner {
 public:
  // Ends the user's object. Called once.
  virtual void CloseUserObject() noexcept = 0;
  // Ends the owner's life, and with it the stream's. Called once, after CloseUserObject().
  virtual void DestroyUserObject() noexcept = 0;

 protected:
  ~UserStreamOwner() = default;
};

// A bsock_vfs of the user's as a Bytestream, so that our protocols run on it. Where such a
// stream, of which nothing is known but two functions that block, can do less than others:
//
//   Peek, ReadSome   bring `min` bytes and none beyond, because what is read here is lost to the
//                    user's own functions: reads_ahead() is false. Both are exact reads of the
//                    user's. Bytes that were peeked at and not consumed stay in a buffer here.
//   Write            one bsendl() with all slices; what is gathered leaves at once
//   WriteTail        bsendl() with deadline 0, in a NoWaitScope; what it does not take is copied
//   the tail         is sent by a coroutine of the library's, which exists only as long as there is
//                    one, by bsendl() with deadline -1. Abort() cancels it, and the user's object is
//                    closed when it has come out.
//   Done             ENOTSUP: a bsock_vfs has none
//   WhenReadable     nobody can tell when the user's functions would not wait, so a coroutine of the
//   WhenWritable     library's tries each kPauseMillis, with brecvl() of one byte and deadline 0; or
//                    calls back after a pause, and when a tail has left
//   Abort            closes the user's object. A reset is for its close function to see to.
//
// Errors of the user's functions are passed on as they are and asked for anew by each call.
class UserBytestream final : public Bytestream {
 public:
  static constexpr int kPauseMillis = 10;

  // `owner` and `background`, where the library's coroutines run, are borrowed and outlive the
  // object.
  UserBytestream(UserStreamOwner* owner, Bundle* background);
  ~UserBytestream() override;

  // The user's table, borrowed as long as the user's object lives; null until it is known.
  void set_vfs(dill_bsock_vfs* vfs) { vfs_ = vfs; }
  dill_bsock_vfs* vfs() const { return vfs_; }

  absl::StatusOr<absl::Span<uint8_t>> Peek(size_t min, Deadline deadline) override;
  void Consume(size_t count) override { buffer_.Consume(count); }
  absl::Status Read(absl::Span<const IoSpan> slices, Deadline deadline) override;
  absl::StatusOr<size_t> ReadSome(absl::Span<uint8_t> dst, size_t min, Deadline deadline) override;
  absl::Status Write(absl::Span<const IoSlice> slices, bool more, Deadline deadline) override;
  absl::Status WriteTail(absl::Span<const IoSlice> slices) override;
  absl::Status Flush(Deadline deadline) override;
  absl::Status Done(Deadline deadline) override;
  void Abort() noexcept override;
  void WhenReadable(Callback callback) override;
  void WhenWritable(Callback callback) override;
  bool reads_ahead() const override { return false; }
  size_t buffered() const override { return in_error_ == 0 ? buffer_.size() : 0; }
  size_t tail_size() const override { return tail_size_ + in_flight_; }
  bool reader_busy() const override { return reading_; }
  bool writer_busy() const override { return writing_; }
  void Dispose() noexcept override;

 private:
  class BusyScope;

  int Enter(bool waits, int error, bool busy) const;
  int ReadExactly(uint8_t* dst, size_t size, size_t* got, Deadline deadline);
  int ReadOnce(uint8_t* dst, size_t size, Deadline deadline);
  int FillBuffer(size_t count, Deadline deadline);
  int KeepRead(const uint8_t* bytes, size_t count, int error);
  int SendList(absl::Span<const IoSlice> slices, int64_t deadline_millis);
  int Leave(absl::Span<const IoSlice> slices);
  int WaitForTail(Deadline deadline);
  int Break();
  bool StartService();
  void Serve();
  void SendTail();
  void CallBack();
  bool CanRead();
  void DropTail();
  void WakeTailWaiters();

  UserStreamOwner* const owner_;
  Bundle* const background_;
  Runtime* const runtime_;
  dill_bsock_vfs* vfs_ = nullptr;
  ReadBuffer buffer_;
  uint8_t* tail_ = nullptr;  // from malloc: tail_size_ bytes
  size_t tail_size_ = 0;
  size_t in_flight_ = 0;  // bytes of the tail that are in bsendl() now
  WaiterList tail_waiters_;
  Callback when_readable_;
  Callback when_writable_;
  Coroutine* service_ = nullptr;  // the library's coroutine, once it runs
  int in_error_ = 0;
  int out_error_ = 0;
  bool serving_ = false;  // there is one, or will be
  bool ended_ = false;
  bool reading_ = false;
  bool writing_ = false;
  bool aborted_ = false;
  bool disposed_ = false;
};

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_USER_BYTESTREAM_H_
