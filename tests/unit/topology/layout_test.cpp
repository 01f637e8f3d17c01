// SPDX-License-Identifier: Apache-2.0
#include <ringcoll/topology/layout.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <limits>
#include <map>
#include <numeric>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "topology/machines.hpp"

using namespace ringcoll::topology;

namespace {

/// Machines of the regression set, and random ones.
template <class F>
void for_each_machine(F&& f) {
  for (const auto& path : machines::files()) {
    INFO(path);
    f(machines::load_file(path));
  }
  std::mt19937 random(23);
  for (int round = 0; round < 150; ++round) {
    const Graph graph = machines::random_graph(random, 1 + static_cast<int>(random() % 80));
    INFO(write_text(graph));
    f(graph);
  }
}

int node_at(const Layout& layout, int rank) { return layout.seats[static_cast<std::size_t>(rank)].node; }

}  // namespace

TEST_CASE("every ring visits every rank once, and each node in one go") {
  for_each_machine([](const Graph& graph) {
    const Layout layout = lay_out(graph);
    REQUIRE_FALSE(layout.rings.empty());
    for (const Ring& ring : layout.rings) {
      std::vector<int> sorted = ring.ranks;
      std::sort(sorted.begin(), sorted.end());
      std::vector<int> all(layout.seats.size());
      std::iota(all.begin(), all.end(), 0);
      REQUIRE(sorted == all);
      std::set<int> left;
      for (std::size_t i = 1; i < ring.ranks.size(); ++i) {
        const int before = node_at(layout, ring.ranks[i - 1]), now = node_at(layout, ring.ranks[i]);
        if (before != now) left.insert(before);
        REQUIRE_FALSE(left.contains(now));
      }
    }
  });
}

TEST_CASE("across nodes with equal NICs each rail is used by one ring") {
  for (const char* name : {"fat_tree_64", "seven_gpus", "cpu_cluster"}) {
    const Graph graph = machines::load(name);
    const Layout layout = lay_out(graph);
    for (std::size_t node = 0; node < graph.nodes().size(); ++node) {
      std::set<int> used;
      for (const Ring& ring : layout.rings) used.insert(ring.nics[node]);
      CHECK(used.size() == layout.rings.size());
      CHECK(used.size() == graph.of_kind(graph.nodes()[node], Kind::nic).size());
    }
    for (const Ring& ring : layout.rings)
      for (const int nic : ring.nics) CHECK(graph[nic].rail == graph[ring.nics[0]].rail);
  }
}

TEST_CASE("every tree has one root, no cycle, and at most four children a rank, two of them across nodes") {
  for_each_machine([](const Graph& graph) {
    const Layout layout = lay_out(graph);
    std::map<int, int> across;
    for (const Tree& tree : layout.trees) {
      REQUIRE(std::count(tree.parents.begin(), tree.parents.end(), none) == 1);
      std::map<int, int> children;
      for (int rank = 0; rank < static_cast<int>(tree.parents.size()); ++rank) {
        int at = rank, steps = 0;
        while (tree.parents[static_cast<std::size_t>(at)] != none && steps++ <= static_cast<int>(tree.parents.size()))
          at = tree.parents[static_cast<std::size_t>(at)];
        REQUIRE(at == tree.root());
        const int parent = tree.parents[static_cast<std::size_t>(rank)];
        if (parent == none) continue;
        ++children[parent];
        if (node_at(layout, parent) != node_at(layout, rank)) ++across[node_at(layout, parent)];
      }
      for (const auto& [rank, count] : children) REQUIRE(count <= 4);
    }
    for (const auto& [node, count] : across) REQUIRE(count <= 2);
  });
}

TEST_CASE("double binary trees: in both together no place has more than two children, and both are shallow") {
  for (int count = 1; count <= 1024; ++count) {
    std::vector<int> children(static_cast<std::size_t>(count));
    for (int tree = 0; tree < 2; ++tree) {
      int roots = 0;
      for (int place = 0; place < count; ++place) {
        const int parent = detail::double_tree_parent(place, count, tree);
        if (parent == none) ++roots;
        else ++children[static_cast<std::size_t>(parent)];
        int steps = 0;
        for (int at = place; at != none && steps <= 12; ++steps) at = detail::double_tree_parent(at, count, tree);
        REQUIRE(steps <= 12);
      }
      REQUIRE(roots == 1);
    }
    REQUIRE(*std::max_element(children.begin(), children.end()) <= 2);
  }
}

TEST_CASE("the round trip that is found is the best of all") {
  std::mt19937 random(5);
  for (int round = 0; round < 120; ++round) {
    const std::size_t stops = 3 + random() % 5;
    detail::Legs legs(stops);
    for (std::size_t a = 0; a < stops; ++a)
      for (std::size_t b = 0; b < stops; ++b)
        if (a != b)
          legs(a, b) = {.bandwidth = static_cast<double>(1 + random() % 5),
                        .latency = static_cast<double>(1 + random() % 100)};
    std::vector<std::size_t> trip(stops);
    std::iota(trip.begin(), trip.end(), std::size_t{0});
    detail::Rating best{.narrowest = 0, .latency = 0};
    do {
      const detail::Rating rating = detail::rate(legs, trip);
      if (rating.better_than(best)) best = rating;
    } while (std::next_permutation(trip.begin() + 1, trip.end()));
    const detail::Rating found = detail::rate(legs, detail::round_trip(legs));
    CHECK_FALSE(best.better_than(found));
    CHECK(found.narrowest == best.narrowest);
  }
}

TEST_CASE("two rings over direct links of a hybrid cube mesh go over the double links alone") {
  const Graph graph = machines::load("cube_mesh");
  const Layout layout = lay_out(graph);
  REQUIRE(layout.rings.size() == 4);
  for (std::size_t ring = 0; ring < 2; ++ring) {
    const std::vector<int>& ranks = layout.rings[ring].ranks;
    for (std::size_t i = 0; i < ranks.size(); ++i)
      CHECK(cost_between(graph, layout, ranks[i], ranks[(i + 1) % ranks.size()]).gigabytes_per_second() ==
            doctest::Approx(50));
  }
}

TEST_CASE("each GPU uses the NIC under its own switch") {
  for (const char* name : {"dgx_8gpu", "fat_tree_64"}) {
    const Graph graph = machines::load(name);
    const Layout layout = lay_out(graph);
    for (std::size_t rank = 0; rank < layout.seats.size(); ++rank)
      CHECK(graph[layout.nics[rank]].parent == graph[layout.seats[rank].object].parent);
  }
}

TEST_CASE("ranks that share a node share its cores evenly and no core twice") {
  for_each_machine([](const Graph& graph) {
    for (const int node : graph.nodes()) {
      const auto cores = static_cast<int>(graph.of_kind(node, Kind::core).size());
      if (!graph.of_kind(node, Kind::gpu).empty()) continue;
      for (const int count : {1, 2, 3, cores, 2 * cores + 1}) {
        if (count == 0) continue;
        const std::vector<Seat> seats = place_ranks(graph, node, count);
        REQUIRE(static_cast<int>(seats.size()) == count);
        std::multiset<int> used;
        std::size_t least = std::numeric_limits<std::size_t>::max(), most = 0;
        for (const Seat& seat : seats) {
          used.insert(seat.cores.begin(), seat.cores.end());
          least = std::min(least, seat.cores.size());
          most = std::max(most, seat.cores.size());
        }
        if (cores > 0) REQUIRE(least > 0);
        REQUIRE(most - least <= 1);
        if (count <= cores) REQUIRE(std::set(used.begin(), used.end()).size() == used.size());
      }
    }
  });
}

TEST_CASE("costs: the same both ways, nothing to oneself, more for more levels") {
  const Graph graph = machines::load("epyc_8numa");
  const Wiring wiring(graph);
  const auto cost = [&](const char* a, const char* b) {
    return Routes(wiring, graph.find(a), Routes::Reach::own_node).cost(graph.find(b));
  };
  CHECK(cost("epyc/a0.0", "epyc/a0.0") == LinkCost{});
  CHECK(cost("epyc/a0.0", "epyc/a0.1").alpha_us == doctest::Approx(0.06));
  CHECK(cost("epyc/a0.0", "epyc/b0.0").alpha_us == doctest::Approx(0.24));
  CHECK(cost("epyc/a0.0", "epyc/a4.0").alpha_us > cost("epyc/a0.0", "epyc/a1.0").alpha_us);
  CHECK(cost("epyc/a0.0", "epyc/a4.0").alpha_us == doctest::Approx(cost("epyc/a4.0", "epyc/a0.0").alpha_us));
}

TEST_CASE("nothing passes through a third node or through a GPU") {
  const Graph graph = read_text(
      "topology 1\nnode a\ngpu g in a\nnic x in a\nnode b as a\nnode c as a\n"
      "link a/x b/x\nlink a/g b/g bandwidth=100\nlink b/g c/g bandwidth=100\n");
  const Wiring wiring(graph);
  const Routes routes(wiring, graph.find("a/g"));
  CHECK(routes.cost(graph.find("b/g")).gigabytes_per_second() == doctest::Approx(100));
  CHECK(routes.cost(graph.find("c/g")).unreachable());
}

TEST_CASE("GPUs of several nodes on one switch need no NIC, within a node neither") {
  const Graph graph = machines::load("shared_nvswitch");
  const Layout layout = lay_out(graph);
  CHECK(layout.rings.front().nics.empty());
  CHECK(layout.shape.across.gigabytes_per_second() == doctest::Approx(900));
  CHECK(layout.shape.within.gigabytes_per_second() == doctest::Approx(900));
}

TEST_CASE("nodes under one switch follow one another, so links between switches are crossed once each way") {
  const Graph graph = machines::load("cpu_cluster");
  const std::vector<int> order = detail::nodes_by_network(Wiring(graph));
  int crossings = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    // Node k is under switch k mod 3.
    const auto under = [&](std::size_t place) { return std::stoi(graph[order[place]].name.substr(1)) % 3; };
    if (under(i) != under((i + 1) % order.size())) ++crossings;
  }
  CHECK(crossings == 3);
}

TEST_CASE("a machine of 1250 nodes of 8 GPUs is laid out in seconds") {
  std::string text = "topology 1\nnode n0\ngpu g[0-7] in n0\nnic x[0-7] in n0 speed=50\nswitch s in n0\n";
  text += "link g[0-7] s bandwidth=450\nnode n[1-1249] as n0\nswitch top\n";
  for (int k = 0; k < 8; ++k) text += "link n[0-1249]/x" + std::to_string(k) + " top\n";
  const Layout layout = lay_out(read_text(text));
  CHECK(layout.seats.size() == 10000);
  CHECK(layout.rings.size() == 8);
}
