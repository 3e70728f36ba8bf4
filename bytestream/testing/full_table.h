#ifndef HALFPIPE_BYTESTREAM_TESTING_FULL_TABLE_H_
#define HALFPIPE_BYTESTREAM_TESTING_FULL_TABLE_H_

#include <cerrno>
#include <vector>

#include "bytestream/handle/handle_table.h"
#include "bytestream/handle/handle_type.h"
#include "bytestream/testing/allocation_faults.h"
#include "gtest/gtest.h"

namespace halfpipe {

// Takes the numbers that the handle table of this thread has memory for, for as long as it lives:
// the next one needs some more, also where another number has just been given back. Once in the life
// of a runtime: what it gives back at its end is enough for long. A test that uses it is linked
// statically, see allocation_faults.h.
class FullTable final : public HandleObject {
 public:
  FullTable() {
    // A chunk of the table, and some.
    while (numbers_.size() < 5'000) {
      AllocationFault fault(0);
      const int number = HandleTable::Current().Make(this);
      if (number < 0) {
        EXPECT_EQ(number, -ENOMEM);
        return;
      }
      numbers_.push_back(number);
    }
    ADD_FAILURE() << "the table never needed memory";
  }
  ~FullTable() {
    for (const int number : numbers_) {
      int error = 0;
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

#endif  // HALFPIPE_BYTESTREAM_TESTING_FULL_TABLE_H_
