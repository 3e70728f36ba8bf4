#ifndef HALFPIPE_BYTESTREAM_TESTING_EVERY_NUMBER_H_
#define HALFPIPE_BYTESTREAM_TESTING_EVERY_NUMBER_H_

#include <vector>

#include "bytestream/handle/handle_table.h"
#include "bytestream/handle/handle_type.h"
#include "gtest/gtest.h"

namespace halfpipe {

// Takes every number that the handle table of this thread has left, for as long as it lives: who
// needs another one gets EMFILE.
class EveryNumber final : public HandleObject {
 public:
  EveryNumber() {
    for (;;) {
      const int number = HandleTable::Current().Make(this);
      if (number < 0) break;
      numbers_.push_back(number);
    }
  }
  ~EveryNumber() {
    int error = 0;
    for (const int number : numbers_) {
      EXPECT_EQ(HandleTable::Current().Release(number, &error), this);
    }
  }
  void* Query(const void*) override { return nullptr; }
  void Close() noexcept override {}
  void Dispose() noexcept override {}

 private:
  std::vector<int> numbers_;
};

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_TESTING_EVERY_NUMBER_H_
