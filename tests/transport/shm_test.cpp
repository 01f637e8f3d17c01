// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <fstream>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <ringcoll/bootstrap/dialer.hpp>
#include <ringcoll/transports/shm.hpp>

#include "transport/conformance.hpp"
#include "transport/endpoints.hpp"
#include "transport/processes.hpp"

using namespace ringcoll;
using conformance::Message;
using shm::ChannelMemory;
using shm::ControlMessage;

namespace {

std::vector<std::unique_ptr<ShmTransport>> make_shm(int size) { return test::make_transports<ShmTransport>(size); }

int our_mappings() {
  int count = 0;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) count += line.find("memfd:ringcoll") != std::string::npos;
  return count;
}

/// A message from rank 0 to rank 1.
void exchange(std::vector<std::unique_ptr<ShmTransport>>& world, int channel) {
  conformance::on_all(world, [&](int rank, ShmTransport& transport) {
    if (rank > 1) return;
    Link& link = transport.link(1 - rank, channel);
    rank == 0 ? conformance::send(transport, link, {1, 0, 100}) : conformance::receive(transport, link, {1, 0, 100});
  });
}

/// A process of our job that connects to rank 1 as rank 0, and then says what it likes.
class Stranger {
 public:
  Stranger(const std::shared_ptr<bootstrap::Endpoint>& endpoint, ShmTransport& victim) : link(&victim.link(0, 0)) {
    bootstrap::Dialer dialer(endpoint, 1,
                             {.context = 7, .from = 0, .to = 1, .channel = 0, .via = bootstrap::Via::unix_socket});
    conformance::wait_until(victim, "the stranger is connected", [&] { return dialer.progress(); });
    control = shm::ControlSocket(dialer.take());
  }
  Link* link;
  shm::ControlSocket control;
};

}  // namespace

TEST_CASE("the shm transport satisfies the contract") { conformance::check(make_shm); }

TEST_CASE("a killed peer on the same node is noticed at once, and named") {
  for (const bool sleeping : {false, true}) {
    const auto endpoints = test::make_endpoints(3);
    test::Child child([&] {
      ShmTransport transport(endpoints[2], 7, 2, {0, 1, 2});
      conformance::send(transport, transport.link(0, 0), {1, 0, 8});
      test::idle(transport);
    });
    ShmTransport transport(endpoints[0], 7, 0, {0, 1, 2});
    Link& link = transport.link(2, 0);
    conformance::receive(transport, link, {1, 0, 8});
    child.signal(SIGKILL);
    const auto start = conformance::Clock::now();
    std::optional<Error> error;
    if (sleeping) {
      CHECK(conformance::sleep_until(transport, [&] {
        try {
          link.peek();
        } catch (const Error& e) {
          error = e;
        }
        return error.has_value();
      }));
    } else {
      error = test::error_on(transport, link);
    }
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(conformance::Clock::now() - start);
    CHECK(took.count() < 1000);
    MESSAGE("noticed after " << took.count() << " ms");
    REQUIRE(error);
    CHECK(error->code() == Errc::peer_failed);
    CHECK(error->rank() == 2);
    CHECK(std::string(error->what()).find("rank 2 (") != std::string::npos);
    CHECK(std::string(error->what()).find("is gone: its process has ended or was killed") != std::string::npos);
    CHECK(test::error_on(transport, link, true)->code() == Errc::peer_failed);
  }
}

TEST_CASE("a peer that died before it ever connected is noticed by the rank that waits for it") {
  auto endpoints = test::make_endpoints(2);
  test::Child child([] {});
  child.wait();
  ShmTransport transport(endpoints[1], 7, 1, {0, 1});
  endpoints[0].reset();  // the dead process's door
  const auto error = test::error_on(transport, transport.link(0, 0));
  REQUIRE(error);
  CHECK(error->code() == Errc::peer_failed);
  CHECK(error->rank() == 0);
}

TEST_CASE("shared memory is there only when used, and gone afterwards") {
  const int files = test::open_files();
  {
    auto world = make_shm(2);
    for (const auto& rank : world) CHECK(rank->memory_used() == 0);
    exchange(world, 0);
    for (const auto& rank : world) CHECK(rank->memory_used() == 4096 + 2 * detail::RingSizes::collectives);
    exchange(world, 1);
    for (const auto& rank : world)
      CHECK(rank->memory_used() == 2 * 4096 + 2 * (detail::RingSizes::collectives + detail::RingSizes::point_to_point));
    CHECK(our_mappings() == 4);
  }
  CHECK(our_mappings() == 0);
  {
    auto world = make_shm(3);  // some connections made, some wanted, some not
    exchange(world, 0);
    world[0]->link(2, 0);
    world[2]->link(1, 0);
    for (int i = 0; i < 50; ++i)
      for (const auto& rank : world) rank->progress();
  }
  CHECK(our_mappings() == 0);
  CHECK(test::open_files() == files);
}

TEST_CASE("with many links rings become small, and still carry slots() messages") {
  const auto endpoints = test::make_endpoints(2);
  std::vector<std::unique_ptr<ShmTransport>> world;
  for (int rank = 0; rank < 2; ++rank)
    world.push_back(
        std::make_unique<ShmTransport>(endpoints[static_cast<std::size_t>(rank)], 7, rank, std::vector{0, 1}));
  for (int channel = 2; channel < 20; ++channel) exchange(world, channel);
  CHECK(world[0]->memory_used() < std::size_t{64} << 20);
  int fit = 0;
  for (Link& link = world[0]->link(1, 19); fit < 100; ++fit) {
    if (!link.reserve(world[0]->frame_bytes())) break;
    link.publish();
  }
  CHECK(fit >= world[0]->slots());
  CHECK(fit < 20);
}

TEST_CASE("memory that a peer passes is looked at before it is used") {
  const std::size_t ring = detail::RingSizes::least, bytes = 4096 + 2 * ring;
  const auto refused = [&](const detail::Fd& fd, std::uint64_t ring_bytes) {
    try {
      ChannelMemory::open(fd, ring_bytes);
    } catch (const Error& error) {
      return error.code() == Errc::protocol_error;
    }
    return false;
  };
  const auto memfd = [&](std::size_t size, int seals) {
    detail::Fd fd(::memfd_create("other", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    REQUIRE(::ftruncate(fd.get(), static_cast<off_t>(size)) == 0);
    REQUIRE(::fcntl(fd.get(), F_ADD_SEALS, seals) == 0);
    return fd;
  };
  const int all = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
  const auto good = ChannelMemory::create(ring);
  CHECK_FALSE(refused(good.second, ring));
  CHECK_FALSE(refused(memfd(bytes, all), ring));  // not yet allocated: it is now
  CHECK(refused(memfd(bytes, F_SEAL_SHRINK | F_SEAL_GROW), ring));
  CHECK(refused(memfd(bytes, F_SEAL_SEAL), ring));
  CHECK(refused(memfd(bytes, all | F_SEAL_WRITE), ring));
  CHECK(refused(memfd(bytes - 1, all), ring));
  CHECK(refused(memfd(bytes + 4096, all), ring));
  CHECK(refused(detail::Fd(::open("/dev/null", O_RDWR | O_CLOEXEC)), ring));
  CHECK(refused(detail::Fd(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC)), ring));
  for (const std::uint64_t wrong :
       {std::uint64_t{0}, std::uint64_t{4096}, std::uint64_t{ring} - 64, std::uint64_t{ring} + 1,
        std::uint64_t{1} << 40, ~std::uint64_t{0}, ~std::uint64_t{0} - 4095})
    CHECK(refused(good.second, wrong));
}

TEST_CASE("impossible words in a ring are an error that names the peer") {
  auto [memory, fd] = ChannelMemory::create(detail::RingSizes::least);
  const detail::RingMemory ring = memory.from(0);
  const std::uint64_t frame = detail::RingSizes::frame_bytes;

  for (const std::uint64_t flag : {std::uint64_t{2}, (frame + 1) << 1 | 1, std::uint64_t{1} << 63 | 1,
                                   ~std::uint64_t{0} - 1, ~std::uint64_t{0} /* wrapped at once */}) {
    CAPTURE(flag);
    detail::RingReceiver receiver(ring, frame);
    detail::RingFrame::flag(ring.data).store(flag);
    for (int i = 0; i < 3; ++i) CHECK_THROWS_AS(receiver.peek(), Error);
  }
  // A message that would reach over the end.
  detail::RingFrame::flag(ring.data).store(0);
  detail::RingReceiver receiver(ring, frame);
  for (std::size_t at = 0; at + 2 * detail::RingFrame::size(frame) < ring.bytes; at += detail::RingFrame::size(frame)) {
    detail::RingFrame::flag(ring.data + at).store(frame << 1 | 1);
    REQUIRE(receiver.peek());
    receiver.release();
    detail::RingFrame::flag(ring.data + at + detail::RingFrame::size(frame)).store(0);
  }
  REQUIRE_FALSE(receiver.peek());

  for (const std::uint64_t consumed : {std::uint64_t{1} << 40, ~std::uint64_t{0}, std::uint64_t{ring.bytes} + 64}) {
    CAPTURE(consumed);
    ring.shared->consumed.store(consumed);
    detail::RingSender sender(ring);
    CHECK_THROWS_AS(
        [&] {
          for (int i = 0; i < 100; ++i) {
            if (sender.reserve(frame)) sender.publish();
          }
        }(),
        Error);
  }

  detail::PeerState peer;
  peer.rank = 3;
  detail::RingLink link(peer);
  std::atomic<std::uint32_t> awake{0};
  link.connect(memory.from(1), ring, frame, {&awake, -1});
  detail::RingFrame::flag(ring.data).store(2);
  try {
    link.peek();
    FAIL("it took the message");
  } catch (const Error& error) {
    CHECK(error.code() == Errc::protocol_error);
    CHECK(error.rank() == 3);
  }
}

TEST_CASE("a peer's impossible control message is an error that names it, and leaks nothing") {
  const int files = test::open_files();
  for (int kind = 0; kind < 8; ++kind) {
    CAPTURE(kind);
    const auto endpoints = test::make_endpoints(2);
    ShmTransport victim(endpoints[1], 7, 1, {0, 1});
    Stranger stranger(endpoints[0], victim);
    const detail::Fd bell = detail::make_eventfd();
    ControlMessage message;
    message.kind = ControlMessage::open;
    message.ring_bytes = detail::RingSizes::least;
    switch (kind) {
      case 0: message.kind = 99; break;
      case 1: message.kind = ControlMessage::hello; break;  // without a bell
      case 2: break;                                        // without memory
      case 3: stranger.control.send(message, bell.get()); break;
      case 4:
        message.channel = 1u << 31;
        stranger.control.send(message, ChannelMemory::create(message.ring_bytes).second.get());
        break;
      case 5:
        stranger.control.send(message, ChannelMemory::create(message.ring_bytes).second.get());
        stranger.control.send(message, ChannelMemory::create(message.ring_bytes).second.get());
        break;
      case 6:
        message.kind = ControlMessage::hello;
        stranger.control.send(message, bell.get());
        stranger.control.send(message, bell.get());
        break;
      case 7:
        message.ring_bytes = ~std::uint64_t{0};
        stranger.control.send(message, bell.get());
        break;
      default: break;
    }
    if (kind < 3) stranger.control.send(message);
    const auto error = test::error_on(victim, *stranger.link);
    REQUIRE(error);
    CHECK(error->code() == Errc::protocol_error);
    CHECK(error->rank() == 0);
  }
  CHECK(test::open_files() == files);
  CHECK(our_mappings() == 0);
}

TEST_CASE("a peer's last words may be any bytes") {
  const auto endpoints = test::make_endpoints(2);
  ShmTransport victim(endpoints[1], 7, 1, {0, 1});
  Stranger stranger(endpoints[0], victim);
  ControlMessage message;
  message.kind = ControlMessage::notice;
  message.said.code = 12345;
  message.said.rank = 77;
  message.said.text_bytes = 0xffffffff;
  for (char& c : message.said.text) c = '\x1b';
  stranger.control.send(message);
  const auto error = test::error_on(victim, *stranger.link);
  REQUIRE(error);
  CHECK(error->code() == Errc::protocol_error);
  CHECK(error->rank() == Error::nobody);
  CHECK(std::string(error->what()).find('\x1b') == std::string::npos);
}

TEST_CASE("when there is no more to get the error says how much was wanted") {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  const rlimit none_left{.rlim_cur = 3, .rlim_max = limit.rlim_max};
  ::setrlimit(RLIMIT_NOFILE, &none_left);
  std::optional<Error> error;
  try {
    ChannelMemory::create(1 << 20);
  } catch (const Error& e) {
    error = e;
  }
  ::setrlimit(RLIMIT_NOFILE, &limit);
  REQUIRE(error);
  CHECK(error->code() == Errc::resource_exhausted);
  CHECK(std::string(error->what()).find("2101248 bytes of shared memory") != std::string::npos);
  CHECK(std::string(error->what()).find("ulimit -n") != std::string::npos);
}
