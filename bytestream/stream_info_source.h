#ifndef HALFPIPE_BYTESTREAM_STREAM_INFO_SOURCE_H_
#define HALFPIPE_BYTESTREAM_STREAM_INFO_SOURCE_H_

namespace halfpipe {

struct StreamInfo;  // bytestream/net/stream_info.h

// Something that can be asked about itself: every bytestream, and sockets of other kinds.
class StreamInfoSource {
 public:
  // Fills in what it knows, and leaves the rest as it is. A layer that has nothing to say of its own
  // passes the question on to the one below. Never waits; may be called at any time, also by other
  // coroutines than those that read and write.
  virtual void Describe(StreamInfo* info) const { static_cast<void>(info); }

 protected:
  ~StreamInfoSource() = default;
};

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_STREAM_INFO_SOURCE_H_
