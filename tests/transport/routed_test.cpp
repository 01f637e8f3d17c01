// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include <ringcoll/detail/routed_transport.hpp>
#include <ringcoll/transports/shm.hpp>
#include <ringcoll/transports/tcp.hpp>

#include "transport/conformance.hpp"
#include "transport/endpoints.hpp"

using ringcoll::detail::RoutedTransport;

namespace {

/// Ranks 0, 1 and ranks 2, 3, 4 are as on two machines.
std::vector<std::unique_ptr<RoutedTransport>> make_routed(int size) {
  const auto endpoints = test::make_endpoints(size);
  std::vector<std::unique_ptr<RoutedTransport>> transports;
  for (int rank = 0; rank < size; ++rank) {
    const auto& endpoint = endpoints[static_cast<std::size_t>(rank)];
    std::vector<std::unique_ptr<ringcoll::AnyTransport>> both;
    both.push_back(ringcoll::erase(std::make_unique<ringcoll::ShmTransport>(endpoint, 7, rank, test::everybody(size))));
    both.push_back(ringcoll::erase(std::make_unique<ringcoll::TcpTransport>(endpoint, 7, rank, test::everybody(size))));
    std::vector<std::uint8_t> route;
    for (int peer = 0; peer < size; ++peer) route.push_back((peer < 2) == (rank < 2) ? 0 : 1);
    transports.push_back(std::make_unique<RoutedTransport>(std::move(both), std::move(route), std::size_t{64} << 10));
  }
  return transports;
}

}  // namespace

TEST_CASE("shm and tcp routed as one transport satisfy the contract") { conformance::check(make_routed); }

TEST_CASE("a route refuses what its transports cannot do") {
  const auto endpoints = test::make_endpoints(1);
  const auto make = [&](std::vector<std::uint8_t> route, std::size_t frame_bytes) {
    std::vector<std::unique_ptr<ringcoll::AnyTransport>> one;
    one.push_back(ringcoll::erase(std::make_unique<ringcoll::ShmTransport>(endpoints[0], 7, 0, test::everybody(1))));
    RoutedTransport(std::move(one), std::move(route), frame_bytes);
  };
  CHECK_NOTHROW(make({0}, 64 << 10));
  CHECK_THROWS_WITH(make({0}, 65 << 10),
                    "ringcoll: a transport with frames of 65536 bytes cannot carry frames of 66560");
  CHECK_THROWS_WITH(make({1}, 64 << 10), "ringcoll: a route leads to transport 1 of 1");
  CHECK_THROWS_AS(RoutedTransport({}, {}, 64), ringcoll::Error);
}
