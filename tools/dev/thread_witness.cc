// thread_witness PROGRAM ARGUMENT...
//
// For Bazel's --run_under: runs a test, and says at the end of its output which programs of this
// repository, if any, began a thread in it:
//
//   thread_witness: a second thread in tools/wsecho/wsecho
//
// The thread in which leak_checked_main runs the tests does not count. Ends as the test did.

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <set>
#include <string>

namespace {

constexpr char kPrefix[] = "thread_witness: a second thread in ";

// Where this program is, there is the library.
std::string OwnDirectory() {
  char path[4096];
  const ssize_t size = readlink("/proc/self/exe", path, sizeof(path));
  const std::string own(path, size > 0 ? static_cast<size_t>(size) : 0);
  return own.substr(0, own.rfind('/'));
}

// A path below Bazel's output directory, without what depends on the machine and the configuration.
std::string ShortPath(const std::string& path) {
  const size_t at = path.find("/bin/", path.find("/bazel-out/"));
  return at == std::string::npos ? path : path.substr(at + 5);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  const char* const directory = getenv("TEST_TMPDIR");
  const std::string witness = std::string(directory ? directory : "/tmp") + "/thread_witness";
  unlink(witness.c_str());
  const pid_t pid = fork();
  if (pid == 0) {
    setenv("HALFPIPE_THREAD_WITNESS", witness.c_str(), 1);
    setenv("LD_PRELOAD", (OwnDirectory() + "/libthread_witness_preload.so").c_str(), 1);
    execvp(argv[1], argv + 1);
    std::perror(argv[1]);
    _exit(127);
  }
  int status = 0;
  if (pid < 0 || waitpid(pid, &status, 0) != pid) return 2;

  std::set<std::string> programs;
  std::ifstream lines(witness);
  for (std::string line; std::getline(lines, line);) programs.insert(ShortPath(line));
  for (const std::string& program : programs) std::printf("%s%s\n", kPrefix, program.c_str());
  unlink(witness.c_str());
  std::fflush(stdout);
  if (WIFSIGNALED(status)) {
    signal(WTERMSIG(status), SIG_DFL);
    raise(WTERMSIG(status));
  }
  return WEXITSTATUS(status);
}
