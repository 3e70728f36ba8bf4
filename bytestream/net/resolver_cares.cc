#include "bytestream/net/resolver_cares.h"

#include <ares.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <ctime>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "bytestream/base/check.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/net/host_name.h"
#include "bytestream/runtime/waiter.h"

namespace halfpipe {

// One lookup. Lives on the heap, because it may outlive whoever asked.
//
//   list      | waiter | who deletes it
//   queued    | set    | Lookup()
//   asked     | set    | Lookup(), or
//   asked     | null   | Answered(), when c-ares lets go of it
//   answered  | set    | Lookup(), when its turn comes
struct CaresResolver::Question {
  CaresResolver* resolver = nullptr;
  std::string name;
  IpFamily family = IpFamily::kIpv4;
  Waiter* waiter = nullptr;  // null once nobody waits
  enum class State { kQueued, kAsked, kAnswered } state = State::kQueued;
  int error = 0;
  std::vector<IpAddress> addresses;
  ListLink link;
};

struct CaresResolver::Lists {
  IntrusiveList<Question, &Question::link> queued;
  IntrusiveList<Question, &Question::link> asked;
  IntrusiveList<Question, &Question::link> answered;
};

// A socket of c-ares, and what c-ares waits for on it.
struct CaresResolver::Socket {
  EngineFd entry;
  bool readable = false;
  bool writable = false;
};

// While it lives, c-ares or something that it relies on is at work, and must not be entered again.
class CaresResolver::CaresCall {
 public:
  explicit CaresCall(CaresResolver* resolver) : resolver_(resolver) {
    HALFPIPE_CHECK(!std::exchange(resolver_->in_cares_, true));
  }
  ~CaresCall() { resolver_->in_cares_ = false; }
  CaresCall(const CaresCall&) = delete;
  CaresCall& operator=(const CaresCall&) = delete;

 private:
  CaresResolver* const resolver_;
};

namespace {

// 0 if a socket can be had now; for c-ares does not tell why it had none.
int SocketError() {
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return errno;
  close(fd);
  return 0;
}

int ErrnoOf(int status) {
  switch (status) {
    case ARES_SUCCESS:
      return 0;
    case ARES_ENODATA:
    case ARES_ENOTFOUND:
    case ARES_ENONAME:
    case ARES_EBADNAME:
      return EADDRNOTAVAIL;
    case ARES_ENOMEM:
      return ENOMEM;
    case ARES_ECONNREFUSED: {
      const int error = SocketError();
      return error == EMFILE || error == ENFILE || error == ENOMEM ? error : EHOSTUNREACH;
    }
    default:
      return EHOSTUNREACH;
  }
}

const char* Explanation(int error) {
  switch (error) {
    case EADDRNOTAVAIL:
      return "there is no address of that family for ";
    case EHOSTUNREACH:
      return "no name server gave an answer for ";
    case ETIMEDOUT:
      return "the time was over before an answer came for ";
    case ECANCELED:
      return "cancelled: the lookup of ";
    default:
      return "no means to look up ";
  }
}

absl::Status LookupStatus(int error, absl::string_view name) {
  return ErrnoStatus(error, absl::StrCat(Explanation(error), name.substr(0, kHostNameBytesMax)));
}

}  // namespace

CaresResolver::CaresResolver(Runtime* runtime, Options options)
    : runtime_(runtime), options_(std::move(options)), lists_(std::make_unique<Lists>()) {
  HALFPIPE_CHECK(options_.lookups_max > 0);
}

CaresResolver::~CaresResolver() {
  HALFPIPE_CHECK(runtime_->ending() || (lists_->queued.empty() && lists_->answered.empty() &&
                                        asked_count_ == abandoned_count_));
  if (channel_ != nullptr) CloseChannel(OnClose::kFail, ECANCELED);
  // Only where coroutines were abandoned in Lookup() is anything left.
  for (auto* list : {&lists_->queued, &lists_->asked, &lists_->answered}) {
    while (Question* const question = list->PopFront()) delete question;
  }
}

absl::StatusOr<std::vector<IpAddress>> CaresResolver::Lookup(absl::string_view name,
                                                             IpFamily family, Deadline deadline) {
  if (const int error = runtime_->CheckCancelled()) return LookupStatus(error, name);
  if (!IsHostName(name)) return LookupStatus(EADDRNOTAVAIL, name);
  Waiter waiter;
  Question* const question = new Question;
  question->resolver = this;
  question->name = std::string(name);
  question->family = family;
  question->waiter = &waiter;
  lists_->queued.PushBack(question);
  runtime_->HoldOutput(this);
  int error = runtime_->Wait(&waiter, deadline);
  // An answer that is here counts, although time ran out as well.
  if (question->state == Question::State::kAsked) {
    question->waiter = nullptr;
    ++abandoned_count_;
    runtime_->HoldOutput(this);  // to see whether anybody waits for anything
    return LookupStatus(error, name);
  }
  const std::unique_ptr<Question> done(question);
  if (done->state == Question::State::kAnswered) error = done->error;
  if (error != 0) return LookupStatus(error, name);
  return std::move(done->addresses);
}

// Does whatever there is to do outside of c-ares: begins lookups, drops what nobody waits for.
void CaresResolver::Settle() {
  if (watch_error_ != 0) {
    const int error = std::exchange(watch_error_, 0);
    CloseChannel(OnClose::kFail, error);
  }
  const bool unwanted = abandoned_count_ == asked_count_;
  // c-ares cannot drop a single query. Before abandoned ones keep out half of those that are
  // waited for, all are dropped and the others asked again.
  const bool crowded = !lists_->queued.empty() && asked_count_ >= options_.lookups_max &&
                       abandoned_count_ * 2 >= options_.lookups_max;
  if (channel_ != nullptr && (unwanted || crowded)) CloseChannel(OnClose::kAskAgain, ECANCELED);
  while (!lists_->queued.empty() && asked_count_ < options_.lookups_max && watch_error_ == 0) {
    Ask(lists_->queued.Front());
  }
  if (watch_error_ != 0) return Settle();  // cannot go on: all of them end there
  if (channel_ == nullptr) return;
  if (asked_count_ == 0) {
    CloseChannel(OnClose::kFail, ECANCELED);
  } else {
    ArmTimer();
  }
}

// Hands the first question of the queue to c-ares, which may answer it at once.
void CaresResolver::Ask(Question* question) {
  if (channel_ == nullptr) {
    if (const int error = OpenChannel()) return Finish(question, error);
  }
  question->state = Question::State::kAsked;
  lists_->asked.PushBack(question);
  ++asked_count_;
  ares_addrinfo_hints hints = {};
  hints.ai_family = question->family == IpFamily::kIpv6 ? AF_INET6 : AF_INET;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = ARES_AI_NOSORT;  // sorting is address_order.h's affair
  const CaresCall call(this);
  ares_getaddrinfo(
      channel_, question->name.c_str(), nullptr, &hints,
      [](void* argument, int status, int, ares_addrinfo* result) {
        Question* const asked = static_cast<Question*>(argument);
        asked->resolver->Answered(asked, status, result);
        if (result != nullptr) ares_freeaddrinfo(result);
      },
      question);
}

int CaresResolver::OpenChannel() {
  // Once for the process, and never undone.
  static const int library = ares_library_init(ARES_LIB_INIT_ALL);
  if (library != ARES_SUCCESS) return ENOMEM;
  if (const int error = OpenTimer()) return error;
  ares_options options = {};
  int given = ARES_OPT_SOCK_STATE_CB | ARES_OPT_LOOKUPS;
  options.sock_state_cb = [](void* resolver, ares_socket_t fd, int readable, int writable) {
    static_cast<CaresResolver*>(resolver)->SocketState(fd, readable != 0, writable != 0);
  };
  options.sock_state_cb_data = this;
  char servers_only[] = "b";  // no hosts file: that has been looked at
  options.lookups = servers_only;
  if (options_.try_timeout_ms > 0) {
    options.timeout = options_.try_timeout_ms;
    given |= ARES_OPT_TIMEOUTMS;
  }
  if (options_.tries > 0) {
    options.tries = options_.tries;
    given |= ARES_OPT_TRIES;
  }
  if (!options_.servers.empty()) {
    options.flags = ARES_FLAG_NOSEARCH;
    given |= ARES_OPT_FLAGS | ARES_OPT_DOMAINS;  // no domains
  }
  const CaresCall call(this);
  int status = ares_init_options(&channel_, &options, given);
  if (status != ARES_SUCCESS) channel_ = nullptr;
  if (status == ARES_SUCCESS && !options_.servers.empty()) {
    status = ares_set_servers_ports_csv(channel_, options_.servers.c_str());
    if (status != ARES_SUCCESS) ares_destroy(std::exchange(channel_, nullptr));
  }
  if (status == ARES_SUCCESS) return 0;
  const int timer_fd = timer_.fd;
  runtime_->engine().Detach(&timer_);
  close(timer_fd);
  return status == ARES_ENOMEM ? ENOMEM : EHOSTUNREACH;
}

int CaresResolver::OpenTimer() {
  const int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  if (fd < 0) return errno;
  runtime_->engine().Attach(&timer_, fd);
  timer_watched_ = false;
  return 0;
}

void CaresResolver::CloseChannel(OnClose on_close, int error) {
  on_close_ = on_close;
  close_error_ = error;
  {
    const CaresCall call(this);
    ares_destroy(std::exchange(channel_, nullptr));
  }
  HALFPIPE_CHECK(asked_count_ == 0 && sockets_.empty());
  const int timer_fd = timer_.fd;
  runtime_->engine().Detach(&timer_);
  close(timer_fd);
}

// c-ares lets go of a question.
void CaresResolver::Answered(Question* question, int status, const ares_addrinfo* result) {
  --asked_count_;
  if (question->waiter == nullptr) {
    --abandoned_count_;
    delete question;
    return;
  }
  if (status == ARES_EDESTRUCTION || status == ARES_ECANCELLED) {
    if (on_close_ == OnClose::kFail) return Finish(question, close_error_);
    question->state = Question::State::kQueued;
    lists_->queued.PushFront(question);
    return;
  }
  const ares_addrinfo_node* node = result != nullptr ? result->nodes : nullptr;
  for (; node != nullptr && question->addresses.size() < kLookupAddressesMax;
       node = node->ai_next) {
    std::optional<IpAddress> address =
        IpAddress::FromSockaddr(node->ai_addr, static_cast<socklen_t>(node->ai_addrlen));
    if (!address.has_value() || address->family() != question->family) continue;
    address->set_port(0);
    question->addresses.push_back(*address);
  }
  int error = ErrnoOf(status);
  if (error == 0 && question->addresses.empty()) error = EADDRNOTAVAIL;
  Finish(question, error);
}

void CaresResolver::Finish(Question* question, int error) {
  question->state = Question::State::kAnswered;
  question->error = error;
  lists_->answered.PushBack(question);
  runtime_->Wake(question->waiter);
}

// c-ares wants to hear of a socket of its own; of no direction when it is about to close it.
void CaresResolver::SocketState(int fd, bool readable, bool writable) {
  std::unique_ptr<Socket>& slot = sockets_[fd];
  if (!readable && !writable) {
    if (slot != nullptr) runtime_->engine().Detach(&slot->entry);
    sockets_.erase(fd);
    return;
  }
  if (slot == nullptr) {
    slot = std::make_unique<Socket>();
    runtime_->engine().Attach(&slot->entry, fd);
  }
  slot->readable = readable;
  slot->writable = writable;
  Watch(fd, slot.get());
}

// Callbacks are for one time, so this is done again after each. An engine that cannot take up the
// descriptor calls back at once, see RefuseReentry().
void CaresResolver::Watch(int fd, Socket* socket) {
  Engine& engine = runtime_->engine();
  if (socket->readable) {
    engine.OnReadable(&socket->entry, [this, fd] { OnSocketReady(fd, true); });
  } else {
    engine.OnReadable(&socket->entry, nullptr);
  }
  if (socket->writable) {
    engine.OnWritable(&socket->entry, [this, fd] { OnSocketReady(fd, false); });
  } else {
    engine.OnWritable(&socket->entry, nullptr);
  }
}

// A callback that comes while c-ares is at work is the engine saying that it has no means to watch
// the descriptor.
bool CaresResolver::RefuseReentry() {
  if (!in_cares_) return false;
  watch_error_ = errno == EMFILE || errno == ENFILE ? errno : ENOMEM;
  return true;
}

void CaresResolver::OnSocketReady(int fd, bool readable) {
  if (RefuseReentry()) return;
  {
    const CaresCall call(this);
    ares_process_fd(channel_, readable ? fd : ARES_SOCKET_BAD, readable ? ARES_SOCKET_BAD : fd);
    // It may be closed now, or even be another one of the same number, which is as good.
    const auto found = sockets_.find(fd);
    if (found != sockets_.end()) Watch(fd, found->second.get());
  }
  Settle();
}

void CaresResolver::ArmTimer() {
  timeval room = {};
  const timeval* const left = ares_timeout(channel_, nullptr, &room);
  itimerspec setting = {};
  if (left != nullptr) {
    setting.it_value.tv_sec = left->tv_sec;
    setting.it_value.tv_nsec = static_cast<long>(left->tv_usec) * 1000;
    // All 0 would disarm it.
    if (left->tv_sec == 0 && left->tv_usec == 0) setting.it_value.tv_nsec = 1;
  }
  timerfd_settime(timer_.fd, 0, &setting, nullptr);
  if (timer_watched_) return;
  timer_watched_ = true;
  {
    const CaresCall call(this);
    runtime_->engine().OnReadable(&timer_, [this] { OnTimer(); });
  }
  if (watch_error_ != 0) Settle();
}

void CaresResolver::OnTimer() {
  if (RefuseReentry()) return;
  timer_watched_ = false;
  uint64_t times;
  static_cast<void>(!read(timer_.fd, &times, sizeof(times)));
  {
    const CaresCall call(this);
    ares_process_fd(channel_, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
  }
  Settle();
}

}  // namespace halfpipe
