#ifndef HALFPIPE_BYTESTREAM_FRAMING_DIRECTION_SCOPE_H_
#define HALFPIPE_BYTESTREAM_FRAMING_DIRECTION_SCOPE_H_

namespace halfpipe {

// Marks a direction as in use for the length of a call.
class DirectionScope {
 public:
  explicit DirectionScope(bool* busy) : busy_(busy) { *busy_ = true; }
  ~DirectionScope() { *busy_ = false; }
  DirectionScope(const DirectionScope&) = delete;
  DirectionScope& operator=(const DirectionScope&) = delete;

 private:
  bool* const busy_;
};

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_FRAMING_DIRECTION_SCOPE_H_
