#ifndef HALFPIPE_BYTESTREAM_BYTESTREAM_HANDLE_H_
#define HALFPIPE_BYTESTREAM_BYTESTREAM_HANDLE_H_

#include "bytestream/bytestream.h"
#include "bytestream/handle/handle_type.h"
#include "bytestream/message_socket.h"
#include "bytestream/stream_info_source.h"

namespace halfpipe {

// For a layer that takes over the bytestream behind a handle (attach) and gives it back (detach).
//
// Takes the object of handle `h` out of the table of this thread: the number dies, and the caller
// owns the object by either of the two pointers. They are the same object: BytestreamPtr(*stream)
// ends it, or MakeBytestreamHandle(*object) gives it a number again; never both.
// 0, or nothing is done and: EBADF (no such handle), ENOTSUP (not a bytestream), EBUSY (a call is
// in progress on it).
int TakeBytestream(int h, HandleObject** object, Bytestream** stream);

// The same for a message socket. The socket lives as long as its object, which the caller ends with
// Close() and Dispose(), or gives a number again. EBUSY also if somebody is sending.
int TakeMessageSocket(int h, HandleObject** object, MessageSocket** socket);

// Gives the object a number and passes ownership to the table. A positive int, or -EMFILE or
// -ENOMEM: the caller keeps the object then.
int MakeBytestreamHandle(HandleObject* object);

// Whom to ask about the connection of `object`, at whichever layer; null if that is nothing of the
// kind. An object of a layer above others answers HandleObject::Query(&kStreamInfoType) with what
// this returns for the object below it. Borrowed, valid as long as the object and what is below it.
StreamInfoSource* FindStreamInfoSource(HandleObject* object);

// As hclose(): closes whatever `h` is, with errors ignored. For an attach that failed before it
// took the bytestream over and has to close it all the same.
void CloseHandle(int h);

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_BYTESTREAM_HANDLE_H_
