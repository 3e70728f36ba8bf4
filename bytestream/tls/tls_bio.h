#ifndef HALFPIPE_BYTESTREAM_TLS_TLS_BIO_H_
#define HALFPIPE_BYTESTREAM_TLS_TLS_BIO_H_

#include <openssl/bio.h>

#include <cstddef>

#include "bytestream/bytestream.h"

namespace halfpipe {

// Lets OpenSSL read and write a bytestream without ever waiting, and without ever letting another
// coroutine run, so that nobody meets an SSL object in the middle of a call.
//
//   read    what the stream has buffered, consumed byte by byte as it is wanted; "retry" when there
//           is nothing. Whoever drives OpenSSL then has the stream fetch wanted() bytes, outside
//           any call of OpenSSL.
//   write   Bytestream::WriteTail(): always succeeds as far as OpenSSL is concerned, so that its
//           state stays whole whatever happens below; see write_error().
//
// No descriptor is touched, so SIGPIPE is never raised.
class TlsBio {
 public:
  // `lower` is borrowed and outlives the use of bio().
  explicit TlsBio(Bytestream* lower) : lower_(lower) {}
  TlsBio(const TlsBio&) = delete;
  TlsBio& operator=(const TlsBio&) = delete;

  // A new BIO that refers to this object, owned by the caller; null when memory fails.
  BIO* NewBio();

  // How many bytes the last read that had to be tried again was to bring; at least 1.
  size_t wanted() const { return wanted_; }

  // The errno of the first write that failed, or 0. What OpenSSL wrote from then on is lost.
  int write_error() const { return write_error_; }

 private:
  static const BIO_METHOD* Method();
  static int ReadEx(BIO* bio, char* data, size_t size, size_t* count);
  static int WriteEx(BIO* bio, const char* data, size_t size, size_t* count);
  static long Control(BIO* bio, int command, long number, void* pointer);  // NOLINT: OpenSSL's

  Bytestream* const lower_;
  size_t wanted_ = 1;
  int write_error_ = 0;
};

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_TLS_TLS_BIO_H_
