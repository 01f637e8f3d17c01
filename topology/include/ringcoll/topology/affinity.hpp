// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <tuple>
#include <vector>

#include <ringcoll/topology/cost.hpp>
#include <ringcoll/topology/graph.hpp>
#include <ringcoll/topology/seat.hpp>

namespace ringcoll::inline v0::topology {

/// The NICs of a node, those of low rails first. A NIC without a rail has that of its index.
inline std::vector<int> nics_by_rail(const Graph& graph, int node) {
  const std::vector<int> nics = graph.of_kind(node, Kind::nic);
  std::vector<std::tuple<int, int>> order;
  for (std::size_t i = 0; i < nics.size(); ++i)
    order.emplace_back(graph[nics[i]].rail == none ? static_cast<int>(i) : graph[nics[i]].rail, nics[i]);
  std::sort(order.begin(), order.end());
  std::vector<int> sorted;
  for (const auto& [rail, nic] : order) sorted.push_back(nic);
  return sorted;
}

/// Which NIC each seat uses; none where its node has none.
///
/// The one that gives it most, up to the seat's fair share of all NICs of the node: the bandwidth of the way to the
/// NIC, or its part of the NIC's network speed if that is less. Among equals the nearest, then the one with fewest
/// users. Seats choose in their order, each knowing the choices before it. The seats of a node follow one another.
inline std::vector<int> nearest_nics(const Wiring& wiring, std::span<const Seat> seats) {
  const Graph& graph = wiring.graph();
  std::vector<int> users(static_cast<std::size_t>(graph.size())), chosen;
  int node = none;
  double fair = 0;
  std::vector<int> nics;
  for (const Seat& seat : seats) {
    if (seat.node != node) {
      node = seat.node;
      nics = nics_by_rail(graph, node);
      fair = 0;
      for (const int nic : nics) fair += network_speed(graph[nic]);
      fair /= static_cast<double>(
          std::count_if(seats.begin(), seats.end(), [&](const Seat& other) { return other.node == node; }));
    }
    const Routes routes(wiring, seat.object, Routes::Reach::own_node);
    int best = none;
    std::tuple<double, double, int> best_rating;
    for (const int nic : nics) {
      const int sharers = users[static_cast<std::size_t>(nic)] + 1;
      const LinkCost way = routes.cost(nic);
      const double gives = std::min({fair, way.gigabytes_per_second(), network_speed(graph[nic]) / sharers});
      const std::tuple rating(gives, -way.alpha_us, -sharers);
      if (best != none && rating <= best_rating) continue;
      best = nic;
      best_rating = rating;
    }
    if (best != none) ++users[static_cast<std::size_t>(best)];
    chosen.push_back(best);
  }
  return chosen;
}

}  // namespace ringcoll::inline v0::topology
