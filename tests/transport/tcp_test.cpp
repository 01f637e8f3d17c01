// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>
#include <sys/socket.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include <ringcoll/bootstrap/dialer.hpp>
#include <ringcoll/transports/tcp.hpp>

#include "transport/conformance.hpp"
#include "transport/endpoints.hpp"
#include "transport/processes.hpp"

using namespace ringcoll;
using namespace std::chrono_literals;
using conformance::Message;
using tcp::FrameHead;

namespace {

/// A process of our job that connects to rank 1 as rank 0, and then says what it likes.
class Stranger {
 public:
  Stranger() : victim(endpoints_[1], 7, 1, {0, 1}), link(victim.link(0, 0)) {
    bootstrap::Dialer dialer(endpoints_[0], 1,
                             {.context = 7, .from = 0, .to = 1, .channel = 0, .via = bootstrap::Via::tcp});
    conformance::wait_until(victim, "the stranger is connected", [&] { return dialer.progress(); });
    socket = dialer.take();
  }
  void say(const void* data, std::size_t bytes) {
    conformance::wait_until(victim, "the stranger has spoken", [&] {
      const auto sent = ::send(socket.fd(), data, bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
      if (sent < 0) return errno != EAGAIN;  // hung up on
      data = static_cast<const char*>(data) + sent;
      return (bytes -= static_cast<std::size_t>(sent)) == 0;
    });
  }
  void say(std::uint32_t kind, std::uint32_t bytes) {
    FrameHead head{};
    head.kind = kind;
    head.bytes = bytes;
    say(&head, sizeof head);
  }
  Error error() {
    const auto found = test::error_on(victim, link);
    REQUIRE(found);
    CHECK(found->rank() == 0);
    CHECK(std::string(found->what()).find("rank 0 (") != std::string::npos);
    return *found;
  }

 private:
  std::vector<std::shared_ptr<bootstrap::Endpoint>> endpoints_ = test::make_endpoints(2);

 public:
  TcpTransport victim;
  Link& link;
  bootstrap::Socket socket;
};

}  // namespace

TEST_CASE("the tcp transport satisfies the contract") {
  conformance::check([](int size) { return test::make_transports<TcpTransport>(size); });
}

TEST_CASE("the tcp transport satisfies the contract with short frames") {
  conformance::check([](int size) {
    const auto endpoints = test::make_endpoints(size);
    std::vector<std::unique_ptr<TcpTransport>> world;
    for (int rank = 0; rank < size; ++rank)
      world.push_back(std::make_unique<TcpTransport>(endpoints[static_cast<std::size_t>(rank)], 7, rank,
                                                     test::everybody(size),
                                                     TcpOptions{.frame_bytes = 5000, .slots = 2}));
    return world;
  });
}

TEST_CASE("frames come out of a stream as they went in, however it is cut") {
  const auto seed = std::random_device()();
  CAPTURE(seed);
  std::minstd_rand random(seed);
  constexpr std::size_t frame_bytes = 1000, slots = 3;
  tcp::SendBuffer out(frame_bytes, slots);
  tcp::ReceiveBuffer in(frame_bytes);
  std::vector<std::byte> wire;
  std::uint64_t sent = 0, received = 0, refused = 0;
  const auto message = [&](std::uint64_t i) { return Message{1, i, i * 7919 % (frame_bytes + 1)}; };
  while (received < 20000) {
    switch (random() % 4) {
      case 0: {
        const Message next = message(sent);
        const Slot slot = out.reserve(next.bytes);
        if (!slot) {
          ++refused;
          break;
        }
        next.write(slot);
        if (random() % 3 == 0) REQUIRE(out.reserve(next.bytes).payload == slot.payload);
        out.publish();
        ++sent;
        break;
      }
      case 1: {
        if (out.empty()) break;
        iovec parts[2];
        const int count = out.pending(parts);
        std::size_t take = random() % 3000;
        std::size_t taken = 0;
        for (int i = 0; i < count; ++i) {
          const std::size_t bytes = std::min(take - taken, parts[i].iov_len);
          const auto* from = static_cast<const std::byte*>(parts[i].iov_base);
          wire.insert(wire.end(), from, from + bytes);
          taken += bytes;
        }
        out.sent(taken);
        break;
      }
      case 2: {
        const auto room = in.room(false);
        const std::size_t bytes = std::min({room.size(), wire.size(), std::size_t{random() % 5000}});
        std::copy_n(wire.begin(), bytes, room.begin());
        wire.erase(wire.begin(), wire.begin() + static_cast<std::ptrdiff_t>(bytes));
        in.received(bytes);
        break;
      }
      default:
        if (const FrameHead* head = in.frame()) {
          message(received++).check({const_cast<Header*>(&head->header), in.payload(), head->bytes});
          in.pop();
        }
    }
  }
  CHECK(refused > 0);
}

TEST_CASE("bytes that no rank sends are a protocol error that names the peer") {
  SUBCASE("a message that is too long") {
    Stranger stranger;
    stranger.say(FrameHead::message, (256 << 10) + 1);
    CHECK(stranger.error().code() == Errc::protocol_error);
  }
  SUBCASE("a length of 4 GiB") {
    Stranger stranger;
    stranger.say(FrameHead::message, ~0u);
    CHECK(stranger.error().code() == Errc::protocol_error);
  }
  SUBCASE("a beat with a payload") {
    Stranger stranger;
    stranger.say(FrameHead::beat, 8);
    CHECK(stranger.error().code() == Errc::protocol_error);
  }
  SUBCASE("a short notice") {
    Stranger stranger;
    stranger.say(FrameHead::notice, 8);
    CHECK(stranger.error().code() == Errc::protocol_error);
  }
  SUBCASE("noise") {
    for (unsigned seed = 1; seed < 20; ++seed) {
      Stranger stranger;
      std::minstd_rand random(seed);
      std::array<unsigned char, 5000> noise{};
      for (unsigned char& byte : noise) byte = static_cast<unsigned char>(random());
      stranger.say(noise.data(), noise.size());
      CHECK(stranger.error().code() == Errc::protocol_error);
    }
  }
  SUBCASE("after good messages, which are delivered") {
    Stranger stranger;
    stranger.say(FrameHead::message, 0);
    stranger.say(FrameHead::beat, 0);
    stranger.say(FrameHead::message, 0);
    stranger.say(77, 0);
    for (int i = 0; i < 2; ++i) {
      conformance::wait_until(stranger.victim, "a message", [&] { return static_cast<bool>(stranger.link.peek()); });
      stranger.link.release();
    }
    CHECK(stranger.error().code() == Errc::protocol_error);
    CHECK(stranger.error().code() == Errc::protocol_error);
  }
}

TEST_CASE("a connection that ends without a goodbye is a failed peer") {
  SUBCASE("between messages") {
    Stranger stranger;
    stranger.say(FrameHead::message, 0);
    stranger.socket.close();
    conformance::wait_until(stranger.victim, "a message", [&] { return static_cast<bool>(stranger.link.peek()); });
    stranger.link.release();
    CHECK(stranger.error().code() == Errc::peer_failed);
  }
  SUBCASE("within a message") {
    Stranger stranger;
    stranger.say(FrameHead::message, 5000);
    stranger.socket.close();
    CHECK(stranger.error().code() == Errc::peer_failed);
  }
  SUBCASE("by a reset") {
    Stranger stranger;
    const linger now{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(stranger.socket.fd(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
    stranger.socket.close();
    const Error error = stranger.error();
    CHECK(error.code() == Errc::peer_failed);
    CHECK(std::string(error.what()).find("Connection reset by peer") != std::string::npos);
    CHECK(std::string(error.what()).find("127.0.0.1:") != std::string::npos);
  }
}

TEST_CASE("a message that comes byte by byte arrives") {
  Stranger stranger;
  std::vector<std::byte> frame(tcp::frame_size(40));
  FrameHead head{.bytes = 40, .kind = FrameHead::message, .header = {{1, 2}, 3}};
  std::memcpy(frame.data(), &head, sizeof head);
  frame[tcp::frame_size(40) - 32] = std::byte{42};
  for (const std::byte& byte : frame) {
    CHECK_FALSE(stranger.link.peek());
    stranger.say(&byte, 1);
  }
  conformance::wait_until(stranger.victim, "a message", [&] { return static_cast<bool>(stranger.link.peek()); });
  CHECK(*stranger.link.peek().header == Header{{1, 2}, 3});
  CHECK(stranger.link.peek().payload[32] == std::byte{42});
}

TEST_CASE("a peer that is killed is noticed at once, and named") {
  for (const bool sending : {false, true}) {
    const auto endpoints = test::make_endpoints(3);
    test::Child child([&] {
      TcpTransport transport(endpoints[2], 7, 2, {0, 1, 2});
      conformance::send(transport, transport.link(0, 0), {1, 0, 8});
      test::idle(transport);
    });
    TcpTransport transport(endpoints[0], 7, 0, {0, 1, 2});
    Link& link = transport.link(2, 0);
    conformance::receive(transport, link, {1, 0, 8});
    child.signal(SIGKILL);
    const auto start = conformance::Clock::now();
    const auto error = test::error_on(transport, link, sending);
    CHECK(conformance::Clock::now() - start < 1s);
    REQUIRE(error);
    CHECK(error->code() == Errc::peer_failed);
    CHECK(error->rank() == 2);
    CHECK(std::string(error->what()).find("rank 2 (") != std::string::npos);
  }
}

TEST_CASE("a peer that died before it ever connected is noticed by the rank that waits for it") {
  auto endpoints = test::make_endpoints(2);
  TcpTransport transport(endpoints[1], 7, 1, {0, 1});
  endpoints[0].reset();
  const auto error = test::error_on(transport, transport.link(0, 0));
  REQUIRE(error);
  CHECK(error->code() == Errc::peer_failed);
  CHECK(error->rank() == 0);
}

TEST_CASE("a peer that is stopped for a while is slow, not dead, whether its window is open or shut") {
  for (const bool fill : {false, true}) {
    const auto endpoints = test::make_endpoints(2);
    const std::size_t bytes = 100000;
    test::Child child([&] {
      TcpTransport transport(endpoints[1], 7, 1, {0, 1});
      Link& link = transport.link(0, 0);
      conformance::send(transport, link, {1, 0, 8});
      for (std::uint64_t i = 0; i < 200; ++i) conformance::receive(transport, link, {1, i, fill ? bytes : 8});
      conformance::send(transport, link, {1, 1, 8});
      transport.close(nullptr);
    });
    TcpTransport transport(endpoints[0], 7, 0, {0, 1});
    Link& link = transport.link(1, 0);
    conformance::receive(transport, link, {1, 0, 8});
    child.signal(SIGSTOP);
    std::uint64_t sent = fill ? conformance::fill(transport, link, bytes, 200) : 0;
    bool spoke = false;
    for (const auto end = conformance::Clock::now() + 2500ms; conformance::Clock::now() < end; ::sched_yield()) {
      transport.progress();
      fill ? link.reserve(bytes) : link.peek();
      spoke |= !fill && link.peek();
    }
    CHECK_FALSE(spoke);
    child.signal(SIGCONT);
    while (sent < 200) conformance::send(transport, link, {1, sent++, fill ? bytes : 8});
    conformance::receive(transport, link, {1, 1, 8});
    CHECK(child.wait());
  }
}

TEST_CASE("connections leave no descriptors behind") {
  const int files = test::open_files();
  for (int i = 0; i < 3; ++i) {
    auto world = test::make_transports<TcpTransport>(3);
    conformance::exchange_at_random(world, 1, 3);
    const std::vector<int> pair{0, 1};
    const auto subset = world[0]->subset(99, pair, 0);
    subset->link(1, 0);  // never answered
    for (int turn = 0; turn < 50; ++turn) subset->progress();
  }
  CHECK(test::open_files() == files);
}
