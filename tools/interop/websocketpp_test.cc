// Our programs and the page's example with WebSocket++.

#include "gtest/gtest.h"
#include "tools/interop/peer.h"
#include "tools/interop/peers_suite.h"

namespace halfpipe::tools {
namespace {

INSTANTIATE_TEST_SUITE_P(All, PeersTest, ::testing::Values(Websocketpp()), NameOfPeer);

}  // namespace
}  // namespace halfpipe::tools
