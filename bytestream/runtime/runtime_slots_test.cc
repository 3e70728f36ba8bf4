#include "bytestream/runtime/runtime_slots.h"

#include <memory>
#include <string>

#include "bytestream/runtime/runtime.h"
#include "gtest/gtest.h"

namespace halfpipe {
namespace {

// Writes down when it is destroyed.
class Recorder final : public RuntimeExtension {
 public:
  Recorder(std::string* log, char letter) : log_(log), letter_(letter) {}
  ~Recorder() override { log_->push_back(letter_); }

 private:
  std::string* const log_;
  const char letter_;
};

TEST(RuntimeSlotsTest, EachHasAPlaceAndTheyGoInOrder) {
  std::string log;
  {
    Runtime runtime;
    EXPECT_EQ(RuntimeSlots::Of(&runtime, RuntimeSlots::kResolver), nullptr);
    RuntimeSlots::Of(&runtime, RuntimeSlots::kResolver) = std::make_unique<Recorder>(&log, 'r');
    EXPECT_EQ(RuntimeSlots::Of(&runtime, RuntimeSlots::kHandles), nullptr);
    RuntimeSlots::Of(&runtime, RuntimeSlots::kHandles) = std::make_unique<Recorder>(&log, 'h');
    EXPECT_NE(RuntimeSlots::Of(&runtime, RuntimeSlots::kResolver), nullptr);
    Runtime inner;
    EXPECT_EQ(RuntimeSlots::Of(&inner, RuntimeSlots::kHandles), nullptr);
  }
  EXPECT_EQ(log, "hr");
}

}  // namespace
}  // namespace halfpipe
