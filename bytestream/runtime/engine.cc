#include "bytestream/runtime/engine.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "bytestream/runtime/engine_epoll.h"

namespace halfpipe {

std::unique_ptr<Engine> MakeEngine(Runtime* runtime) {
  const char* const wanted = std::getenv("HALFPIPE_ENGINE");
  if (wanted != nullptr && *wanted != '\0' && std::strcmp(wanted, "epoll") != 0) {
    std::fprintf(stderr, "halfpipe: HALFPIPE_ENGINE=%s is not an engine of this build: epoll\n",
                 wanted);
    std::abort();
  }
  return std::make_unique<EpollEngine>(runtime);
}

}  // namespace halfpipe
