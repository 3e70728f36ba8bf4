#include "bytestream/tls/process_trust.h"

#include <mutex>
#include <utility>

namespace halfpipe {
namespace {

struct Place {
  std::mutex lock;  // never held across a wait
  ProcessTrust* current = nullptr;
};

Place& ThePlace() {
  static Place* const kPlace = new Place;
  return *kPlace;
}

}  // namespace

ProcessTrust::Ref::~Ref() {
  if (trust_ != nullptr) Unref(trust_);
}

void ProcessTrust::Unref(ProcessTrust* trust) {
  {
    const std::lock_guard<std::mutex> lock(ThePlace().lock);
    if (--trust->ref_count_ > 0) return;
  }
  delete trust;
}

absl::StatusOr<std::unique_ptr<ProcessTrust>> ProcessTrust::Load(const char* path) {
  auto trust = std::make_unique<ProcessTrust>();
  TlsClientOptions options;
  if (path != nullptr) options.trust.file = path;
  auto for_host = TlsContext::ForClient(options);
  if (!for_host.ok()) return for_host.status();
  trust->for_host_ = *std::move(for_host);
  if (path == nullptr) return trust;
  options.verification = TlsVerification::kChainOnly;
  auto for_chain = TlsContext::ForClient(options);
  if (!for_chain.ok()) return for_chain.status();
  trust->for_chain_ = *std::move(for_chain);
  return trust;
}

absl::Status ProcessTrust::Set(const char* path) {
  auto trust = Load(path);
  if (!trust.ok()) return trust.status();
  ProcessTrust* old;
  {
    const std::lock_guard<std::mutex> lock(ThePlace().lock);
    old = std::exchange(ThePlace().current, trust->release());
  }
  if (old != nullptr) Unref(old);
  return absl::OkStatus();
}

absl::StatusOr<ProcessTrust::Ref> ProcessTrust::Get() {
  const std::lock_guard<std::mutex> lock(ThePlace().lock);
  ProcessTrust*& current = ThePlace().current;
  if (current == nullptr) {
    auto trust = Load(nullptr);
    if (!trust.ok()) return trust.status();
    current = trust->release();
  }
  ++current->ref_count_;
  return Ref(current);
}

}  // namespace halfpipe
