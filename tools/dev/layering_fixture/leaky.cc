// What a pure source file may not include.

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>
