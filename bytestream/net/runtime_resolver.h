#ifndef HALFPIPE_BYTESTREAM_NET_RUNTIME_RESOLVER_H_
#define HALFPIPE_BYTESTREAM_NET_RUNTIME_RESOLVER_H_

#include <memory>

#include "bytestream/net/resolver.h"
#include "bytestream/runtime/runtime.h"

namespace halfpipe {

// The resolver of a runtime, which the C calls and ResolveRemotes() ask: a CaresResolver with
// default options, made at the first use, unless one was set. Lives as long as the runtime.
Resolver* RuntimeResolver(Runtime* runtime);

// Puts `resolver` in its place; null: a CaresResolver at the next use. Nobody may be in a lookup of
// the former one.
void SetRuntimeResolver(Runtime* runtime, std::unique_ptr<Resolver> resolver);

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_NET_RUNTIME_RESOLVER_H_
