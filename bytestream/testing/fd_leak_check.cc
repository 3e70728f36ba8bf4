#include "bytestream/testing/fd_leak_check.h"

#include <dirent.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

#include "absl/base/config.h"
#include "bytestream/base/mapped_memory.h"
#include "bytestream/runtime/runtime.h"
#include "gtest/gtest.h"

namespace halfpipe {

std::set<std::string> OpenDescriptors() {
  std::set<std::string> descriptors;
  DIR* const directory = opendir("/proc/self/fd");
  if (directory == nullptr) {
    ADD_FAILURE() << "/proc/self/fd cannot be read";
    return descriptors;
  }
  while (const dirent* const entry = readdir(directory)) {
    const std::string name = entry->d_name;
    if (name[0] == '.' || std::atoi(name.c_str()) == dirfd(directory)) continue;
    char target[512];
    const ssize_t size = readlinkat(dirfd(directory), entry->d_name, target, sizeof(target));
    descriptors.insert(name + " " + std::string(target, size < 0 ? 0 : static_cast<size_t>(size)));
  }
  closedir(directory);
  return descriptors;
}

int CountMappings() {
  // Neighbours with the same rights are one line or two as the kernel likes, so lines that touch
  // count once.
  std::ifstream maps("/proc/self/maps");
  std::string line;
  std::string previous_end;
  int count = 0;
  while (std::getline(maps, line)) {
    std::istringstream fields(line);
    std::string range, rights, offset, device, inode, name;
    fields >> range >> rights >> offset >> device >> inode >> name;
    if (inode != "0" || !name.empty()) continue;
    const size_t dash = range.find('-');
    if (range.substr(0, dash) != previous_end) ++count;
    previous_end = range.substr(dash + 1);
  }
  return count;
}

FdLeakCheck::FdLeakCheck(Scope scope)
    : scope_(scope),
      descriptors_(OpenDescriptors()),
      pools_may_grow_(Runtime::CurrentOrNull() != nullptr),
      mapped_bytes_(MappedMemoryBytes()),
      mappings_(CountMappings()) {}

FdLeakCheck::~FdLeakCheck() {
  const std::set<std::string> now = OpenDescriptors();
  for (const std::string& descriptor : now) {
    if (descriptors_.count(descriptor) == 0) ADD_FAILURE() << "left open: " << descriptor;
  }
  for (const std::string& descriptor : descriptors_) {
    if (now.count(descriptor) == 0) ADD_FAILURE() << "closed: " << descriptor;
  }
  if (!pools_may_grow_) {
    EXPECT_LE(MappedMemoryBytes(), mapped_bytes_) << "stacks or buffers were left behind";
  }
#if !defined(ABSL_HAVE_ADDRESS_SANITIZER) && !defined(ABSL_HAVE_THREAD_SANITIZER)
  if (scope_ == Scope::kDescriptorsAndMappings) {
    EXPECT_LE(CountMappings(), mappings_) << "mappings were left behind";
  }
#else
  static_cast<void>(scope_);
  static_cast<void>(mappings_);
#endif
}

}  // namespace halfpipe
