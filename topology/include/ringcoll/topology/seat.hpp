// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include <ringcoll/topology/graph.hpp>

namespace ringcoll::inline v0::topology {

/// Where a rank works.
struct Seat {
  int node = none;
  int object = none;       ///< where its data is: its GPU, or else the first of its cores, or else the node
  std::vector<int> cores;  ///< objects; ranks share them only where there are more ranks than cores

  friend bool operator==(const Seat&, const Seat&) = default;
};

/// How many ranks a node should have: one for each GPU, or else one for each core.
inline int natural_ranks(const Graph& graph, int node) {
  for (const Kind kind : {Kind::gpu, Kind::core}) {
    const auto count = static_cast<int>(graph.of_kind(node, kind).size());
    if (count > 0) return count;
  }
  return 1;
}

namespace detail {

/// Whether `object` stands in `outer`, or is it.
inline bool is_within(const Graph& graph, int object, int outer) {
  while (object > outer) object = graph[object].parent;
  return object == outer;
}

/// The cores nearest to an object: those of the least thing around it that has any.
inline std::vector<int> cores_around(const Graph& graph, std::span<const int> cores, int object, int& around) {
  std::vector<int> found;
  for (around = object; found.empty() && around != none; around = graph[around].parent) {
    for (const int core : cores)
      if (is_within(graph, core, around)) found.push_back(core);
    if (!found.empty()) break;
  }
  return found;
}

/// The part of a list for one of several that share it; lists that are too short give each one item.
inline std::vector<int> share(const std::vector<int>& of, std::size_t index, std::size_t count) {
  const std::size_t first = index * of.size() / count, last = (index + 1) * of.size() / count;
  if (of.empty()) return {};
  if (first == last) return {of[first]};
  return {of.begin() + static_cast<std::ptrdiff_t>(first), of.begin() + static_cast<std::ptrdiff_t>(last)};
}

inline std::vector<Seat> seats_at_gpus(const Graph& graph, int node, int count, std::span<const int> gpus,
                                       std::span<const int> cores) {
  std::vector<Seat> seats;
  std::vector<int> around(static_cast<std::size_t>(count), none);
  std::vector<std::vector<int>> near(static_cast<std::size_t>(count));
  for (std::size_t rank = 0; rank < near.size(); ++rank) {
    seats.push_back({.node = node, .object = gpus[rank % gpus.size()], .cores = {}});
    near[rank] = cores_around(graph, cores, seats[rank].object, around[rank]);
  }
  for (std::size_t rank = 0; rank < near.size(); ++rank) {
    const auto alike = std::count(around.begin(), around.end(), around[rank]);
    const auto before = std::count(around.begin(), around.begin() + static_cast<std::ptrdiff_t>(rank), around[rank]);
    seats[rank].cores = share(near[rank], static_cast<std::size_t>(before), static_cast<std::size_t>(alike));
  }
  return seats;
}

}  // namespace detail

/// Seats for the ranks of one node: each at a GPU of its own, with its part of the cores near that; without GPUs, each
/// with its part of all cores, so that ranks that follow one another share caches and memory.
inline std::vector<Seat> place_ranks(const Graph& graph, int node, int count) {
  const std::vector<int> gpus = graph.of_kind(node, Kind::gpu), cores = graph.of_kind(node, Kind::core);
  if (!gpus.empty()) return detail::seats_at_gpus(graph, node, count, gpus, cores);
  std::vector<Seat> seats;
  for (int rank = 0; rank < count; ++rank) {
    Seat seat{.node = node,
              .object = node,
              .cores = detail::share(cores, static_cast<std::size_t>(rank), static_cast<std::size_t>(count))};
    if (!seat.cores.empty()) seat.object = seat.cores.front();
    seats.push_back(std::move(seat));
  }
  return seats;
}

/// Seats for all ranks, node after node. `ranks_per_node` 0: as many as natural_ranks() says, node by node.
inline std::vector<Seat> place_ranks(const Graph& graph, int ranks_per_node = 0) {
  std::vector<Seat> seats;
  for (const int node : graph.nodes()) {
    const int count = ranks_per_node > 0 ? ranks_per_node : natural_ranks(graph, node);
    std::vector<Seat> more = place_ranks(graph, node, count);
    seats.insert(seats.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
  }
  return seats;
}

/// The system's numbers of the hardware threads that a rank may run on, for sched_setaffinity.
inline std::vector<int> cpus_of(const Graph& graph, const Seat& seat) {
  std::vector<int> cpus;
  for (const int core : seat.cores) cpus.insert(cpus.end(), graph[core].cpus.begin(), graph[core].cpus.end());
  std::sort(cpus.begin(), cpus.end());
  return cpus;
}

}  // namespace ringcoll::inline v0::topology
