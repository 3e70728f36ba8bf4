#include "bytestream/testing/memory_usage.h"

#include <sys/mman.h>

#include <cstddef>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace halfpipe {
namespace {

constexpr size_t kPageSize = 4096;

// The number of kibibytes behind `field` in /proc/self/status.
size_t StatusBytes(const std::string& field) {
  std::ifstream status("/proc/self/status");
  std::string line;
  while (std::getline(status, line)) {
    std::istringstream words(line);
    std::string name;
    size_t kibibytes = 0;
    if (words >> name >> kibibytes && name == field) return kibibytes * 1024;
  }
  return 0;
}

}  // namespace

size_t ResidentBytes() { return StatusBytes("VmRSS:"); }

size_t PageTableBytes() { return StatusBytes("VmPTE:"); }

size_t ResidentBytesOf(const void* start, size_t size) {
  std::vector<unsigned char> pages(size / kPageSize);
  if (mincore(const_cast<void*>(start), pages.size() * kPageSize, pages.data()) != 0) return 0;
  size_t resident = 0;
  for (const unsigned char page : pages) resident += page & 1;
  return resident * kPageSize;
}

size_t MappingCount() {
  std::ifstream maps("/proc/self/maps");
  std::string line;
  size_t count = 0;
  while (std::getline(maps, line)) ++count;
  return count;
}

}  // namespace halfpipe
