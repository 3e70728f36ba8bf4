#ifndef HALFPIPE_BYTESTREAM_TLS_PROCESS_TRUST_H_
#define HALFPIPE_BYTESTREAM_TLS_PROCESS_TRUST_H_

#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "bytestream/tls/tls_context.h"

namespace halfpipe {

// Contexts of clients that trust the same, shared by all threads, alive until nobody uses them.
class ProcessTrust {
 public:
  // Holds them in place, whatever Set() does meanwhile.
  class Ref {
   public:
    Ref() = default;
    Ref(Ref&& other) noexcept : trust_(other.trust_) { other.trust_ = nullptr; }
    Ref& operator=(Ref&&) = delete;
    ~Ref();

    // Verifies chain and host.
    const TlsContext& for_host() const { return *trust_->for_host_; }
    // Verifies the chain; null if the roots are the system's.
    const TlsContext* for_chain() const { return trust_->for_chain_.get(); }

   private:
    friend class ProcessTrust;
    explicit Ref(ProcessTrust* trust) : trust_(trust) {}

    ProcessTrust* trust_ = nullptr;
  };

  // The roots in the PEM file `path`; null for the system's. Errors: see TlsContext.
  static absl::Status Set(const char* path);

  // What was set last; at first, the system's.
  static absl::StatusOr<Ref> Get();

 private:
  static absl::StatusOr<std::unique_ptr<ProcessTrust>> Load(const char* path);
  static void Unref(ProcessTrust* trust);

  int ref_count_ = 1;  // guarded by a lock of the process
  std::unique_ptr<TlsContext> for_host_;
  std::unique_ptr<TlsContext> for_chain_;
};

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_TLS_PROCESS_TRUST_H_
