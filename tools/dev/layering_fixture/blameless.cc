// Value types of bytestream/base, the standard library and <errno.h> are for everybody.

#include <cerrno>
#include <cstdio>
#include <string>

#include "bytestream/base/errno_status.h"
