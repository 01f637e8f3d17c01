// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <atomic>
#include <stdexcept>
#include <string>

#include <ringcoll/local.hpp>

#include "transport/conformance.hpp"

TEST_CASE("the local transport satisfies the contract") {
  conformance::check([](int size) { return ringcoll::make_local(size); });
}

TEST_CASE("local::run gives each thread its rank") {
  for (const int size : {1, 2, 5, 40}) {
    std::atomic<int> ranks{0};
    ringcoll::local::run(size, [&](ringcoll::Communicator& comm) {
      if (comm.size() == size) ranks += comm.rank() + 1;
    });
    CHECK(ranks == size * (size + 1) / 2);
  }
}

TEST_CASE("local::run throws what went wrong, not its consequences") {
  const auto wait_for = [](ringcoll::Communicator& comm, int peer) {
    ringcoll::AnyTransport& transport = comm.member().transport();
    ringcoll::Link& link = transport.link(peer, 0);
    conformance::wait_until(transport, "the peer's failure is known", [&] { return static_cast<bool>(link.peek()); });
  };
  const auto message_of = [&](auto&& body) -> std::string {
    try {
      ringcoll::local::run(4, body);
    } catch (const std::exception& e) {
      return e.what();
    }
    return "nothing";
  };

  CHECK(message_of([&](ringcoll::Communicator& comm) {
          if (comm.rank() == 2) throw std::logic_error("the user's own");
          wait_for(comm, 2);
        }) == "the user's own");
  CHECK(message_of([&](ringcoll::Communicator& comm) {
          if (comm.rank() == 3) throw ringcoll::Error(ringcoll::Errc::timeout, "too late");
          wait_for(comm, 3);
        }) == "ringcoll: too late");
  CHECK(message_of([&](ringcoll::Communicator& comm) {
          if (comm.rank() == 0) wait_for(comm, 1);  // which just leaves
        }).find("has left the communicator") != std::string::npos);
  CHECK_THROWS_AS(ringcoll::local::run(0, [](ringcoll::Communicator&) {}), ringcoll::Error);
}
