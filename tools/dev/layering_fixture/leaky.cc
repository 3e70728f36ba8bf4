// What a pure source file may not include.

#include <sys/socket.h>
#include <sys/epoll.h>
#  include <thread>
#include <unistd.h>
