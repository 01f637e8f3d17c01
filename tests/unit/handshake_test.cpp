// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

// The handshake and what it stands on, over bytes alone. Without the bootstrap component there is nothing to test.
#if RINGCOLL_WITH_BOOTSTRAP
#include <ringcoll/bootstrap/address.hpp>
#include <ringcoll/bootstrap/handshake.hpp>
#include <ringcoll/bootstrap/interfaces.hpp>

#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

using namespace ringcoll::bootstrap;
using ringcoll::Errc;
using ringcoll::Error;
using State = Handshake::State;
using Why = Handshake::Why;

namespace {

const Key key(hmac_sha256({}, as_bytes("a key")));
const Key other_key(hmac_sha256({}, as_bytes("another key")));
const Purpose purpose{.context = 0x123456789abcdef0u, .from = 3, .to = 70000, .channel = 2, .via = Via::unix_socket};
constexpr std::uint64_t door = 42;

/// Moves up to `most` bytes of what one says into the other; returns them.
Bytes carry(Handshake& from, Handshake& to, std::size_t most = 4096) {
  Bytes moved;
  while (most > 0 && !from.output().empty()) {
    const auto in = to.input();
    if (in.empty()) break;
    const std::size_t bytes = std::min({most, from.output().size(), in.size()});
    std::copy_n(from.output().begin(), bytes, in.begin());
    moved.insert(moved.end(), in.begin(), in.begin() + static_cast<std::ptrdiff_t>(bytes));
    from.sent(bytes);
    to.received(bytes);
    most -= bytes;
  }
  return moved;
}
void feed(Handshake& to, Bytes bytes) {
  std::size_t at = 0;
  while (at < bytes.size() && !to.input().empty()) {
    const auto in = to.input();
    const std::size_t part = std::min(in.size(), bytes.size() - at);
    std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), part, in.begin());
    to.received(part);
    at += part;
  }
}
void talk(Handshake& client, Handshake& server, std::size_t at_once = 4096) {
  while (!carry(client, server, at_once).empty() || !carry(server, client, at_once).empty()) {
  }
}
Bytes all_output(Handshake& h) {
  const auto out = h.output();
  Bytes bytes(out.begin(), out.end());
  h.sent(out.size());
  return bytes;
}

}  // namespace

TEST_CASE("HKDF and HMAC are those of RFC 5869 and RFC 4231") {
  const Bytes salt = from_hex("000102030405060708090a0b0c"), secret(22, std::byte{0x0b}),
              info = from_hex("f0f1f2f3f4f5f6f7f8f9");
  const Key derived =
      hkdf_sha256(secret, salt, std::string_view(reinterpret_cast<const char*>(info.data()), info.size()));
  CHECK(to_hex(derived.bytes) == "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf");
  CHECK(to_hex(hkdf_sha256(secret, {}, "").bytes) ==
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d");
  CHECK(to_hex(hmac_sha256(as_bytes("Jefe"), as_bytes("what do ya want for nothing?"))) ==
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST_CASE("two ranks with the same key agree on what the connection is for") {
  for (const std::size_t at_once : {1u, 3u, 127u, 128u, 129u, 4096u}) {
    Handshake client = Handshake::client(key, purpose, door), server = Handshake::server(key, door);
    talk(client, server, at_once);
    CHECK(client.state() == State::done);
    CHECK(server.state() == State::done);
    CHECK(server.purpose() == purpose);
    CHECK(client.output().empty());
    CHECK(server.input().empty());  // what follows on the connection is its user's
  }
}

TEST_CASE("a server says nothing to a client with another key") {
  Handshake client = Handshake::client(other_key, purpose, 0), server = Handshake::server(key, door);
  carry(client, server);
  CHECK(server.state() == State::failed);
  CHECK(server.why() == Why::stranger);
  CHECK(server.output().empty());
}

TEST_CASE("a client proves nothing to a server with another key") {
  Handshake client = Handshake::client(key, purpose, 0);
  Handshake impostor = Handshake::server(other_key, door), real = Handshake::server(key, door);
  const Bytes hello(client.output().begin(), client.output().end());
  carry(client, real);
  // The impostor can only make up a challenge.
  Bytes challenge = all_output(real);
  std::fill(challenge.end() - 32, challenge.end(), std::byte{0});
  feed(client, challenge);
  CHECK(client.state() == State::failed);
  CHECK(client.output().empty());
  CHECK_FALSE(client.committed());
  feed(impostor, hello);
  CHECK(impostor.output().empty());
}

TEST_CASE("a flipped bit anywhere ends the handshake") {
  for (int frame = 0; frame < Handshake::frames; ++frame) {
    for (std::size_t at = 0; at < Handshake::frame_bytes; ++at) {
      Handshake client = Handshake::client(key, purpose, door), server = Handshake::server(key, door);
      for (int i = 0; i < frame; ++i) i % 2 == 0 ? carry(client, server) : carry(server, client);
      Handshake& from = frame % 2 == 0 ? client : server;
      Handshake& to = frame % 2 == 0 ? server : client;
      Bytes bytes = all_output(from);
      REQUIRE(bytes.size() == Handshake::frame_bytes);
      bytes[at] ^= static_cast<std::byte>(1 << (at % 8));
      feed(to, bytes);
      CAPTURE(frame);
      CAPTURE(at);
      CHECK(to.state() == State::failed);
      CHECK(to.why() == Why::stranger);
      CHECK(to.output().empty());
    }
  }
}

TEST_CASE("a frame that is cut short leaves the handshake waiting, not done") {
  for (std::size_t bytes = 0; bytes < Handshake::frame_bytes; ++bytes) {
    Handshake client = Handshake::client(key, purpose, door), server = Handshake::server(key, door);
    carry(client, server, bytes);
    CHECK(server.state() == State::running);
    CHECK(server.output().empty());
    CHECK(server.input().size() == Handshake::frame_bytes - bytes);
  }
}

TEST_CASE("a conversation cannot be replayed") {
  Handshake client = Handshake::client(key, purpose, door), server = Handshake::server(key, door);
  const Bytes hello = carry(client, server), challenge = carry(server, client), proof = carry(client, server);
  CHECK(server.state() == State::running);
  Handshake victim = Handshake::server(key, door);
  feed(victim, hello);
  CHECK(all_output(victim) != challenge);  // a nonce of its own
  feed(victim, proof);
  CHECK(victim.state() == State::failed);
  CHECK_FALSE(victim.peer_proved());
  Handshake other_client = Handshake::client(key, purpose, door);
  all_output(other_client);
  feed(other_client, challenge);
  CHECK(other_client.state() == State::failed);
}

TEST_CASE("a frame cannot be reflected") {
  Handshake client = Handshake::client(key, purpose, door);
  feed(client, all_output(client));
  CHECK(client.state() == State::failed);
  Handshake a = Handshake::client(key, purpose, door), b = Handshake::client(key, purpose, door);
  const Bytes from_a = all_output(a), from_b = all_output(b);
  feed(a, from_b);
  feed(b, from_a);
  CHECK(a.state() == State::failed);
  CHECK(b.state() == State::failed);
  Handshake c = Handshake::client(key, purpose, door), server = Handshake::server(key, door);
  carry(c, server);
  feed(server, all_output(server));
  CHECK(server.state() == State::failed);
}

TEST_CASE("what is not ringcoll is dropped at its first wrong byte") {
  for (const char* text : {"GET / HTTP/1.1\r\n", "SSH-2.0-x", "\x16\x03\x01", "RINGCOLx", "R\n"}) {
    Handshake server = Handshake::server(key, door);
    feed(server, {as_bytes(text).begin(), as_bytes(text).end()});
    CHECK(server.state() == State::failed);
    CHECK(server.output().empty());
  }
}

TEST_CASE("a client does not commit itself to another rank than the one that it wants") {
  Handshake client = Handshake::client(key, purpose, door + 1), server = Handshake::server(key, door);
  talk(client, server);
  CHECK(client.state() == State::failed);
  CHECK(client.why() == Why::other_endpoint);
  CHECK_FALSE(client.committed());
  CHECK_FALSE(server.peer_proved());
  Handshake anyone = Handshake::client(key, purpose, 0), again = Handshake::server(key, door);
  talk(anyone, again);
  CHECK(anyone.state() == State::done);
}

TEST_CASE("different versions part politely: both learn the other's, after both have proved themselves") {
  Handshake client = Handshake::client(key, purpose, door, 1), server = Handshake::server(key, door, 2);
  talk(client, server);
  CHECK(client.state() == State::failed);
  CHECK(server.state() == State::failed);
  CHECK(client.why() == Why::other_version);
  CHECK(server.why() == Why::other_version);
  CHECK(client.peer_version() == 2);
  CHECK(server.peer_version() == 1);
  CHECK(server.peer_proved());
}

TEST_CASE("a client counts as committed from its proof on") {
  Handshake client = Handshake::client(key, purpose, door), server = Handshake::server(key, door);
  CHECK_FALSE(client.committed());
  carry(client, server);
  CHECK_FALSE(client.committed());
  carry(server, client);
  CHECK(client.committed());
}

TEST_CASE("an address survives its journey, and nothing else passes for one") {
  Address address{.host = 1,
                  .id = 2,
                  .pid = 3,
                  .hostname = "node7",
                  .unix_name = "ringcoll-x",
                  .tcp = {InetAddress::loopback(), InetAddress::loopback(true)}};
  address.tcp[1].port = 4100;
  const Bytes bytes = address.to_bytes();
  CHECK(Address::from_bytes(bytes) == address);
  CHECK(address.process() == "node7:3");
  for (std::size_t cut = 0; cut < bytes.size(); ++cut)
    CHECK_THROWS_AS(Address::from_bytes(std::span(bytes).first(cut)), Error);
  Bytes longer = bytes;
  longer.push_back(std::byte{0});
  CHECK_THROWS_AS(Address::from_bytes(longer), Error);
  address.hostname = "evil\033[2J";
  CHECK(Address::from_bytes(address.to_bytes()).hostname == "evil?[2J");
  address.tcp.resize(9);
  CHECK_THROWS_AS(Address::from_bytes(address.to_bytes()), Error);
}

TEST_CASE("internet addresses print as people write them") {
  InetAddress v4 = InetAddress::loopback(), v6 = InetAddress::loopback(true);
  v4.port = 4100;
  v6.port = 1;
  CHECK(v4.to_string() == "127.0.0.1:4100");
  CHECK(v6.to_string() == "[::1]:1");
  CHECK(InetAddress::from(v4.socket_address().get()) == v4);
  CHECK(InetAddress::from(v6.socket_address().get()) == v6);
}

TEST_CASE("interfaces are chosen as NCCL's users know it") {
  const auto ip = [](int last, bool v6 = false) {
    InetAddress a;
    a.v6 = v6;
    a.ip[0] = v6 ? 0xfd : 10;
    a.ip[3] = static_cast<std::uint8_t>(last);
    return a;
  };
  InetAddress link_local = ip(9, true);
  link_local.ip[0] = 0xfe;
  link_local.ip[1] = 0x80;
  const std::vector<Interface> all = {{"lo", InetAddress::loopback()},
                                      {"docker0", ip(1)},
                                      {"eth0", ip(3, true)},
                                      {"eth0", ip(2)},
                                      {"eth0", link_local},
                                      {"eth1", ip(4)},
                                      {"ib0", ip(5)}};
  const auto chosen = [&](const char* selection) {
    std::string text;
    for (const InetAddress& a : choose_addresses(all, selection))
      text += std::to_string(a.is_loopback() ? 0 : a.ip[3]) + " ";
    return text;
  };
  CHECK(chosen("") == "2 4 5 3 1 ");  // IPv4 first, bridges last, loopback and link-local not at all
  CHECK(chosen("eth") == "2 4 3 ");
  CHECK(chosen("eth,ib") == "2 4 5 3 ");
  CHECK(chosen("=eth1") == "4 ");
  CHECK(chosen("^docker,eth") == "5 ");
  CHECK(chosen("^=eth0") == "4 5 1 ");
  CHECK(chosen("lo") == "0 ");
}

TEST_CASE("a selection that matches nothing names the interfaces that there are") {
  const std::vector<Interface> all = {{"lo", InetAddress::loopback()}, {"eth0", InetAddress::loopback()}};
  try {
    choose_addresses(all, "ib");
    FAIL("chose something");
  } catch (const Error& error) {
    CHECK(error.code() == Errc::invalid_argument);
    CHECK(std::string(error.what()).find("eth0") != std::string::npos);
  }
}

TEST_CASE("a secret comes from the caller, a safe file or the environment, in this order") {
  std::map<std::string, std::string> variables;
  const auto variable = [&](const char* name) {
    return variables.count(name) != 0 ? variables[name].c_str() : nullptr;
  };
  const std::string hex = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
  CHECK_FALSE(find_secret("", variable));
  variables["RINGCOLL_SECRET"] = hex;
  CHECK(to_hex(find_secret("", variable).bytes) == hex);

  char path[] = "/tmp/ringcoll-secret-XXXXXX";
  const Socket file(::mkstemp(path));
  REQUIRE(::write(file.fd(), "0123456789abcdef0123456789abcdeX\n", 33) == 33);
  variables["RINGCOLL_SECRET_FILE"] = path;
  const auto refusal = [&] {
    try {
      return std::string(find_secret("", variable).source);
    } catch (const Error& error) {
      CHECK(error.code() == Errc::invalid_argument);
      return std::string(error.what());
    }
  };
  CHECK(refusal() == "secret-file");
  CHECK(std::string(find_secret(hex, variable).source) == "api");
  ::fchmod(file.fd(), 0640);
  CHECK(refusal().find("chmod 600") != std::string::npos);
  ::fchmod(file.fd(), 0600);
  CHECK(::ftruncate(file.fd(), 12) == 0);
  CHECK(refusal().find("32 to 64 bytes") != std::string::npos);
  CHECK(refusal().find("0123456789ab") == std::string::npos);  // never quoted
  ::unlink(path);
  CHECK(refusal().find("cannot be opened") != std::string::npos);
  variables["RINGCOLL_SECRET_FILE"] = "/tmp";
  CHECK(refusal().find("not a regular file") != std::string::npos);
  CHECK_THROWS_AS(find_secret("short", variable), Error);
  // Random bytes may end in what looks like the end of a line; a line of text does.
  const std::string random = std::string(31, '\x01') + "\n", line(40, 'x');
  CHECK(find_secret(random, variable).bytes.size() == 32);
  CHECK(find_secret(line + "\n", variable).bytes == find_secret(line, variable).bytes);
}

TEST_CASE("jobs that share a secret have different keys") {
  const Secret secret{Bytes(32, std::byte{7}), "api"};
  CHECK(secret.job_key("a").bytes == secret.job_key("a").bytes);
  CHECK(secret.job_key("a").bytes != secret.job_key("b").bytes);
}

#endif
