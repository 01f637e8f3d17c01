// SPDX-License-Identifier: Apache-2.0
// Bytes from a stranger, to a server and to a client; and bits that change on the way between two ranks.
#if RINGCOLL_WITH_BOOTSTRAP
#include <ringcoll/bootstrap/handshake.hpp>

#include <algorithm>
#include <cstdint>
#include <cstdlib>

using namespace ringcoll::bootstrap;

namespace {

const Key key(hmac_sha256({}, as_bytes("fuzz")));
const Purpose purpose{.context = 1, .from = 0, .to = 1, .channel = 0, .via = Via::tcp};

void require(bool holds) {
  if (!holds) std::abort();
}

void feed(Handshake& h, std::span<const std::byte> bytes) {
  while (!bytes.empty() && !h.input().empty()) {
    const auto in = h.input();
    const std::size_t part = std::min(in.size(), bytes.size());
    std::copy_n(bytes.begin(), part, in.begin());
    h.received(part);
    bytes = bytes.subspan(part);
  }
}

/// One conversation in which `change` is added to the frame `frame` at `at`: it must end badly unless nothing changed.
void change_one_byte(int frame, std::size_t at, std::uint8_t change) {
  Handshake client = Handshake::client(key, purpose, 7), server = Handshake::server(key, 7);
  for (int i = 0; i < Handshake::frames; ++i) {
    Handshake& from = i % 2 == 0 ? client : server;
    Handshake& to = i % 2 == 0 ? server : client;
    Bytes bytes(from.output().begin(), from.output().end());
    if (bytes.empty()) break;
    from.sent(bytes.size());
    if (i == frame) bytes[at] ^= static_cast<std::byte>(change);
    feed(to, bytes);
  }
  const bool same = change == 0;
  require((client.state() == Handshake::State::done) == same);
  // A server is done once its verdict has left, so only what comes before that can reach it.
  require((server.state() == Handshake::State::done) == (same || frame == 3));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t bytes) {
  const auto input = std::as_bytes(std::span(data, bytes));
  Handshake server = Handshake::server(key, 7);
  feed(server, input);
  require(server.output().empty() && server.state() != Handshake::State::done);
  Handshake client = Handshake::client(key, purpose, 7);
  client.sent(client.output().size());
  feed(client, input);
  require(client.state() != Handshake::State::done && !client.committed());
  if (bytes >= 3) change_one_byte(data[0] % Handshake::frames, data[1] % Handshake::frame_bytes, data[2]);
  return 0;
}
#else
#include <cstddef>
#include <cstdint>
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t*, std::size_t) { return 0; }
#endif
