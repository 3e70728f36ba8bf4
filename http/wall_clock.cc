#include "http/wall_clock.h"

#include <ctime>

namespace halfpipe::http {

int64_t UnixSeconds() { return static_cast<int64_t>(std::time(nullptr)); }

}  // namespace halfpipe::http
