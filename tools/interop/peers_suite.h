#ifndef HALFPIPE_TOOLS_INTEROP_PEERS_SUITE_H_
#define HALFPIPE_TOOLS_INTEROP_PEERS_SUITE_H_

#include <string>

#include "gtest/gtest.h"
#include "tools/interop/peer.h"

namespace halfpipe::tools {

// The tests of wsecho, wscat and ws_done(3)'s example with a peer that is a client and a server,
// with and without compression. Instantiate it with one:
//
//   INSTANTIATE_TEST_SUITE_P(All, PeersTest, testing::Values(NpmWs()), NameOfPeer);
class PeersTest : public testing::TestWithParam<Peer> {
 protected:
  void SetUp() override;

  // Adds a row to the results.
  void Record(const std::string& role, const std::string& ours, const std::string& compression,
              const std::string& what, const std::string& outcome = "");
};

std::string NameOfPeer(const testing::TestParamInfo<Peer>& info);

}  // namespace halfpipe::tools

#endif  // HALFPIPE_TOOLS_INTEROP_PEERS_SUITE_H_
