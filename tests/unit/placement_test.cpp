// SPDX-License-Identifier: Apache-2.0
#include <ringcoll/placement.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <random>
#include <set>
#include <vector>

using namespace ringcoll;

TEST_CASE("ranks and their places on nodes are each other's inverse, whatever the shape") {
  std::mt19937 random(7);
  for (int round = 0; round < 300; ++round) {
    std::vector<std::uint64_t> hosts(1 + random() % 40);
    const std::uint64_t kinds = 1 + random() % 8;
    for (std::uint64_t& host : hosts) host = 1000 - random() % kinds;
    const Placement placement(hosts);
    REQUIRE(placement.size() == static_cast<int>(hosts.size()));
    REQUIRE(placement.nodes() == static_cast<int>(std::set(hosts.begin(), hosts.end()).size()));
    int counted = 0;
    for (int node = 0; node < placement.nodes(); ++node) {
      REQUIRE(placement.local_size(node) > 0);
      counted += placement.local_size(node);
      if (node > 0) REQUIRE(placement.leader(node) > placement.leader(node - 1));
      for (int local = 0; local < placement.local_size(node); ++local) {
        const int rank = placement.rank(node, local);
        REQUIRE(placement.node(rank) == node);
        REQUIRE(placement.local_rank(rank) == local);
        REQUIRE(hosts[static_cast<std::size_t>(rank)] == hosts[static_cast<std::size_t>(placement.leader(node))]);
        if (local > 0) REQUIRE(rank > placement.rank(node, local - 1));
      }
    }
    REQUIRE(counted == placement.size());
  }
}

TEST_CASE("shapes are told apart") {
  const auto placed = [](std::vector<std::uint64_t> hosts) { return Placement(hosts); };
  CHECK(placed({1, 1, 2, 2}).contiguous());
  CHECK(placed({1, 1, 2, 2}).uniform());
  CHECK(placed({1, 2, 2, 2}).contiguous());
  CHECK_FALSE(placed({1, 2, 2, 2}).uniform());
  CHECK_FALSE(placed({1, 2, 1, 2}).contiguous());
  CHECK(placed({1, 2, 1, 2}).uniform());
  CHECK(placed({5, 5, 9}) == placed({1, 1, 0}));
  CHECK_FALSE(placed({1, 1, 2}) == placed({1, 2, 2}));
  CHECK(Placement::one_node(3) == placed({8, 8, 8}));
}
