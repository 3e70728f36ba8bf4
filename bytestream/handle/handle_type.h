#ifndef HALFPIPE_BYTESTREAM_HANDLE_HANDLE_TYPE_H_
#define HALFPIPE_BYTESTREAM_HANDLE_HANDLE_TYPE_H_

#include <cstddef>
#include <cstdint>

#include "bytestream/socket_vfs.h"

namespace halfpipe {

// The identity of an interface that an object behind a handle may have: the address counts, the
// name is for people. Declare one as an inline constexpr variable of namespace scope, so that all
// of a program agrees on the address.
struct HandleType {
  const char* name;
};

// What HandleObject::Query() returns for each of these is a pointer to the class named.
inline constexpr HandleType kBytestreamType{"bytestream"};         // halfpipe::Bytestream
inline constexpr HandleType kMessageSocketType{"message socket"};  // halfpipe::MessageSocket
inline constexpr HandleType kStreamInfoType{"stream info"};        // halfpipe::StreamInfoSource

// What hquery() gives out for an object that is a socket of ours: see socket_faces.h.
struct SocketFaces {
  dill_bsock_vfs bsock = {};
  dill_msock_vfs msock = {};
};

// What a handle stands for. The C calls make one for each connection, listener or bundle; the
// handle table keeps it and never looks inside.
//
// Life: made by its owner, then given to HandleTable::Make(). It leaves the table in one of two
// ways: by HandleTable::Close(), which calls Close() and, when no call is in progress on it any
// more, Dispose(); or by HandleTable::Release(), after which the caller owns it and ends it with
// Close() and Dispose(), or puts it back with Make().
class HandleObject : private SocketFaces {
 public:
  HandleObject() = default;
  HandleObject(const HandleObject&) = delete;
  HandleObject& operator=(const HandleObject&) = delete;

  // The object as the interface `type` (an address, such as &kBytestreamType), or null if it has
  // no such interface. Valid as long as the object. Convert to the interface's own pointer before
  // converting to void*.
  virtual void* Query(const void* type) = 0;

  // What hquery() asks, with the type that its caller gave, which may be any address.
  virtual void* QueryForUser(const void* type) { return Query(type); }

  // True if Close() may call functions of the user's: the object's own, or those of a layer below.
  virtual bool runs_user_code() const { return false; }

  // True if the object, or a layer below that is its own, lives in memory of the caller. That may be
  // gone when the runtime of a thread ends with the handle still open, so it is asked by
  // HandleTable::Make() already, and nothing of the object is touched then: it is left as it is.
  virtual bool in_callers_memory() const { return false; }

  // An errno that forbids closing now (EDEADLK), or 0. Asked before anything is done.
  virtual int CheckClose() { return 0; }

  // hown() has moved the object to another number: the present coroutine is the one to close it.
  virtual void TakenOver() noexcept {}

  // Ends the object's work for good: releases the descriptor, wakes blocked callers with EBADF.
  // Never waits for the outside world. Called at most once; the number is dead by then.
  virtual void Close() noexcept = 0;

  // Ends the object's life: frees it, or only destructs it where it lives in storage of the caller.
  // Called once, after Close() or by an owner who took it out of the table. No call is in progress.
  virtual void Dispose() noexcept = 0;

  // Called instead of both when the runtime ends with the handle still open. Code of the user must
  // not run here. False: it would have to, or coroutines that will never run again still refer to
  // the object, so that it is left as it is. Not called while a call is in progress, nor where
  // a caller's memory may be gone; the object is left then too.
  virtual bool Abandon() noexcept {
    if (runs_user_code()) return false;
    Close();
    Dispose();
    return true;
  }

  // The object's place for what hquery() gives out, and back.
  SocketFaces* faces() { return this; }
  static HandleObject* FromFaces(SocketFaces* faces) { return static_cast<HandleObject*>(faces); }

 protected:
  ~HandleObject() = default;

 private:
  friend class HandleTable;
  friend class PinnedHandle;

  uint32_t pin_count_ = 0;  // calls in progress
  bool closed_ = false;
};

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_HANDLE_HANDLE_TYPE_H_
