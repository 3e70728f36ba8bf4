#include "websocket/core/close_state.h"

namespace halfpipe::websocket {
namespace {

struct Cell {
  CloseVerdict verdict;
  ClosePhase next;
};

constexpr ClosePhase kOpen = ClosePhase::kOpen;
constexpr ClosePhase kSent = ClosePhase::kCloseSent;
constexpr ClosePhase kReceived = ClosePhase::kCloseReceived;
constexpr ClosePhase kClosed = ClosePhase::kClosed;

constexpr CloseVerdict kProceed = CloseVerdict::kProceed;
constexpr CloseVerdict kRefuse = CloseVerdict::kRefuse;
constexpr CloseVerdict kDrop = CloseVerdict::kDrop;
constexpr CloseVerdict kNotOurs = CloseVerdict::kNotOurs;
constexpr CloseVerdict kTruncated = CloseVerdict::kTruncated;
constexpr CloseVerdict kEnd = CloseVerdict::kEnd;

// The table of the header: a row for each event, a column for each phase, both in the order of
// their enumerations.
constexpr Cell kTable[7][4] = {
    // kSendData
    {{kProceed, kOpen}, {kRefuse, kSent}, {kProceed, kReceived}, {kRefuse, kClosed}},
    // kSendPingPong
    {{kProceed, kOpen}, {kProceed, kSent}, {kDrop, kReceived}, {kDrop, kClosed}},
    // kSendClose
    {{kProceed, kSent}, {kRefuse, kSent}, {kProceed, kClosed}, {kRefuse, kClosed}},
    // kReceiveData
    {{kProceed, kOpen}, {kProceed, kSent}, {kNotOurs, kReceived}, {kNotOurs, kClosed}},
    // kReceivePingPong
    {{kProceed, kOpen}, {kProceed, kSent}, {kNotOurs, kReceived}, {kNotOurs, kClosed}},
    // kReceiveClose
    {{kProceed, kReceived}, {kProceed, kClosed}, {kNotOurs, kReceived}, {kNotOurs, kClosed}},
    // kEndOfStream
    {{kTruncated, kOpen}, {kTruncated, kSent}, {kEnd, kReceived}, {kEnd, kClosed}},
};

const Cell& Lookup(CloseEvent event, ClosePhase phase) {
  return kTable[static_cast<int>(event)][static_cast<int>(phase)];
}

}  // namespace

CloseVerdict CloseState::On(CloseEvent event) {
  const Cell& cell = Lookup(event, phase_);
  phase_ = cell.next;
  return cell.verdict;
}

CloseVerdict CloseState::Judge(CloseEvent event) const { return Lookup(event, phase_).verdict; }

}  // namespace halfpipe::websocket
