#include "bytestream/testing/fake_resolver.h"

#include <cerrno>
#include <optional>

#include "absl/strings/str_cat.h"
#include "bytestream/base/check.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/testing/scripted_wait.h"

namespace halfpipe {

void FakeResolver::Say(absl::string_view name, IpFamily family, Answer answer) {
  answers_[{std::string(name), family}] = std::move(answer);
}

absl::StatusOr<std::vector<IpAddress>> FakeResolver::Lookup(absl::string_view name, IpFamily family,
                                                            Deadline deadline) {
  lookups_.push_back(absl::StrCat(name, family == IpFamily::kIpv6 ? " AAAA" : " A"));
  const auto found = answers_.find({std::string(name), family});
  const Answer answer = found != answers_.end() ? found->second : Answer();
  ++active_;
  int error = ScriptedWait(runtime_, answer.delay, deadline);
  --active_;
  if (error == ECANCELED) ++cancelled_;
  if (error == 0) error = answer.error;
  if (error == 0 && answer.addresses.empty()) error = EADDRNOTAVAIL;
  if (error != 0) return ErrnoStatus(error, absl::StrCat("as scripted: ", name));
  std::vector<IpAddress> addresses;
  for (const std::string& literal : answer.addresses) {
    const std::optional<IpAddress> address = IpAddress::Parse(literal, 0, family);
    HALFPIPE_CHECK(address.has_value());
    addresses.push_back(*address);
  }
  return addresses;
}

}  // namespace halfpipe
