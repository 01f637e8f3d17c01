// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include <ringcoll/topology/affinity.hpp>
#include <ringcoll/topology/cost.hpp>
#include <ringcoll/topology/graph.hpp>
#include <ringcoll/topology/ring.hpp>
#include <ringcoll/topology/seat.hpp>
#include <ringcoll/topology/text.hpp>
#include <ringcoll/topology/tree.hpp>

namespace ringcoll::inline v0::topology {

/// A machine in the few numbers that a cost model needs.
struct Shape {
  int nodes = 0;
  int ranks = 0;
  int least_ranks_per_node = 0, most_ranks_per_node = 0;
  int rails = 0;           ///< NICs of the node with fewest
  double rail_speed = 0;   ///< GB/s of the slowest NIC
  double node_speed = 0;   ///< GB/s of all NICs together, of the node with least
  int cores_per_node = 0;  ///< of the node with fewest
  LinkCost within = {};    ///< the dearest way between ranks of one node that follow one another in the first ring
  LinkCost across = {};    ///< the same for ranks of two nodes

  friend bool operator==(const Shape&, const Shape&) = default;
};

/// All that is chosen for a machine: a pure function of the graph and the numbers of ranks, so that ranks that know the
/// same graph choose alike.
struct Layout {
  std::vector<Seat> seats;  ///< of each rank
  std::vector<int> nics;    ///< that each rank uses
  std::vector<int> leaders;
  std::vector<Ring> rings;
  std::vector<Tree> trees;
  Shape shape;

  friend bool operator==(const Layout&, const Layout&) = default;
};

namespace detail {

inline bool dearer(const LinkCost& a, const LinkCost& b) { return a.us(Routes::message) > b.us(Routes::message); }

inline LinkCost way(const Wiring& wiring, int from, int to) {
  const bool within = wiring.node_of(from) == wiring.node_of(to);
  return Routes(wiring, from, within ? Routes::Reach::own_node : Routes::Reach::everywhere).cost(to);
}

inline Shape shape_of(const Wiring& wiring, const Layout& layout) {
  const Graph& graph = wiring.graph();
  Shape shape{.nodes = static_cast<int>(graph.nodes().size()), .ranks = static_cast<int>(layout.seats.size())};
  bool is_first = true;
  for (const int node : graph.nodes()) {
    const std::vector<int> nics = graph.of_kind(node, Kind::nic);
    double speed = 0, slowest = std::numeric_limits<double>::infinity();
    for (const int nic : nics) {
      speed += network_speed(graph[nic]);
      slowest = std::min(slowest, network_speed(graph[nic]));
    }
    if (nics.empty()) slowest = 0;
    const int ranks = static_cast<int>(seats_of(layout.seats, node).size()), rails = static_cast<int>(nics.size());
    const int cores = static_cast<int>(graph.of_kind(node, Kind::core).size());
    const auto least = [&](auto& least_so_far, auto value) {
      least_so_far = is_first ? value : std::min(least_so_far, value);
    };
    least(shape.least_ranks_per_node, ranks);
    least(shape.rails, rails);
    least(shape.rail_speed, slowest);
    least(shape.node_speed, speed);
    least(shape.cores_per_node, cores);
    shape.most_ranks_per_node = std::max(shape.most_ranks_per_node, ranks);
    is_first = false;
  }
  if (layout.rings.empty()) return shape;
  const std::vector<int>& ring = layout.rings.front().ranks;
  std::vector<int> nic_of(static_cast<std::size_t>(graph.size()), none);
  for (const int nic : layout.rings.front().nics)
    if (nic != none) nic_of[static_cast<std::size_t>(graph.node_of(nic))] = nic;
  for (std::size_t i = 0; i < ring.size(); ++i) {
    const Seat& from = layout.seats[static_cast<std::size_t>(ring[i])];
    const Seat& to = layout.seats[static_cast<std::size_t>(ring[(i + 1) % ring.size()])];
    const bool within = from.node == to.node;
    const int out = nic_of[static_cast<std::size_t>(from.node)], in = nic_of[static_cast<std::size_t>(to.node)];
    LinkCost cost;
    if (within || out == none || in == none) cost = way(wiring, from.object, to.object);
    else cost = way(wiring, from.object, out).then(way(wiring, out, in)).then(way(wiring, in, to.object));
    LinkCost& dearest = within ? shape.within : shape.across;
    if (dearer(cost, dearest)) dearest = cost;
  }
  return shape;
}

}  // namespace detail

/// `ranks_per_node` and `rings` 0: as many as the machine has use for.
inline Layout lay_out(const Graph& graph, int ranks_per_node = 0, int rings = 0) {
  const Wiring wiring(graph);
  Layout layout;
  layout.seats = place_ranks(graph, ranks_per_node);
  layout.nics = nearest_nics(wiring, layout.seats);
  layout.leaders = leaders(wiring, layout.seats);
  layout.rings = ring_orders(wiring, layout.seats, rings);
  layout.trees = trees(wiring, layout.seats);
  layout.shape = detail::shape_of(wiring, layout);
  return layout;
}

/// What messages between two ranks cost. For many pairs make a Wiring, and Routes of each rank, once.
inline LinkCost cost_between(const Graph& graph, const Layout& layout, int from, int to) {
  const auto object = [&](int rank) { return layout.seats[static_cast<std::size_t>(rank)].object; };
  return detail::way(Wiring(graph), object(from), object(to));
}

namespace detail {

inline std::string rounded(double value) {
  char text[64];
  return {text, std::to_chars(text, text + sizeof text, value, std::chars_format::general, 4).ptr};
}

inline std::string describe(const LinkCost& cost) {
  if (cost.unreachable()) return "no way";
  if (cost == LinkCost{}) return "none";
  return rounded(cost.alpha_us) + " us, " + rounded(cost.gigabytes_per_second()) + " GB/s";
}

inline std::string list(const std::vector<int>& ranks) {
  std::string text;
  for (const int rank : ranks) text += " " + (rank == none ? std::string("-") : std::to_string(rank));
  return text;
}

}  // namespace detail

/// A layout as lines of text, for people and for comparing.
inline std::string describe(const Graph& graph, const Layout& layout) {
  const Shape& shape = layout.shape;
  std::string text = "nodes " + std::to_string(shape.nodes) + ", ranks " + std::to_string(shape.ranks) + ", " +
                     std::to_string(shape.least_ranks_per_node) + " to " + std::to_string(shape.most_ranks_per_node) +
                     " a node\n";
  text += "rails " + std::to_string(shape.rails) + " of " + detail::rounded(shape.rail_speed) + " GB/s, a node " +
          detail::rounded(shape.node_speed) + " GB/s; cores a node " + std::to_string(shape.cores_per_node) + "\n";
  text += "within a node: " + detail::describe(shape.within) + "\n";
  text += "across nodes: " + detail::describe(shape.across) + "\n";
  for (std::size_t rank = 0; rank < layout.seats.size(); ++rank) {
    const Seat& seat = layout.seats[rank];
    const std::string cpus = detail::list_cpus(cpus_of(graph, seat));
    text += "rank " + std::to_string(rank) + ": " + graph.path(seat.object) + (cpus.empty() ? "" : ", cpus " + cpus) +
            (layout.nics[rank] == none ? "" : ", " + graph[layout.nics[rank]].name) + "\n";
  }
  text += "leaders:" + detail::list(layout.leaders) + "\n";
  for (std::size_t i = 0; i < layout.rings.size(); ++i) {
    text += "ring " + std::to_string(i) + ":" + detail::list(layout.rings[i].ranks) + "\n";
    if (layout.rings[i].nics.empty()) continue;
    text += "ring " + std::to_string(i) + " by:";
    for (const int nic : layout.rings[i].nics) text += " " + (nic == none ? std::string("-") : graph.path(nic));
    text += "\n";
  }
  for (std::size_t i = 0; i < layout.trees.size(); ++i)
    text += "tree " + std::to_string(i) + " parents:" + detail::list(layout.trees[i].parents) + "\n";
  return text;
}

}  // namespace ringcoll::inline v0::topology
