#include "bytestream/socket_faces.h"

#include <cstddef>
#include <cstdint>

#include "bytestream/c_call.h"
#include "bytestream/socket_calls.h"

namespace halfpipe {
namespace {

HandleObject* ObjectOf(dill_bsock_vfs* vfs) {
  char* const place = reinterpret_cast<char*>(vfs) - offsetof(SocketFaces, bsock);
  return HandleObject::FromFaces(reinterpret_cast<SocketFaces*>(place));
}

HandleObject* ObjectOf(dill_msock_vfs* vfs) {
  char* const place = reinterpret_cast<char*>(vfs) - offsetof(SocketFaces, msock);
  return HandleObject::FromFaces(reinterpret_cast<SocketFaces*>(place));
}

int Bsendl(dill_bsock_vfs* vfs, dill_iolist* first, dill_iolist* last, int64_t deadline) {
  return EndCall(SendBytes(ObjectOf(vfs), first, last, deadline));
}

int Brecvl(dill_bsock_vfs* vfs, dill_iolist* first, dill_iolist* last, int64_t deadline) {
  return EndCall(ReceiveBytes(ObjectOf(vfs), first, last, deadline));
}

int Msendl(dill_msock_vfs* vfs, dill_iolist* first, dill_iolist* last, int64_t deadline) {
  const int error = SendOneMessage(ObjectOf(vfs), first, last, deadline);
  return error == 0 ? 0 : FailCall(error);
}

ssize_t Mrecvl(dill_msock_vfs* vfs, dill_iolist* first, dill_iolist* last, int64_t deadline) {
  const ssize_t result = ReceiveOneMessage(ObjectOf(vfs), first, last, deadline);
  return result >= 0 ? result : FailCall(static_cast<int>(-result));
}

}  // namespace

dill_bsock_vfs* BsockFace(HandleObject* object) {
  if (object->Query(&kBytestreamType) == nullptr) return nullptr;
  dill_bsock_vfs* const face = &object->faces()->bsock;
  *face = {&Bsendl, &Brecvl};
  return face;
}

dill_msock_vfs* MsockFace(HandleObject* object) {
  if (object->Query(&kMessageSocketType) == nullptr) return nullptr;
  dill_msock_vfs* const face = &object->faces()->msock;
  *face = {&Msendl, &Mrecvl};
  return face;
}

}  // namespace halfpipe
