#ifndef HALFPIPE_HTTP_WALL_CLOCK_H_
#define HALFPIPE_HTTP_WALL_CLOCK_H_

#include <cstdint>

namespace halfpipe::http {

// The time of day by the system's clock, in seconds since the beginning of 1970: what Date fields
// say. Never to be measured with; it may be set back. Does not block.
int64_t UnixSeconds();

}  // namespace halfpipe::http

#endif  // HALFPIPE_HTTP_WALL_CLOCK_H_
