// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <tuple>
#include <vector>

#include <ringcoll/topology/affinity.hpp>
#include <ringcoll/topology/cost.hpp>
#include <ringcoll/topology/graph.hpp>
#include <ringcoll/topology/ring.hpp>
#include <ringcoll/topology/seat.hpp>

namespace ringcoll::inline v0::topology {

/// Who sends to whom on the way to the root: parents[rank], none at the root.
struct Tree {
  std::vector<int> parents;

  int root() const { return static_cast<int>(std::find(parents.begin(), parents.end(), none) - parents.begin()); }
  friend bool operator==(const Tree&, const Tree&) = default;
};

namespace detail {

/// The parent of a place in one of two binary trees over the places 0 … count-1, none at the root.
///
/// The first has place 0 for root, with one child, and odd places for leaves; the second is its mirror image, or for
/// odd counts the first moved on by one. So no place has more than two children in both together, and a message that
/// takes half its way over each uses all links (Sanders, Speck and Träff, "Two-tree algorithms for full bandwidth
/// broadcast, reduction and scan", 2009).
inline int double_tree_parent(int place, int count, int tree) {
  const auto other = [&](int p) { return count % 2 == 0 ? count - 1 - p : (p + count - 1) % count; };
  const auto back = [&](int p) { return count % 2 == 0 ? count - 1 - p : (p + 1) % count; };
  const int at = tree == 0 ? place : other(place);
  if (at == 0) return none;
  const int lowest = at & -at, above = (at ^ lowest) | (lowest << 1);
  const int parent = above < count ? above : at ^ lowest;
  return tree == 0 ? parent : back(parent);
}

/// The widest, then nearest tree from `root` over the seats of one node, where each has at most two children: whoever
/// is linked best to the tree joins next.
inline std::vector<int> node_tree(const Wiring& wiring, std::span<const Seat> seats, std::size_t root) {
  constexpr int most_children = 2;
  std::vector<Routes> routes;
  for (const Seat& seat : seats) routes.emplace_back(wiring, seat.object, Routes::Reach::own_node);
  std::vector<int> parents(seats.size(), none), children(seats.size()), depth(seats.size());
  std::vector<bool> joined(seats.size());
  joined[root] = true;
  for (std::size_t step = 1; step < seats.size(); ++step) {
    using Ties = std::tuple<double, double, int>;
    Ties best;
    std::size_t from = seats.size(), to = 0;
    for (std::size_t a = 0; a < seats.size(); ++a) {
      if (!joined[a] || children[a] == most_children) continue;
      for (std::size_t b = 0; b < seats.size(); ++b) {
        if (joined[b]) continue;
        const LinkCost cost = routes[a].cost(seats[b].object);
        const Ties rating(-cost.beta, -cost.alpha_us, -depth[a]);
        if (from != seats.size() && rating <= best) continue;
        best = rating;
        from = a;
        to = b;
      }
    }
    joined[to] = true;
    parents[to] = static_cast<int>(from);
    ++children[from];
    depth[to] = depth[from] + 1;
  }
  return parents;
}

/// The seat of a node nearest to a NIC, of several the first.
inline std::size_t nearest_seat(const Wiring& wiring, std::span<const Seat> seats, int nic) {
  if (nic == none) return 0;
  const Routes routes(wiring, nic, Routes::Reach::own_node);
  std::size_t best = 0;
  for (std::size_t i = 1; i < seats.size(); ++i) {
    const auto far = [&](std::size_t seat) { return routes.cost(seats[seat].object).us(Routes::message); };
    if (far(i) < far(best)) best = i;
  }
  return best;
}

/// The seats of one node: they follow one another.
inline std::span<const Seat> seats_of(std::span<const Seat> seats, int node) {
  const auto here = [&](const Seat& seat) { return seat.node == node; };
  const auto first = std::find_if(seats.begin(), seats.end(), here);
  return {first, std::find_if_not(first, seats.end(), here)};
}

}  // namespace detail

/// The rank that speaks for each node: the one nearest to the node's NIC of most speed.
inline std::vector<int> leaders(const Wiring& wiring, std::span<const Seat> seats) {
  const Graph& graph = wiring.graph();
  std::vector<int> found;
  for (const int node : graph.nodes()) {
    const std::span<const Seat> own = detail::seats_of(seats, node);
    if (own.empty()) continue;
    const std::vector<int> nics = nics_by_rail(graph, node);
    const auto best = std::max_element(nics.begin(), nics.end(),
                                       [&](int a, int b) { return network_speed(graph[a]) < network_speed(graph[b]); });
    const std::size_t leader = detail::nearest_seat(wiring, own, best == nics.end() ? none : *best);
    found.push_back(static_cast<int>(own.data() - seats.data()) + static_cast<int>(leader));
  }
  return found;
}

/// Two trees that together use all links, or one within a single node.
///
/// Nodes are the places of a double binary tree, in the order of the rings; the messages of tree k come into a node by
/// its k-th NIC, at the rank nearest to that. Within the node each rank passes them on to two others at most, over the
/// widest ways.
inline std::vector<Tree> trees(const Wiring& wiring, std::span<const Seat> seats) {
  const Graph& graph = wiring.graph();
  std::vector<int> nodes;
  for (const int node : detail::nodes_by_network(wiring))
    if (!detail::seats_of(seats, node).empty()) nodes.push_back(node);
  const int places = static_cast<int>(nodes.size()), count = places > 1 ? 2 : 1;
  std::vector<Tree> found(static_cast<std::size_t>(count), Tree{std::vector<int>(seats.size(), none)});
  for (int tree = 0; tree < count; ++tree) {
    std::vector<int>& parents = found[static_cast<std::size_t>(tree)].parents;
    std::vector<int> heads;
    for (const int node : nodes) {
      const std::span<const Seat> own = detail::seats_of(seats, node);
      const int base = static_cast<int>(own.data() - seats.data());
      const int nic = detail::nics_by_ring(graph, node, count)[static_cast<std::size_t>(tree)];
      const std::size_t head = detail::nearest_seat(wiring, own, nic);
      const std::vector<int> inner = detail::node_tree(wiring, own, head);
      for (std::size_t i = 0; i < inner.size(); ++i)
        if (inner[i] != none) parents[static_cast<std::size_t>(base) + i] = base + inner[i];
      heads.push_back(base + static_cast<int>(head));
    }
    for (int place = 0; place < places; ++place) {
      const int parent = detail::double_tree_parent(place, places, tree);
      if (parent != none)
        parents[static_cast<std::size_t>(heads[static_cast<std::size_t>(place)])] =
            heads[static_cast<std::size_t>(parent)];
    }
  }
  return found;
}

}  // namespace ringcoll::inline v0::topology
