// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <barrier>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

#include <ringcoll/transport.hpp>

#include "transport/exchange.hpp"

// What every transport must do: each sentence of the concept Transport and of Link, as a test. For your own transport:
//
//   TEST_CASE("my transport satisfies the contract") { conformance::check([](int size) { return make_mine(size); }); }
//
// where make_mine returns a std::vector<std::unique_ptr<MyTransport>>, one for each rank of a new communicator. Each is
// used by a thread of its own. Ends every wait after some seconds, with the name of what did not happen.
namespace conformance {

template <class Make>
void check_messages(Make make) {
  SUBCASE("messages arrive whole and in order, whatever their size") {
    auto world = make(2);
    REQUIRE(world[0]->frame_bytes() == world[1]->frame_bytes());
    REQUIRE(world[0]->slots() >= 2);
    const std::size_t most = world[0]->frame_bytes();
    std::vector<std::size_t> sizes = {0, 1, 7, 8, 31, 32, 33, 63, 64, 65, 4095, most / 2, most - 1, most, 0, most, 8};
    for (std::size_t i = 0; i < 200; ++i) sizes.push_back(i * 7919 % (most + 1));
    on_all(world, [&](int rank, auto& transport) {
      for (int sender = 0; sender < 2; ++sender) {
        Link& link = transport.link(1 - rank, 0);
        for (std::size_t i = 0; i < sizes.size(); ++i) {
          const Message message{static_cast<std::uint64_t>(sender), i, sizes[i]};
          rank == sender ? send(transport, link, message) : receive(transport, link, message);
        }
      }
    });
  }

  SUBCASE("many small messages in both directions at once") {
    auto world = make(2);
    on_all(world, [&](int rank, auto& transport) {
      Exchange exchange(transport.link(1 - rank, 0), static_cast<std::uint64_t>(rank) + 1,
                        static_cast<std::uint64_t>(1 - rank) + 1, 20000, 40);
      wait_until(transport, "small messages arrive", [&] {
        for (int i = 0; i < 50; ++i) exchange.try_send();
        for (int i = 0; i < 50; ++i) exchange.try_receive();
        return exchange.done();
      });
    });
  }

  SUBCASE("random exchanges of three ranks on two channels") {
    const std::uint64_t seed = std::random_device()() % 100000;
    CAPTURE(seed);
    auto world = make(3);
    exchange_at_random(world, seed, 120);
  }

  SUBCASE("reserve gives the same room until publish, and peek the same message until release") {
    auto world = make(2);
    on_all(world, [&](int rank, auto& transport) {
      Link& link = transport.link(1 - rank, 0);
      const Message first{1, 0, 5000}, second{1, 1, 600};
      if (rank == 0) {
        send(transport, link, first);
        Slot slot;
        wait_until(transport, "there is room to send", [&] { return static_cast<bool>(slot = link.reserve(600)); });
        second.write(slot);
        for (int i = 0; i < 100; ++i) {
          transport.progress();
          const Slot again = link.reserve(600);
          require(again.header == slot.header && again.payload == slot.payload, "reserve twice gives the same room");
        }
        link.publish();
      } else {
        Slot slot;
        wait_until(transport, "a message arrives", [&] { return static_cast<bool>(slot = link.peek()); });
        for (int i = 0; i < 100; ++i) {
          transport.progress();
          const Slot again = link.peek();
          require(again.header == slot.header && again.payload == slot.payload, "peek twice gives the same message");
        }
        first.check(slot);
        link.release();
        receive(transport, link, second);
      }
    });
  }
}

template <class Make>
void check_flow(Make make) {
  SUBCASE("without a receiver at least slots() messages fit, and all go on when it takes them") {
    auto world = make(2);
    std::atomic<std::uint64_t> on_their_way{0};
    on_all(world, [&](int rank, auto& transport) {
      Link& link = transport.link(1 - rank, 0);
      const std::size_t bytes = transport.frame_bytes();
      if (rank == 0) {
        const std::uint64_t sent = fill(transport, link, bytes);
        require(sent >= static_cast<std::uint64_t>(transport.slots()), "slots() messages fit");
        on_their_way = sent;
        for (std::uint64_t i = sent; i < sent + 40; ++i) send(transport, link, {1, i, bytes});
      } else {
        wait_until(transport, "the sender has filled the link", [&] { return on_their_way != 0; });
        for (std::uint64_t i = 0; i < on_their_way + 40; ++i) receive(transport, link, {1, i, bytes});
      }
    });
  }

  SUBCASE("a full channel does not hold up another, nor the other direction") {
    auto world = make(2);
    std::atomic<std::uint64_t> on_their_way{0};
    on_all(world, [&](int rank, auto& transport) {
      Link &full = transport.link(1 - rank, 0), &other = transport.link(1 - rank, 1);
      if (rank == 0) on_their_way = fill(transport, full, transport.frame_bytes());
      else wait_until(transport, "the sender has filled the link", [&] { return on_their_way != 0; });
      for (std::uint64_t i = 0; i < 50; ++i) {
        rank == 0 ? send(transport, other, {2, i, 1000}) : receive(transport, other, {2, i, 1000});
        rank == 1 ? send(transport, full, {3, i, 1000}) : receive(transport, full, {3, i, 1000});
      }
      for (std::uint64_t i = 0; rank == 1 && i < on_their_way; ++i)
        receive(transport, full, {1, i, transport.frame_bytes()});
    });
  }

  SUBCASE("a link connects when first used, and nothing waits for a peer that has not come") {
    auto world = make(2);
    std::atomic<bool> tried{false};
    on_all(world, [&](int rank, auto& transport) {
      if (rank == 1) wait_until(transport, "the other has tried", [&] { return tried.load(); });
      Link& link = transport.link(1 - rank, 0);
      require(&transport.link(1 - rank, 0) == &link, "link() gives the same link again");
      if (rank == 0) {
        const Clock::time_point start = Clock::now();
        for (int i = 0; i < 100; ++i) {
          require(!link.peek(), "no message is there before the peer sends one");
          link.reserve(8);
          transport.progress();
        }
        require(Clock::now() - start < 5s, "nothing waits");
        tried = true;
      }
      rank == 0 ? send(transport, link, {1, 0, 8}) : receive(transport, link, {1, 0, 8});
      rank == 1 ? send(transport, link, {2, 0, 8}) : receive(transport, link, {2, 0, 8});
    });
  }

  SUBCASE("a sleeping rank is woken by a message, and by credit") {
    auto world = make(2);
    if (world[0]->wait_fd() >= 0) {
      std::atomic<std::uint64_t> on_their_way{0};
      on_all(world, [&](int rank, auto& transport) {
        Link& link = transport.link(1 - rank, 0);
        rank == 0 ? send(transport, link, {9, 0, 8}) : receive(transport, link, {9, 0, 8});
        for (std::uint64_t i = 0; i < 10; ++i) {
          if (rank == 0) {
            std::this_thread::sleep_for(20ms);
            send(transport, link, {4, i, 100});
            wait_until(transport, "the answer arrives", [&] { return Message{5, i, 100}.try_receive(link); });
          } else {
            require(sleep_until(transport, [&] { return Message{4, i, 100}.try_receive(link); }), "a message wakes");
            send(transport, link, {5, i, 100});
          }
        }
        const std::size_t bytes = transport.frame_bytes();
        if (rank == 0) {
          const std::uint64_t sent = fill(transport, link, bytes);
          on_their_way = sent;
          require(sleep_until(transport, [&] { return Message{1, sent, bytes}.try_send(link); }), "credit wakes");
        } else {
          wait_until(transport, "the sender has filled the link", [&] { return on_their_way != 0; });
          std::this_thread::sleep_for(20ms);
          for (std::uint64_t i = 0; i < on_their_way + 1; ++i) receive(transport, link, {1, i, bytes});
        }
      });
    }
  }
}

template <class Make>
void check_end(Make make) {
  SUBCASE("what was published before a rank left in good order is delivered, then waiting for it is an error") {
    auto world = make(2);
    std::atomic<bool> closed{false};
    on_all(world, [&](int rank, auto& transport) {
      Link& link = transport.link(1 - rank, 0);
      if (rank == 0) {
        for (std::uint64_t i = 0; i < 2; ++i) send(transport, link, {1, i, transport.frame_bytes()});
        transport.close(nullptr);
        transport.close(nullptr);
        closed = true;
      } else {
        receive(transport, link, {1, 0, transport.frame_bytes()});
        wait_until(transport, "the other has closed", [&] { return closed.load(); });
        for (int i = 0; i < 100; ++i) transport.progress();
        receive(transport, link, {1, 1, transport.frame_bytes()});
        const Error late = error_of(transport, "peek tells that the peer has left", [&] { link.peek(); });
        require(late.code() == Errc::peer_failed && late.rank() == 0, late.what());
        require(std::string(late.what()).find("has left") != std::string::npos, late.what());
        error_of(transport, "reserve tells that the peer has left", [&] { link.reserve(8); });
      }
    });
  }

  SUBCASE("a rank that gives up tells its peers why, whether they send or receive") {
    auto world = make(4);
    on_all(world, [&](int rank, auto& transport) {
      if (rank == 0) {
        for (int peer = 1; peer < 4; ++peer) send(transport, transport.link(peer, 0), {1, 0, 64});
        receive(transport, transport.link(3, 0), {1, 0, 64});
        const Error cause(Errc::mismatch, "rank 2 called broadcast and rank 0 allreduce", 2);
        transport.close(&cause);
        return;
      }
      Link& link = transport.link(0, 0);
      receive(transport, link, {1, 0, 64});
      if (rank == 3) send(transport, link, {1, 0, 64});
      const Error error = error_of(transport, "the cause arrives", [&] {
        if (rank == 1) link.peek();
        else if (link.reserve(transport.frame_bytes())) link.publish();
      });
      require(error.code() == Errc::mismatch && error.rank() == 2, error.what());
      require(error.what() == std::string("ringcoll: rank 2 called broadcast and rank 0 allreduce"), error.what());
    });
  }

  SUBCASE("close may come from another thread, and returns soon") {
    auto world = make(2);
    std::barrier ready(2);
    std::thread closer;
    on_all(world, [&](int rank, auto& transport) {
      Link& link = transport.link(1 - rank, 0);
      rank == 0 ? send(transport, link, {1, 0, 8}) : receive(transport, link, {1, 0, 8});
      ready.arrive_and_wait();
      if (rank == 1) {
        const Error error = error_of(transport, "the cause arrives", [&] {
          if (link.peek()) link.release();
        });
        require(error.code() == Errc::aborted, error.what());
        return;
      }
      std::atomic<bool> closed{false};
      closer = std::thread([&] {
        const Error cause(Errc::aborted, "enough", 0);
        transport.close(&cause);
        closed = true;
      });
      const Clock::time_point start = Clock::now();
      while (!closed && Clock::now() - start < 10s) {
        try {
          link.peek();
          if (link.reserve(100)) link.publish();
        } catch (const Error&) {  // of its own closing
        }
        transport.progress();
      }
      closer.join();
      require(Clock::now() - start < 5s, "close returns soon");
    });
  }

  SUBCASE("ranks may go in any order, with messages unread and reserved") {
    for (const std::size_t first : {std::size_t{0}, std::size_t{1}, std::size_t{2}}) {
      auto world = make(3);
      on_all(world, [&](int rank, auto& transport) {
        for (int peer = 0; peer < 3; ++peer) {
          if (peer == rank) continue;
          for (std::uint64_t i = 0; i < 2; ++i) send(transport, transport.link(peer, 0), {1, i, 1000});
          wait_until(transport, "room", [&] { return static_cast<bool>(transport.link(peer, 0).reserve(10)); });
        }
        for (int peer = 0; peer < 3; ++peer)
          if (peer != rank) receive(transport, transport.link(peer, 0), {1, 0, 1000});
      });
      world[first].reset();
      for (std::size_t i = 0; i < world.size(); ++i)
        if (world[i]) world[i]->progress();
    }
    make(2);  // never used
  }
}

template <class Make>
void check_subsets(Make make) {
  SUBCASE("subsets have ranks, links and ends of their own") {
    auto world = make(5);
    on_all(world, [&](int rank, auto& transport) {
      constexpr std::array members{4, 2, 0};  // rank i of the subset is members[i]
      const auto place = std::find(members.begin(), members.end(), rank) - members.begin();
      if (place == 3) return;
      const int own = static_cast<int>(place);
      using T = std::remove_reference_t<decltype(transport)>;
      World<T> subsets;
      for (const std::uint64_t context : {11u, 12u}) subsets.push_back(transport.subset(context, members, own));
      for (const auto& subset : subsets)  // both ends of a connection must want it
        for (int peer = 0; peer < 3; ++peer)
          if (peer != own) subset->link(peer, 0);
      for (std::uint64_t i = 0; i < 3; ++i) {
        for (std::size_t s = 0; s < 2; ++s) {
          T& subset = *subsets[s];
          require(subset.frame_bytes() == transport.frame_bytes(), "a subset's frames are as long");
          const auto number = [&](int from) { return 100 * s + static_cast<std::uint64_t>(from); };
          const int next = (own + 1) % 3, prev = (own + 2) % 3;
          send(subset, subset.link(next, 0), {number(own), i, 500});
          receive(subset, subset.link(prev, 0), {number(prev), i, 500});
        }
      }
      const auto pair = own < 2 ? subsets[0]->subset(13, std::array{1, 0}, 1 - own) : nullptr;  // a subset's subset
      subsets[1].reset();  // its end does not touch the others
      if (!pair) return;
      send(*pair, pair->link(own, 1), {7, 0, 50});
      receive(*pair, pair->link(own, 1), {7, 0, 50});
      Link& parent = transport.link(rank == 4 ? 2 : 4, 0);
      send(transport, parent, {8, 0, 50});
      receive(transport, parent, {8, 0, 50});
    });
  }
}

/// All of it. `make(size)` gives a new communicator's transports, by rank.
template <class Make>
void check(Make make) {
  check_messages(make);
  check_flow(make);
  check_end(make);
  check_subsets(make);
}

}  // namespace conformance
