// The errors of sockets.h that only a system in trouble gives, call by call. What the connection is
// afterwards, and every other errno that a system call can have, is in sockets_fault_test.cc.

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <deque>
#include <functional>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "bytestream/channels.h"
#include "bytestream/net/net_test_support.h"
#include "bytestream/runtime/runtime.h"
#include "bytestream/sockets_test_support.h"
#include "bytestream/testing/allocation_faults.h"
#include "bytestream/testing/every_number.h"
#include "bytestream/testing/syscall_faults.h"
#include "gtest/gtest.h"
// After all others: "coroutine" is a macro here.
#include "bytestream/sockets.h"

namespace halfpipe {
namespace {

coroutine void Nothing() {}

// Listeners of both kinds, each with a connection that waits to be accepted.
class SocketsErrorsTest : public CCallTest {
 protected:
  void SetUp() override {
    char directory[] = "/tmp/halfpipe_errors_XXXXXX";
    ASSERT_NE(mkdtemp(directory), nullptr);
    directory_ = directory;
    path_ = directory_ + "/s";
    ASSERT_EQ(ipaddr_local(&addr_, "127.0.0.1", 0, 0), 0);
    tcp_ = tcp_listen(&addr_, 10);
    ipc_ = ipc_listen(path_.c_str(), 10);
    // So that the engine has its descriptors, and the table its first chunk.
    EXPECT_FAILS(ETIMEDOUT, tcp_accept(tcp_, nullptr, now() + 1));
  }
  void TearDown() override {
    for (const int h : {tcp_, ipc_}) EXPECT_EQ(hclose(h), 0);
    unlink(path_.c_str());
    EXPECT_EQ(rmdir(directory_.c_str()), 0);
    CCallTest::TearDown();
  }

  struct Call {
    const char* name;
    std::function<int()> make;
  };

  std::vector<Call> Connects() {
    return {
        {"tcp_connect", [this] { return tcp_connect(&addr_, -1); }},
        {"tcp_connect_mem", [this] { return tcp_connect_mem(&addr_, &tcp_storage_, -1); }},
        {"ipc_connect", [this] { return ipc_connect(path_.c_str(), -1); }},
        {"ipc_connect_mem", [this] { return ipc_connect_mem(path_.c_str(), &ipc_storage_, -1); }}};
  }
  std::vector<Call> TcpConnects() { return {Connects()[0], Connects()[1]}; }
  std::vector<Call> Listens() {
    return {{"tcp_listen",
             [] {
               dill_ipaddr any;
               EXPECT_EQ(ipaddr_local(&any, "127.0.0.1", 0, 0), 0);
               return tcp_listen(&any, 10);
             }},
            {"tcp_listen_mem",
             [this] {
               dill_ipaddr any;
               EXPECT_EQ(ipaddr_local(&any, "127.0.0.1", 0, 0), 0);
               return tcp_listen_mem(&any, 10, &tcp_listener_storage_);
             }},
            {"ipc_listen",
             [this] {
               unlink((path_ + "2").c_str());
               return ipc_listen((path_ + "2").c_str(), 10);
             }},
            {"ipc_listen_mem", [this] {
               unlink((path_ + "2").c_str());
               return ipc_listen_mem((path_ + "2").c_str(), 10, &ipc_listener_storage_);
             }}};
  }
  std::vector<Call> Accepts() {
    return {{"tcp_accept", [this] { return tcp_accept(tcp_, nullptr, -1); }},
            {"tcp_accept_mem", [this] { return tcp_accept_mem(tcp_, nullptr, &tcp_storage_, -1); }},
            {"ipc_accept", [this] { return ipc_accept(ipc_, -1); }},
            {"ipc_accept_mem", [this] { return ipc_accept_mem(ipc_, &ipc_storage_, -1); }}};
  }

  // A client for each of Accepts().
  std::vector<int> Clients() {
    std::vector<int> clients;
    for (int i = 0; i < 2; ++i) {
      clients.push_back(tcp_connect(&addr_, -1));
      clients.push_back(ipc_connect(path_.c_str(), -1));
    }
    return clients;
  }

  // Each of `calls` fails with each of `errors` where `system_call` does, and works afterwards.
  void ExpectEach(Syscall system_call, std::initializer_list<int> errors,
                  const std::vector<Call>& calls) {
    for (const Call& call : calls) {
      SCOPED_TRACE(call.name);
      for (const int error : errors) {
        SyscallFault fault({system_call}, 0, error);
        EXPECT_FAILS(error, call.make());
        EXPECT_TRUE(fault.hit());
      }
      const int h = call.make();
      EXPECT_GT(h, 0);
      EXPECT_EQ(hclose(h), 0);
    }
    unlink((path_ + "2").c_str());
  }

  std::string directory_;
  std::string path_;
  dill_ipaddr addr_;
  int tcp_ = -1;
  int ipc_ = -1;
  dill_tcp_storage tcp_storage_;
  dill_ipc_storage ipc_storage_;
  dill_tcp_listener_storage tcp_listener_storage_;
  dill_ipc_listener_storage ipc_listener_storage_;
};

TEST_F(SocketsErrorsTest, NoDescriptorsOrMemoryForASocket) {
  const std::initializer_list<int> errors = {EMFILE, ENFILE, ENOMEM, ENOBUFS, EAFNOSUPPORT};
  ExpectEach(Syscall::kSocket, errors, Connects());
  ExpectEach(Syscall::kSocket, errors, Listens());
  for (const int error : errors) {
    SyscallFault fault({Syscall::kSocketpair}, 0, error);
    int pair[2];
    EXPECT_FAILS(error, ipc_pair(pair));
    SyscallFault again({Syscall::kSocketpair}, 0, error);
    dill_ipc_pair_storage storage;
    EXPECT_FAILS(error, ipc_pair_mem(&storage, pair));
  }
}

TEST_F(SocketsErrorsTest, NoDescriptorsOrMemoryToAccept) {
  const std::vector<int> clients = Clients();
  ExpectEach(Syscall::kAccept4, {EMFILE, ENFILE, ENOMEM, ENOBUFS}, Accepts());
  for (const int h : clients) EXPECT_EQ(hclose(h), 0);
}

TEST_F(SocketsErrorsTest, ConnectingAsTheSystemSays) {
  ExpectEach(Syscall::kConnect,
             {ECONNREFUSED, ECONNRESET, EHOSTUNREACH, ENETUNREACH, ENETDOWN, EADDRNOTAVAIL,
              EADDRINUSE, EACCES, EPERM, ETIMEDOUT},
             TcpConnects());
  ExpectEach(Syscall::kConnect, {ECONNREFUSED, ENOENT, ENOTDIR, ELOOP, EACCES, EPERM, EPROTOTYPE},
             {Connects()[2], Connects()[3]});
}

TEST_F(SocketsErrorsTest, ListeningAsTheSystemSays) {
  ExpectEach(Syscall::kBind, {EADDRINUSE, EADDRNOTAVAIL, EACCES, EPERM},
             {Listens()[0], Listens()[1]});
  ExpectEach(Syscall::kBind, {EADDRINUSE, EACCES, EPERM, ENOENT, ENOTDIR, ELOOP, EROFS, ENOSPC},
             {Listens()[2], Listens()[3]});
  ExpectEach(Syscall::kListen, {EADDRINUSE}, Listens());
}

// In a connection whose network goes away, both directions say how.
TEST_F(SocketsErrorsTest, ConnectionsBreakAsTheSystemSays) {
  for (const int error : {ECONNRESET, EHOSTUNREACH, ENETUNREACH, ENETDOWN, ECONNABORTED}) {
    for (const bool sends : {false, true}) {
      int s[2];
      ASSERT_EQ(ipc_pair(s), 0);
      char byte = 'x';
      {
        SyscallFault fault({sends ? Syscall::kSendmsg : Syscall::kRecvmsg}, 0, error);
        EXPECT_FAILS(error, sends ? bsend(s[0], &byte, 1, -1) : brecv(s[0], &byte, 1, -1));
      }
      EXPECT_FAILS(error, sends ? bsend(s[0], &byte, 1, -1) : brecv(s[0], &byte, 1, -1));
      EXPECT_FAILS(error, sends ? ipc_done(s[0], -1) : brecvl(s[0], nullptr, nullptr, -1));
      EXPECT_FAILS(error, ipc_close(s[0], sends ? -1 : 0));
      EXPECT_FAILS(EBADF, hclose(s[0]));
      EXPECT_EQ(hclose(s[1]), 0);
    }
  }
}

// ---- No memory ---------------------------------------------------------------------------------

TEST_F(SocketsErrorsTest, NoMemoryForAnObject) {
  const std::vector<int> clients = Clients();
  int s[2] = {-1, -1};
  ASSERT_EQ(ipc_pair(s), 0);
  std::vector<Call> calls = {{"bundle", [] { return bundle(); }},
                             {"go", [] { return go(Nothing()); }},
                             {"chmake", [] {
                                int ends[2];
                                if (chmake(ends) != 0) return -1;
                                EXPECT_EQ(hclose(ends[1]), 0);
                                return ends[0];
                              }}};
  for (const std::vector<Call>& more : {Connects(), Listens(), Accepts()}) {
    // Those on storage of the caller need none.
    calls.push_back(more[0]);
    calls.push_back(more[2]);
  }
  for (const Call& call : calls) {
    SCOPED_TRACE(call.name);
    const int requests = SweepAllocations([&](AllocationFault& fault) {
      errno = 0;
      int h = call.make();
      if (fault.hit()) {
        EXPECT_EQ(h, -1);
        EXPECT_EQ(errno, ENOMEM);
        // Nothing has been lost: so it goes again, with what there was before.
        h = call.make();
      }
      EXPECT_GT(h, 0);
      EXPECT_EQ(hclose(h), 0);
    });
    EXPECT_EQ(requests, 1);
    // One connection fewer waits, or one more that nobody will use.
    if (std::string(call.name) == "tcp_connect") {
      EXPECT_EQ(hclose(tcp_accept(tcp_, nullptr, -1)), 0);
    }
  }
  unlink((path_ + "2").c_str());
  for (const int h : {clients[0], clients[1], clients[2], clients[3], s[0], s[1]}) {
    EXPECT_EQ(hclose(h), 0);
  }
}

TEST_F(SocketsErrorsTest, NoMemoryForBothEndsOfAPair) {
  SweepAllocations([&](AllocationFault& fault) {
    int s[2] = {-7, -7};
    const int result = ipc_pair(s);
    EXPECT_EQ(result, fault.hit() ? -1 : 0);
    if (result < 0) {
      EXPECT_EQ(errno, ENOMEM);
      EXPECT_EQ(s[0], -7);
      return;
    }
    for (const int h : s) EXPECT_EQ(hclose(h), 0);
  });
}

// A descriptor that gets no handle is still the caller's.
TEST_F(SocketsErrorsTest, NoMemoryToTakeADescriptorOver) {
  for (int kind = 0; kind < 4; ++kind) {
    const bool tcp = kind < 2;
    const bool listener = kind % 2 == 1;
    std::array<int, 2> fds = ConnectedFds(tcp ? Transport::kTcp : Transport::kUnix);
    if (listener) {
      for (const int fd : fds) EXPECT_EQ(close(fd), 0);
      fds[0] = socket(tcp ? AF_INET : AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
      fds[1] = -1;
      sockaddr_storage address = {};
      address.ss_family = tcp ? AF_INET : AF_UNIX;
      ASSERT_EQ(bind(fds[0], reinterpret_cast<sockaddr*>(&address),
                     tcp ? sizeof(address) : sizeof(sa_family_t)),
                0);
      ASSERT_EQ(listen(fds[0], 1), 0);
    }
    const auto take = [&] {
      if (tcp) return listener ? tcp_listener_fromfd(fds[0]) : tcp_fromfd(fds[0]);
      return listener ? ipc_listener_fromfd(fds[0]) : ipc_fromfd(fds[0]);
    };
    {
      AllocationFault fault(0);
      EXPECT_FAILS(ENOMEM, take());
      EXPECT_TRUE(fault.hit());
    }
    const int h = take();
    EXPECT_GT(h, 0);
    EXPECT_EQ(hclose(h), 0);
    if (fds[1] >= 0) {
      EXPECT_EQ(close(fds[1]), 0);
    }
  }
}

// The table of handles grows by chunks; whoever needs the next one is told.
TEST_F(SocketsErrorsTest, NoMemoryForTheTableOfHandles) {
  std::vector<int> bundles;
  int error = 0;
  for (int i = 0; i < 5'000 && error == 0; ++i) {
    // The object is the first request, the chunk the second one.
    AllocationFault fault(1);
    const int h = bundle();
    if (h < 0) {
      error = errno;
      break;
    }
    bundles.push_back(h);
  }
  EXPECT_EQ(error, ENOMEM);
  {
    AllocationFault fault(0);
    EXPECT_FAILS(ENOMEM, hown(bundles.back()));
    EXPECT_TRUE(fault.hit());
    AllocationFault again(0);
    dill_bundle_storage storage;
    EXPECT_FAILS(ENOMEM, bundle_mem(&storage));
    AllocationFault third(0);
    alignas(16) char stack[16'384];
    EXPECT_FAILS(ENOMEM, go_mem(Nothing(), stack, sizeof(stack)));
    AllocationFault fourth(0);
    EXPECT_FAILS(ENOMEM, tcp_listen_mem(&addr_, 10, &tcp_listener_storage_));
  }
  for (const int h : bundles) EXPECT_EQ(hclose(h), 0);
}

// A connection that comes when the table of handles has filled up meanwhile is not lost: its number
// was kept for it before the wait.
TEST_F(SocketsErrorsTest, AnAcceptHasItsHandleBeforeItWaits) {
  for (const Call& accept : Accepts()) {
    SCOPED_TRACE(accept.name);
    const bool tcp = std::string(accept.name).find("tcp") == 0;
    int s = 0;
    const int h = go([](const Call* call, int* result) { *result = call->make(); }(&accept, &s));
    const int client = socket(tcp ? AF_INET : AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    std::vector<int> bundles;
    std::deque<dill_bundle_storage> storages;
    // Nothing is allocated but chunks of the table.
    int error = 0;
    while (error == 0 && bundles.size() < 5'000) {
      storages.emplace_back();
      AllocationFault fault(0);
      const int b = bundle_mem(&storages.back());
      if (b < 0) {
        error = errno;
      } else {
        bundles.push_back(b);
      }
    }
    EXPECT_EQ(error, ENOMEM);
    {
      AllocationFault fault(0);
      fault.FailOn();
      if (tcp) {
        EXPECT_EQ(connect(client, dill_ipaddr_sockaddr(&addr_), dill_ipaddr_len(&addr_)), 0);
      } else {
        sockaddr_un address = {};
        address.sun_family = AF_UNIX;
        path_.copy(address.sun_path, sizeof(address.sun_path) - 1);
        EXPECT_EQ(connect(client, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
      }
      EXPECT_EQ(bundle_wait(h, -1), 0);
    }
    EXPECT_GT(s, 0);
    EXPECT_EQ(hclose(s), 0);
    EXPECT_EQ(close(client), 0);
    EXPECT_EQ(hclose(h), 0);
    for (const int b : bundles) EXPECT_EQ(hclose(b), 0);
  }
}

TEST_F(SocketsErrorsTest, NoMemoryForAStack) {
  SyscallFault fault({Syscall::kMmap}, 0, ENOMEM);
  fault.FailOn();
  EXPECT_FAILS(ENOMEM, go(Nothing()));
  const int b = bundle();
  EXPECT_FAILS(ENOMEM, bundle_go(b, Nothing()));
  EXPECT_EQ(hclose(b), 0);
}

// Of a list above sixteen pieces nothing is sent or received.
TEST_F(SocketsErrorsTest, NoMemoryForALongList) {
  int s[2];
  ASSERT_EQ(ipc_pair(s), 0);
  std::vector<dill_iolist> list(17);
  std::string text(17, 'x');
  for (size_t i = 0; i < 17; ++i) list[i] = {&text[i], 1, i < 16 ? &list[i + 1] : nullptr, 0};
  for (const bool sends : {true, false}) {
    const auto call = [&] {
      return sends ? bsendl(s[0], &list.front(), &list.back(), -1)
                   : brecvl(s[1], &list.front(), &list.back(), -1);
    };
    {
      AllocationFault fault(0);
      EXPECT_FAILS(ENOMEM, call());
      EXPECT_TRUE(fault.hit());
    }
    EXPECT_EQ(call(), 0);
  }
  for (const int h : s) EXPECT_EQ(hclose(h), 0);
}

// Where an interrupted receive finds no memory for what had come, receiving is over; no byte is
// taken for another, and sending goes on.
TEST_F(SocketsErrorsTest, NoMemoryToSetReceivedBytesAside) {
  for (const bool skips : {false, true}) {
    SweepAllocations([&](AllocationFault& fault) {
      fault.set_armed(false);
      int s[2];
      ASSERT_EQ(ipc_pair(s), 0);
      const std::string sent = Pattern(30'000);
      ASSERT_EQ(bsend(s[1], sent.data(), sent.size(), -1), 0);
      std::string got(40'000, '\0');
      dill_iolist third = {got.data() + 30'000, 10'000, nullptr, 0};
      dill_iolist second = {nullptr, 10'000, &third, 0};
      dill_iolist first = {got.data(), 20'000, &second, 0};
      const auto receive = [&](size_t size) {
        third.iol_len = size - 30'000;
        return skips ? brecvl(s[0], &first, &third, 0) : brecv(s[0], got.data(), size, 0);
      };
      fault.set_armed(true);
      const int result = receive(40'000);
      fault.set_armed(false);
      EXPECT_EQ(result, -1);
      EXPECT_EQ(errno, fault.hit() ? ENOMEM : ETIMEDOUT);
      ASSERT_EQ(bsend(s[1], sent.data(), 10'000, -1), 0);
      EXPECT_EQ(receive(40'000), fault.hit() ? -1 : 0);
      if (fault.hit()) {
        EXPECT_EQ(errno, ENOMEM);
        EXPECT_FAILS(ENOMEM, brecv(s[0], got.data(), 1, -1));
      } else {
        EXPECT_TRUE(got.substr(0, 20'000) == sent.substr(0, 20'000));
        EXPECT_TRUE(got.substr(30'000) == sent.substr(0, 10'000));
      }
      EXPECT_EQ(bsend(s[0], "x", 1, -1), 0);
      for (const int h : s) EXPECT_EQ(hclose(h), 0);
    });
  }
}

// A tail that cannot be kept breaks the connection.
TEST_F(SocketsErrorsTest, NoMemoryForATail) {
  int s[2];
  ASSERT_EQ(ipc_pair(s), 0);
  const std::string bytes(900'000, 'x');
  {
    AllocationFault fault(0);
    EXPECT_FAILS(ECONNRESET, bsend(s[0], bytes.data(), bytes.size(), 0));
    EXPECT_TRUE(fault.hit());
  }
  EXPECT_FAILS(ECONNRESET, bsend(s[0], "x", 1, -1));
  for (const int h : s) EXPECT_EQ(hclose(h), 0);
}

// ---- No numbers --------------------------------------------------------------------------------

// With a million handles open no call makes one more, and nothing is lost by that.
TEST_F(SocketsErrorsTest, NoNumberForAHandle) {
  const std::vector<int> clients = Clients();
  const int b = bundle();
  const std::array<int, 2> fds = ConnectedFds(Transport::kTcp);
  std::vector<Call> calls = {{"bundle", [] { return bundle(); }},
                             {"go", [] { return go(Nothing()); }},
                             {"tcp_fromfd", [&] { return tcp_fromfd(fds[0]); }},
                             {"happyeyeballs_connect", [&] {
                                return happyeyeballs_connect("127.0.0.1", ipaddr_port(&addr_), -1);
                              }}};
  for (const std::vector<Call>& more : {Connects(), Listens(), Accepts()}) {
    calls.insert(calls.end(), more.begin(), more.end());
  }
  {
    const EveryNumber all;
    for (const Call& call : calls) {
      SCOPED_TRACE(call.name);
      EXPECT_FAILS(EMFILE, call.make());
    }
    EXPECT_FAILS(EMFILE, hown(b));
    int pair[2];
    EXPECT_FAILS(EMFILE, ipc_pair(pair));
    EXPECT_FAILS(EMFILE, chmake(pair));
    // What needs no number goes on.
    EXPECT_EQ(bundle_go(b, Nothing()), 0);
    EXPECT_EQ(bundle_wait(b, -1), 0);
  }
  for (const Call& accept : Accepts()) {
    const int s = accept.make();
    EXPECT_GT(s, 0);
    EXPECT_EQ(hclose(s), 0);
  }
  for (const int h : clients) EXPECT_EQ(hclose(h), 0);
  EXPECT_EQ(hclose(b), 0);
  for (const int fd : fds) EXPECT_EQ(close(fd), 0);
}

}  // namespace
}  // namespace halfpipe
