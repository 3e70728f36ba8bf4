#include "websocket/testing/conformance/case.h"

#include <iterator>

namespace halfpipe::websocket::conformance {

std::string WireOf(const std::vector<Frame>& frames, Role sender) {
  WireBuilder wire(sender);
  uint8_t count = 0;
  for (const Frame& frame : frames) {
    // A key of its own for each frame, so that a receiver which keeps the last one is found out.
    wire.Key(
        {static_cast<uint8_t>(0x37 + 29 * count), 0xfa, static_cast<uint8_t>(0x21 + count), 0x3d});
    ++count;
    if (frame.raw) {
      wire.Raw(frame.payload);
      continue;
    }
    wire.Frame({.first_byte = frame.first_byte,
                .length_form = frame.form,
                .announced_size = frame.announced_size,
                .flip_mask = frame.wrong_mask,
                .payload = frame.payload});
  }
  return wire.str();
}

int CloseOut(const Case& row) {
  if (row.close_out != kUsualClose || row.events.empty()) return row.close_out;
  // What was done after the end does not change why a Close is due.
  const Event* last = nullptr;
  for (const Event& event : row.events) {
    if (event.kind != Event::Kind::kSent) last = &event;
  }
  if (last == nullptr || last->kind == Event::Kind::kReset) return kNoClose;
  return last->code == 1005 ? kCloseNoCode : last->code;
}

std::vector<Case> AllCases() {
  std::vector<Case> all;
  for (auto* const table : {&FramingCases, &LengthCases, &FragmentationCases, &ControlCases,
                            &Utf8Cases, &CloseCases, &LimitCases, &SendingCases, &DeflateCases}) {
    std::vector<Case> rows = (*table)();
    all.insert(all.end(), std::make_move_iterator(rows.begin()),
               std::make_move_iterator(rows.end()));
  }
  return all;
}

}  // namespace halfpipe::websocket::conformance
