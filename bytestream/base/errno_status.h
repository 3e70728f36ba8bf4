#ifndef HALFPIPE_BYTESTREAM_BASE_ERRNO_STATUS_H_
#define HALFPIPE_BYTESTREAM_BASE_ERRNO_STATUS_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace halfpipe {

// Makes a status of the code that belongs to `error` (an errno value; 0 gives OK) and keeps the
// number as a payload, so that StatusErrno() returns exactly what went in, and so does, by its name,
// a status that is printed. `message` says who, what
// and which limit; it is copied. An errno without a row in the table becomes kUnknown.
absl::Status ErrnoStatus(int error, absl::string_view message);

// The errno of `status`: its payload where there is one, else the first errno of the row that has
// the status's code (EIO for a code without a row). 0 for OK.
int StatusErrno(const absl::Status& status);

// True for the errno of a system that has run out of descriptors, memory or the like (EMFILE, ENFILE,
// ENOMEM, ENOBUFS, ENOSPC): nothing was done, and nothing is wrong with what it was to be done to.
bool IsShortage(int error);

// True for a status with ETIMEDOUT, ECANCELED or a shortage: what ends a wait when nothing is wrong
// with what was waited for. Nothing is lost, and the call may be made again.
bool IsInterruption(const absl::Status& status);

// The symbolic name, such as "ETIMEDOUT"; "errno" for numbers without a row. Static text.
absl::string_view ErrnoName(int error);

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_BASE_ERRNO_STATUS_H_
