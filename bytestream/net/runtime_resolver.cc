#include "bytestream/net/runtime_resolver.h"

#include <utility>

#include "bytestream/net/resolver_cares.h"
#include "bytestream/runtime/runtime_slots.h"

namespace halfpipe {
namespace {

class ResolverOwner final : public RuntimeExtension {
 public:
  explicit ResolverOwner(std::unique_ptr<Resolver> resolver) : resolver_(std::move(resolver)) {}
  Resolver* resolver() { return resolver_.get(); }

 private:
  const std::unique_ptr<Resolver> resolver_;
};

}  // namespace

Resolver* RuntimeResolver(Runtime* runtime) {
  std::unique_ptr<RuntimeExtension>& owner = RuntimeSlots::Of(runtime, RuntimeSlots::kResolver);
  if (owner == nullptr) {
    owner = std::make_unique<ResolverOwner>(
        std::make_unique<CaresResolver>(runtime, CaresResolver::Options()));
  }
  return static_cast<ResolverOwner&>(*owner).resolver();
}

void SetRuntimeResolver(Runtime* runtime, std::unique_ptr<Resolver> resolver) {
  std::unique_ptr<RuntimeExtension>& owner = RuntimeSlots::Of(runtime, RuntimeSlots::kResolver);
  owner.reset();
  if (resolver != nullptr) owner = std::make_unique<ResolverOwner>(std::move(resolver));
}

}  // namespace halfpipe
