#include "bytestream/runtime/channel.h"

#include <cerrno>
#include <cstddef>
#include <cstdint>

#include "bytestream/base/check.h"

namespace halfpipe {
namespace {

// One of the clauses that can be performed now, each as likely as the others; null for none.
SelectClause* ChooseReady(absl::Span<SelectClause> clauses) {
  uint32_t ready_count = 0;
  SelectClause* first = nullptr;
  for (SelectClause& clause : clauses) {
    if (!clause.channel->Ready(clause.op)) continue;
    if (ready_count++ == 0) first = &clause;
  }
  if (ready_count <= 1) return first;
  // Not simply the first one behind a random place, which would favour those behind a gap.
  uint32_t skip = clauses.front().channel->Draw(ready_count);
  SelectClause* chosen = first;
  while (skip > 0) {
    ++chosen;
    if (chosen->channel->Ready(chosen->op)) --skip;
  }
  return chosen;
}

}  // namespace

absl::StatusOr<Selected> Select(Runtime* runtime, absl::Span<SelectClause> clauses,
                                Deadline deadline) {
  constexpr char kFailed[] = "no channel was selected";
  if (const int error = runtime->CheckCancelled()) return ErrnoStatus(error, kFailed);
  SelectClause* const chosen = ChooseReady(clauses);
  if (chosen != nullptr) {
    const int error = chosen->channel->Try(*chosen);
    runtime->CountQuickOperation();
    return Selected{static_cast<size_t>(chosen - clauses.data()), error == EPIPE};
  }
  if (deadline.is_immediate()) {
    runtime->CountQuickOperation();
    return ErrnoStatus(ETIMEDOUT, kFailed);
  }
  ChannelWait wait(runtime);
  for (SelectClause& clause : clauses) {
    HALFPIPE_CHECK(clause.channel->runtime() == runtime);
    wait.Add(&clause);
  }
  const int error = wait.Wait(deadline);
  for (SelectClause& clause : clauses) clause.link.Unlink();
  SelectClause* const ended_by = wait.ended_by();
  if (ended_by == nullptr) {
    if (error == ETIMEDOUT) runtime->CountQuickOperation();
    return ErrnoStatus(error, kFailed);
  }
  return Selected{static_cast<size_t>(ended_by - clauses.data()), error == EPIPE};
}

}  // namespace halfpipe
