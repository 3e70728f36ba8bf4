#include "bytestream/bytestream_handle.h"

#include <cerrno>

#include "bytestream/bytestream.h"
#include "bytestream/handle/handle_table.h"
#include "bytestream/handle/handle_type.h"
#include "bytestream/message_socket.h"
#include "bytestream/stream_info_source.h"

namespace halfpipe {

int TakeBytestream(int h, HandleObject** object, Bytestream** stream) {
  HandleTable& table = HandleTable::Current();
  HandleObject* const found = table.Find(h);
  if (found == nullptr) return EBADF;
  Bytestream* const bytestream = static_cast<Bytestream*>(found->Query(&kBytestreamType));
  if (bytestream == nullptr) return ENOTSUP;
  if (bytestream->reader_busy() || bytestream->writer_busy()) return EBUSY;
  int error = 0;
  if (table.Release(h, &error) == nullptr) return error;
  *object = found;
  *stream = bytestream;
  return 0;
}

int TakeMessageSocket(int h, HandleObject** object, MessageSocket** socket) {
  HandleTable& table = HandleTable::Current();
  HandleObject* const found = table.Find(h);
  if (found == nullptr) return EBADF;
  MessageSocket* const messages = static_cast<MessageSocket*>(found->Query(&kMessageSocketType));
  if (messages == nullptr) return ENOTSUP;
  if (messages->sender_busy()) return EBUSY;
  int error = 0;
  if (table.Release(h, &error) == nullptr) return error;
  *object = found;
  *socket = messages;
  return 0;
}

int MakeBytestreamHandle(HandleObject* object) { return HandleTable::Current().Make(object); }

StreamInfoSource* FindStreamInfoSource(HandleObject* object) {
  void* const source = object->Query(&kStreamInfoType);
  if (source != nullptr) return static_cast<StreamInfoSource*>(source);
  return static_cast<Bytestream*>(object->Query(&kBytestreamType));
}

void CloseHandle(int h) { static_cast<void>(HandleTable::Current().Close(h)); }

}  // namespace halfpipe
