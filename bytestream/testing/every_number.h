#ifndef HALFPIPE_BYTESTREAM_TESTING_EVERY_NUMBER_H_
#define HALFPIPE_BYTESTREAM_TESTING_EVERY_NUMBER_H_

#include <cstdint>

#include "bytestream/handle/handle_table.h"

namespace halfpipe {

// Takes every number that the handle table of this thread has left, for as long as it lives: who
// needs another one gets EMFILE. They are counted and not made, for there are a million.
class EveryNumber {
 public:
  EveryNumber() : count_(table_.slots_.WithholdRest()) {}
  ~EveryNumber() { table_.slots_.GiveBack(count_); }
  EveryNumber(const EveryNumber&) = delete;
  EveryNumber& operator=(const EveryNumber&) = delete;

 private:
  HandleTable& table_ = HandleTable::Current();
  const uint32_t count_;
};

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_TESTING_EVERY_NUMBER_H_
