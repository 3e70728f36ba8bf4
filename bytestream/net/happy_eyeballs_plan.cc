#include "bytestream/net/happy_eyeballs_plan.h"

#include <algorithm>
#include <cerrno>
#include <limits>
#include <utility>

#include "bytestream/base/errno_status.h"

namespace halfpipe {
namespace {

constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

HappyEyeballsOptions Bounded(HappyEyeballsOptions options) {
  options.attempt_delay =
      std::min(std::max(options.attempt_delay, kAttemptDelayMin), kAttemptDelayMax);
  options.resolution_delay = std::max(options.resolution_delay, absl::ZeroDuration());
  options.first_family_count = std::max(options.first_family_count, 1);
  return options;
}

int64_t After(int64_t nanos, absl::Duration delay) {
  const int64_t add = absl::ToInt64Nanoseconds(delay);  // saturates
  return nanos > kNever - add ? kNever : nanos + add;
}

}  // namespace

HappyEyeballsPlan::HappyEyeballsPlan(HappyEyeballsOptions options) : options_(Bounded(options)) {}

void HappyEyeballsPlan::OnAnswer(IpFamily family, std::vector<Destination> destinations,
                                 absl::Status status, int64_t now_nanos) {
  Answer& answer = AnswerOf(family);
  answer.here = true;
  answer.positive = !destinations.empty();
  answer.nanos = now_nanos;
  answer.status = std::move(status);
  size_t taken = 0;
  for (Destination& destination : destinations) {
    if (taken == kAttemptsPerFamilyMax) break;
    if (std::find(known_.begin(), known_.end(), destination.address) != known_.end()) continue;
    known_.push_back(destination.address);
    untried_.push_back(std::move(destination));
    ++taken;
  }
  OrderDestinations(&untried_);
}

void HappyEyeballsPlan::OnFailure(size_t attempt, absl::Status status) {
  --under_way_;
  last_failure_ = std::move(status);
  if (attempt + 1 == attempt_count_) next_attempt_nanos_ = 0;
}

std::optional<int64_t> HappyEyeballsPlan::StartNanos() {
  const Answer& ipv6 = AnswerOf(IpFamily::kIpv6);
  const Answer& ipv4 = AnswerOf(IpFamily::kIpv4);
  if (ipv6.positive || (ipv6.here && ipv4.here)) return 0;
  if (ipv4.positive) return After(ipv4.nanos, options_.resolution_delay);
  return std::nullopt;
}

HappyEyeballsPlan::Step HappyEyeballsPlan::Next(int64_t now_nanos) {
  Step step;
  step.until_nanos = kNever;
  if (untried_.empty()) {
    if (under_way_ > 0 || !answers_[0].here || !answers_[1].here) return step;
    step.kind = Step::Kind::kFail;
    step.status = Failure();
    return step;
  }
  int64_t ready = next_attempt_nanos_;
  if (attempt_count_ == 0) {
    const std::optional<int64_t> start = StartNanos();
    if (!start.has_value()) return step;
    ready = *start;
  } else if (under_way_ == 0) {
    ready = 0;
  }
  if (now_nanos >= ready) return Attempt(now_nanos);
  step.until_nanos = ready;
  return step;
}

// Whose turn it is (RFC 8305 section 4): first_family_count times the first one, then in turn.
IpFamily HappyEyeballsPlan::FamilyInTurn() const {
  if (attempt_count_ == 0) return untried_.front().address.family();
  const size_t count = static_cast<size_t>(options_.first_family_count);
  if (attempts_of_first_family_ == attempt_count_ && attempt_count_ < count) return first_family_;
  return last_family_ == IpFamily::kIpv6 ? IpFamily::kIpv4 : IpFamily::kIpv6;
}

HappyEyeballsPlan::Step HappyEyeballsPlan::Attempt(int64_t now_nanos) {
  const IpFamily wanted = FamilyInTurn();
  auto chosen = std::find_if(untried_.begin(), untried_.end(), [wanted](const Destination& d) {
    return d.address.family() == wanted;
  });
  if (chosen == untried_.end()) chosen = untried_.begin();
  Step step;
  step.kind = Step::Kind::kAttempt;
  step.address = chosen->address;
  step.attempt = attempt_count_;
  untried_.erase(chosen);

  last_family_ = step.address.family();
  if (attempt_count_ == 0) first_family_ = last_family_;
  if (attempts_of_first_family_ == attempt_count_ && last_family_ == first_family_) {
    ++attempts_of_first_family_;
  }
  ++attempt_count_;
  ++under_way_;
  next_attempt_nanos_ = After(now_nanos, options_.attempt_delay);
  return step;
}

absl::Status HappyEyeballsPlan::Failure() const {
  if (attempt_count_ > 0) return last_failure_;
  for (const Answer& answer : answers_) {
    if (!answer.status.ok() && StatusErrno(answer.status) != EADDRNOTAVAIL) return answer.status;
  }
  if (!answers_[0].status.ok()) return answers_[0].status;
  return ErrnoStatus(EADDRNOTAVAIL, "the name has no address");
}

}  // namespace halfpipe
