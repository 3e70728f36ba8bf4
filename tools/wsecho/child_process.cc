#include "tools/wsecho/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>

#include "bytestream/base/check.h"
#include "gtest/gtest.h"

namespace halfpipe::tools {
namespace {

constexpr std::chrono::seconds kBound(120);

std::array<int, 2> Pipe() {
  std::array<int, 2> fds;
  HALFPIPE_CHECK(pipe2(fds.data(), O_CLOEXEC) == 0);
  return fds;
}

// Our end and the program's end.
std::array<int, 2> Terminal() {
  const int ours = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  HALFPIPE_CHECK(ours >= 0 && grantpt(ours) == 0 && unlockpt(ours) == 0);
  const int theirs = open(ptsname(ours), O_RDWR | O_NOCTTY | O_CLOEXEC);
  HALFPIPE_CHECK(theirs >= 0);
  return {ours, theirs};
}

// In the new process.
[[noreturn]] void Execute(char* const* arguments, const ChildProcess::Options& options) {
  for (const std::string& variable : options.environment) {
    putenv(const_cast<char*>(variable.c_str()));
  }
  execvp(arguments[0], arguments);
  _exit(127);
}

int MillisUntil(std::chrono::steady_clock::time_point end) {
  const auto left = end - std::chrono::steady_clock::now();
  const auto millis = std::chrono::duration_cast<std::chrono::milliseconds>(left).count();
  return millis > 0 ? static_cast<int>(millis) : 0;
}

}  // namespace

ChildProcess::ChildProcess(const std::vector<std::string>& command, const Options& options) {
  std::vector<char*> arguments;
  for (const std::string& argument : command) {
    arguments.push_back(const_cast<char*>(argument.c_str()));
  }
  arguments.push_back(nullptr);
  std::array<int, 2> in = {-1, -1};
  if (options.input_path.empty()) {
    in = Pipe();
  } else {
    in[0] = open(options.input_path.c_str(), O_RDONLY | O_CLOEXEC);
    HALFPIPE_CHECK(in[0] >= 0);
  }
  const std::array<int, 2> out = options.terminal ? Terminal() : Pipe();
  const std::array<int, 2> err = Pipe();
  pid_ = fork();
  HALFPIPE_CHECK(pid_ >= 0);
  if (pid_ == 0) {
    dup2(in[0], STDIN_FILENO);
    dup2(out[1], STDOUT_FILENO);
    dup2(err[1], STDERR_FILENO);
    Execute(arguments.data(), options);
  }
  close(in[0]);
  close(out[1]);
  close(err[1]);
  in_fd_ = in[1];
  out_.fd = out[0];
  err_.fd = err[0];
  if (in_fd_ >= 0) fcntl(in_fd_, F_SETFL, O_NONBLOCK);
  std::signal(SIGPIPE, SIG_IGN);
}

ChildProcess::~ChildProcess() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  CloseInput();
  for (Stream* stream : {&out_, &err_}) {
    if (stream->fd >= 0) close(stream->fd);
  }
}

void ChildProcess::Write(absl::string_view bytes) {
  const auto end = std::chrono::steady_clock::now() + kBound;
  while (!bytes.empty() && Pump(&bytes, MillisUntil(end))) {
  }
  EXPECT_TRUE(bytes.empty()) << "the program does not read; errors: " << err_.bytes;
}

void ChildProcess::CloseInput() {
  if (in_fd_ >= 0) close(in_fd_);
  in_fd_ = -1;
}

void ChildProcess::Signal(int signal) {
  // -1, which it is after the end, would be every process there is.
  HALFPIPE_CHECK(pid_ > 0);
  EXPECT_EQ(kill(pid_, signal), 0);
}

// Takes what can be read now. False at the end.
bool ChildProcess::Take(Stream* stream) {
  char buffer[65536];
  const ssize_t count = read(stream->fd, buffer, sizeof(buffer));
  if (count > 0) stream->bytes.append(buffer, static_cast<size_t>(count));
  if (count > 0 || (count < 0 && errno == EINTR)) return true;
  close(stream->fd);
  stream->fd = -1;
  return false;
}

// Waits for any of the streams and moves bytes. False if none is left, or nothing came in time.
bool ChildProcess::Pump(absl::string_view* input, int timeout_ms) {
  // poll() passes over negative descriptors.
  std::array<pollfd, 3> wanted = {pollfd{out_.fd, POLLIN, 0}, pollfd{err_.fd, POLLIN, 0},
                                  pollfd{input->empty() ? -1 : in_fd_, POLLOUT, 0}};
  if (out_.fd < 0 && err_.fd < 0) return false;
  if (poll(wanted.data(), wanted.size(), timeout_ms) <= 0) return false;
  if (wanted[0].revents != 0) Take(&out_);
  if (wanted[1].revents != 0) Take(&err_);
  if (wanted[2].revents != 0) {
    const ssize_t count = write(in_fd_, input->data(), input->size());
    if (count > 0) input->remove_prefix(static_cast<size_t>(count));
    // Nobody reads any more: that is the program's affair.
    if (count < 0 && errno == EPIPE) input->remove_prefix(input->size());
  }
  return true;
}

std::string ChildProcess::ReadLineFrom(Stream* stream) {
  const auto end = std::chrono::steady_clock::now() + kBound;
  absl::string_view no_input;
  size_t line_end;
  while ((line_end = stream->bytes.find('\n')) == std::string::npos) {
    if (stream->fd < 0 || !Pump(&no_input, MillisUntil(end))) {
      ADD_FAILURE() << "no line; output: " << out_.bytes << "\nerrors: " << err_.bytes;
      return "";
    }
  }
  std::string line = stream->bytes.substr(0, line_end);
  stream->bytes.erase(0, line_end + 1);
  return line;
}

std::string ChildProcess::Read(size_t size) {
  const auto end = std::chrono::steady_clock::now() + kBound;
  absl::string_view no_input;
  while (out_.bytes.size() < size && out_.fd >= 0 && Pump(&no_input, MillisUntil(end))) {
  }
  EXPECT_GE(out_.bytes.size(), size) << "errors: " << err_.bytes;
  const std::string bytes = out_.bytes.substr(0, size);
  out_.bytes.erase(0, size);
  return bytes;
}

int ChildProcess::Finish(absl::string_view input) {
  HALFPIPE_CHECK(pid_ > 0);
  const auto end = std::chrono::steady_clock::now() + kBound;
  do {
    if (input.empty()) CloseInput();
  } while (Pump(&input, MillisUntil(end)));
  const bool ended = out_.fd < 0 && err_.fd < 0;
  EXPECT_TRUE(ended) << "the program goes on; output: " << out_.bytes.substr(0, 1000)
                     << "\nerrors: " << err_.bytes;
  if (!ended) kill(pid_, SIGKILL);
  int status = 0;
  EXPECT_EQ(waitpid(pid_, &status, 0), pid_);
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int ChildProcess::Wait() {
  const int kept = in_fd_;
  in_fd_ = -1;
  const int status = Finish(absl::string_view());
  in_fd_ = kept;
  return status;
}

}  // namespace halfpipe::tools
