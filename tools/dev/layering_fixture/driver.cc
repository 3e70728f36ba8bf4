// Testonly rules may wait.

#include <unistd.h>
