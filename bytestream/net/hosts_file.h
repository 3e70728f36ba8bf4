#ifndef HALFPIPE_BYTESTREAM_NET_HOSTS_FILE_H_
#define HALFPIPE_BYTESTREAM_NET_HOSTS_FILE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "bytestream/net/ip_address.h"

namespace halfpipe {

// Where the system keeps names that need no name server (hosts(5)).
constexpr char kHostsFilePath[] = "/etc/hosts";

// The most of a hosts file that is read; what is behind it is not there for us.
constexpr size_t kHostsFileBytesMax = size_t{8} << 20;

// The addresses that `text`, the contents of a hosts file, gives to `name`, in the file's order,
// each once, with `port`. Pure.
//
// A line is an address and the names of it, apart by blanks; "#" begins a comment. Names differ in
// case only: the same. A final dot of `name` does not count. Lines that begin with no address are
// passed over.
std::vector<IpAddress> FindInHosts(absl::string_view text, absl::string_view name, uint16_t port);

// The contents of the file at `path`, at most kHostsFileBytesMax; empty if it cannot be read. Reads
// from disk, as every program that resolves names does.
std::string ReadHostsFile(const char* path);

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_NET_HOSTS_FILE_H_
