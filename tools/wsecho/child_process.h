#ifndef HALFPIPE_TOOLS_WSECHO_CHILD_PROCESS_H_
#define HALFPIPE_TOOLS_WSECHO_CHILD_PROCESS_H_

#include <sys/types.h>

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace halfpipe::tools {

// A program that a test runs, with pipes to its standard streams. For tests: what takes longer than
// two minutes or should not happen fails the test. Blocks the thread.
//
// Example:
//   ChildProcess server({"tools/wsecho/wsecho", "--listen=127.0.0.1:0"});
//   EXPECT_EQ(server.ReadLine(), "listening on ...");
//   server.Signal(SIGTERM);
//   EXPECT_EQ(server.Wait(), 0);
class ChildProcess {
 public:
  struct Options {
    // "NAME=VALUE", besides what the test has.
    std::vector<std::string> environment;
    // Standard input from this file instead of a pipe, if not empty.
    std::string input_path;
    // Standard output is a terminal.
    bool terminal = false;
  };

  // The program's path, or a name on the PATH, and its arguments.
  explicit ChildProcess(const std::vector<std::string>& command)
      : ChildProcess(command, Options()) {}
  ChildProcess(const std::vector<std::string>& command, const Options& options);
  // Kills the program if it still runs.
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  // Takes what the program writes meanwhile, as do all that wait.
  void Write(absl::string_view bytes);
  void CloseInput();

  // The next line of standard output (of standard error), without its end. "" and a failed test if
  // the stream ends before.
  std::string ReadLine() { return ReadLineFrom(&out_); }
  std::string ReadErrorLine() { return ReadLineFrom(&err_); }

  // The next `size` bytes of standard output; fewer and a failed test if it ends before.
  std::string Read(size_t size);

  // Not after Finish() or Wait().
  void Signal(int signal);

  // Gives the program `input` and the end of its input, and waits for its end, taking what it
  // writes. Returns its exit status, or 128 and the signal. Once.
  int Finish(absl::string_view input);
  // As Finish(), but input that is open stays open.
  int Wait();

  // What Finish() or Wait() has taken.
  const std::string& output() const { return out_.bytes; }
  const std::string& errors() const { return err_.bytes; }

 private:
  struct Stream {
    int fd = -1;
    std::string bytes;
  };

  std::string ReadLineFrom(Stream* stream);
  bool Pump(absl::string_view* input, int timeout_ms);
  static bool Take(Stream* stream);

  pid_t pid_ = -1;
  int in_fd_ = -1;
  Stream out_;
  Stream err_;
};

}  // namespace halfpipe::tools

#endif  // HALFPIPE_TOOLS_WSECHO_CHILD_PROCESS_H_
