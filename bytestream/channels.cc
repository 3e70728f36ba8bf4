#define DILL_DISABLE_RAW_NAMES
#include "bytestream/channels.h"

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <optional>

#include "absl/base/attributes.h"
#include "absl/types/span.h"
#include "bytestream/base/deadline.h"
#include "bytestream/c_call.h"
#include "bytestream/handle/handle_table.h"
#include "bytestream/handle/handle_type.h"
#include "bytestream/runtime/channel_core.h"
#include "bytestream/runtime/runtime.h"

namespace halfpipe {
namespace {

constexpr HandleType kChannelType{"channel"};

// Waits for up to this many clauses stay on the coroutine's stack.
constexpr size_t kClausesOnStack = 16;

int CopyMessage(const ChannelClause& sender, const ChannelClause& receiver) {
  if (sender.size != receiver.size) return EMSGSIZE;
  if (sender.size > 0) std::memcpy(receiver.value, sender.value, sender.size);
  return 0;
}

class ChannelPair;

// One end behind a handle.
class ChannelEnd final : public HandleObject {
 public:
  ChannelEnd(ChannelPair* pair, int index) : pair_(pair), index_(index) {}

  void* Query(const void* type) override { return type == &kChannelType ? this : nullptr; }
  bool in_callers_memory() const override;
  void Close() noexcept override;
  void Dispose() noexcept override;
  // Nobody is woken: whoever waits will never run again.
  bool Abandon() noexcept override;

  // The direction that such an operation at this end is about.
  ChannelCore* Direction(ChannelOp op);

  // EPIPE if it was called before.
  int Done();

 private:
  ChannelPair* const pair_;
  const int index_;
  bool done_ = false;
};

// Both ends, and the two directions between them. Goes with the second end.
class ChannelPair {
 public:
  ChannelPair(Runtime* runtime, bool in_callers_storage)
      : ends_{{this, 0}, {this, 1}},
        from_{{runtime, &CopyMessage}, {runtime, &CopyMessage}},
        in_callers_storage_(in_callers_storage) {}

  ChannelEnd* end(int index) { return &ends_[index]; }
  // Away from that end.
  ChannelCore* from(int index) { return &from_[index]; }
  bool in_callers_storage() const { return in_callers_storage_; }

  void Free() {
    if (in_callers_storage_) {
      this->~ChannelPair();
    } else {
      delete this;
    }
  }

  void EndIsGone() {
    if (--ends_left_ == 0) Free();
  }

 private:
  ChannelEnd ends_[2];
  ChannelCore from_[2];
  int ends_left_ = 2;
  const bool in_callers_storage_;
};

static_assert(sizeof(ChannelPair) <= sizeof(dill_chstorage), "public size");
static_assert(alignof(ChannelPair) <= alignof(dill_chstorage), "public alignment");

void ChannelEnd::Close() noexcept {
  pair_->from(0)->Done();
  pair_->from(1)->Done();
}

void ChannelEnd::Dispose() noexcept { pair_->EndIsGone(); }

bool ChannelEnd::in_callers_memory() const { return pair_->in_callers_storage(); }

bool ChannelEnd::Abandon() noexcept {
  Dispose();
  return true;
}

ChannelCore* ChannelEnd::Direction(ChannelOp op) {
  return pair_->from(op == ChannelOp::kSend ? index_ : 1 - index_);
}

int ChannelEnd::Done() {
  if (done_) return EPIPE;
  done_ = true;
  Direction(ChannelOp::kSend)->Done();
  return 0;
}

// At `place`, or (null) on the heap: 0 or an errno.
int MakeChannel(void* place, int handles[2]) {
  HandleTable& table = HandleTable::Current();
  if (const int error = table.runtime()->CheckCancelled()) return error;
  ChannelPair* const pair = place != nullptr ? new (place) ChannelPair(table.runtime(), true)
                                             : new (std::nothrow)
                                                   ChannelPair(table.runtime(), false);
  if (pair == nullptr) return ENOMEM;
  const int first = table.Make(pair->end(0));
  const int second = first < 0 ? first : table.Make(pair->end(1));
  if (second < 0) {
    int released = 0;
    if (first >= 0) table.Release(first, &released);
    pair->Free();
    return -second;
  }
  handles[0] = first;
  handles[1] = second;
  return 0;
}

// Looks up the end of handle `ch` for an operation with such a buffer: 0, EBADF, ENOTSUP or EINVAL.
int FindEnd(const HandleTable& table, int ch, const void* value, size_t size, ChannelEnd** end) {
  HandleObject* const object = table.Find(ch);
  if (object == nullptr) return EBADF;
  *end = static_cast<ChannelEnd*>(object->Query(&kChannelType));
  if (*end == nullptr) return ENOTSUP;
  return size > 0 && value == nullptr ? EINVAL : 0;
}

// chsend() and chrecv(): 0 or an errno. The operation is counted.
ABSL_ATTRIBUTE_ALWAYS_INLINE inline int TransferOne(ChannelOp op, int ch, void* value, size_t size,
                                                    int64_t deadline) {
  HandleTable& table = HandleTable::Current();
  Runtime* const runtime = table.runtime();
  ChannelEnd* end = nullptr;
  int error = runtime->CheckCancelled();
  if (error == 0) error = FindEnd(table, ch, value, size, &end);
  if (error == 0) {
    ChannelClause clause(end->Direction(op), op, value, size);
    error = clause.channel->Try(clause);
    if (error == EAGAIN) {
      const PinnedHandle pin(end);
      error = WaitForClause(&clause, Deadline::FromMillis(deadline));
      // Others have run meanwhile.
      if (error != ETIMEDOUT) return error;
    }
  }
  runtime->CountQuickOperation();
  return error;
}

// How choose() ended.
struct Chosen {
  int index;  // -1: no clause
  int error;
};

// A clause of choose() as the channels see it.
struct PinnedClause {
  PinnedClause(ChannelEnd* end, ChannelOp op, const dill_chclause& from)
      : pin(end), clause(end->Direction(op), op, from.val, from.len) {}

  const PinnedHandle pin;
  ChannelClause clause;
};

bool ToOp(int op, ChannelOp* result) {
  *result = op == DILL_CHSEND ? ChannelOp::kSend : ChannelOp::kReceive;
  return op == DILL_CHSEND || op == DILL_CHRECV;
}

// Performs the first clause that need not wait, or has failed. EAGAIN: there is none; all are in
// order then.
Chosen ChooseNow(const HandleTable& table, absl::Span<const dill_chclause> clauses) {
  for (const dill_chclause& from : clauses) {
    const int index = static_cast<int>(&from - clauses.data());
    ChannelEnd* end = nullptr;
    if (const int error = FindEnd(table, from.ch, from.val, from.len, &end)) return {index, error};
    ChannelOp op;
    if (!ToOp(from.op, &op)) return {index, EINVAL};
    ChannelCore* const channel = end->Direction(op);
    const int error = channel->Try(ChannelClause(channel, op, from.val, from.len));
    if (error != EAGAIN) return {index, error};
  }
  return {-1, EAGAIN};
}

// Waits for clauses that are in order, in `places`, one for each of them.
Chosen ChooseLater(HandleTable* table, absl::Span<const dill_chclause> clauses,
                   std::optional<PinnedClause>* places, Deadline deadline) {
  ChannelWait wait(table->runtime());
  for (size_t i = 0; i < clauses.size(); ++i) {
    ChannelEnd* end = nullptr;
    ChannelOp op;
    FindEnd(*table, clauses[i].ch, clauses[i].val, clauses[i].len, &end);
    ToOp(clauses[i].op, &op);
    wait.Add(&places[i].emplace(end, op, clauses[i]).clause);
  }
  const int error = wait.Wait(deadline);
  Chosen chosen = {-1, error};
  for (size_t i = 0; i < clauses.size(); ++i) {
    if (wait.ended_by() == &places[i]->clause) chosen.index = static_cast<int>(i);
    places[i].reset();
  }
  return chosen;
}

Chosen ChooseLaterOnStack(HandleTable* table, absl::Span<const dill_chclause> clauses,
                          Deadline deadline) {
  std::optional<PinnedClause> places[kClausesOnStack];
  return ChooseLater(table, clauses, places, deadline);
}

Chosen ChooseLaterOnHeap(HandleTable* table, absl::Span<const dill_chclause> clauses,
                         Deadline deadline) {
  const std::unique_ptr<std::optional<PinnedClause>[]> places(
      new (std::nothrow) std::optional<PinnedClause>[clauses.size()]);
  if (places == nullptr) return {-1, ENOMEM};
  return ChooseLater(table, clauses, places.get(), deadline);
}

Chosen Choose(dill_chclause* clauses, int count, int64_t deadline) {
  HandleTable& table = HandleTable::Current();
  if (const int error = table.runtime()->CheckCancelled()) return {-1, error};
  if (count < 0 || (count > 0 && clauses == nullptr)) return {-1, EINVAL};
  const absl::Span<const dill_chclause> all(clauses, static_cast<size_t>(count));
  const Chosen now = ChooseNow(table, all);
  if (now.error != EAGAIN) return now;
  if (deadline == 0) return {-1, ETIMEDOUT};
  return all.size() <= kClausesOnStack
             ? ChooseLaterOnStack(&table, all, Deadline::FromMillis(deadline))
             : ChooseLaterOnHeap(&table, all, Deadline::FromMillis(deadline));
}

// The end of a call that has counted itself.
int EndTransfer(int error) { return error == 0 ? 0 : FailCall(error); }

}  // namespace
}  // namespace halfpipe

using halfpipe::ChannelOp;
using halfpipe::EndCall;
using halfpipe::FailCall;

int dill_chmake(int chv[2]) {
  if (chv == nullptr) return FailCall(EINVAL);
  const int error = halfpipe::MakeChannel(nullptr, chv);
  return error == 0 ? 0 : FailCall(error);
}

int dill_chmake_mem(struct dill_chstorage* mem, int chv[2]) {
  if (mem == nullptr || chv == nullptr) return FailCall(EINVAL);
  const int error = halfpipe::MakeChannel(mem, chv);
  return error == 0 ? 0 : FailCall(error);
}

int dill_chsend(int ch, const void* val, size_t len, int64_t deadline) {
  // Nothing is written to what a sender points to.
  return halfpipe::EndTransfer(
      halfpipe::TransferOne(ChannelOp::kSend, ch, const_cast<void*>(val), len, deadline));
}

int dill_chrecv(int ch, void* val, size_t len, int64_t deadline) {
  return halfpipe::EndTransfer(halfpipe::TransferOne(ChannelOp::kReceive, ch, val, len, deadline));
}

int dill_chdone(int ch) {
  halfpipe::ChannelEnd* end = nullptr;
  const int error = halfpipe::FindEnd(halfpipe::HandleTable::Current(), ch, nullptr, 0, &end);
  return EndCall(error == 0 ? end->Done() : error);
}

int dill_choose(struct dill_chclause* clauses, int nclauses, int64_t deadline) {
  const halfpipe::Chosen chosen = halfpipe::Choose(clauses, nclauses, deadline);
  halfpipe::Runtime::Current().CountQuickOperation();
  errno = chosen.error;
  return chosen.index;
}
