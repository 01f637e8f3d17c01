// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <numeric>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include <ringcoll/topology/affinity.hpp>
#include <ringcoll/topology/cost.hpp>
#include <ringcoll/topology/graph.hpp>
#include <ringcoll/topology/seat.hpp>

namespace ringcoll::inline v0::topology {

/// An order of all ranks in which each sends to the next and the last one to the first.
struct Ring {
  std::vector<int> ranks;
  std::vector<int> nics;  ///< by node, in the order of visits: how the ring comes in and leaves; none: no NIC there

  friend bool operator==(const Ring&, const Ring&) = default;
};

namespace detail {

/// What is known about a step from one stop of a round trip to another.
struct Leg {
  double bandwidth = 0;
  double latency = 0;
};

/// A square table of legs between stops.
class Legs {
 public:
  explicit Legs(std::size_t stops) : stops_(stops), legs_(stops * stops) {}
  std::size_t stops() const { return stops_; }
  Leg& operator()(std::size_t a, std::size_t b) { return legs_[a * stops_ + b]; }
  const Leg& operator()(std::size_t a, std::size_t b) const { return legs_[a * stops_ + b]; }

 private:
  std::size_t stops_;
  std::vector<Leg> legs_;
};

/// A round trip is as good as its narrowest leg, and among equals as its latencies.
struct Rating {
  double narrowest = std::numeric_limits<double>::infinity();
  double latency = 0;

  void add(const Leg& leg) {
    narrowest = std::min(narrowest, leg.bandwidth);
    latency += leg.latency;
  }
  /// Sums of the same latencies in another order differ in their last bits.
  bool better_than(const Rating& other) const {
    if (narrowest != other.narrowest) return narrowest > other.narrowest;
    return latency < other.latency * (1 - 1e-9);
  }
};

inline Rating rate(const Legs& legs, const std::vector<std::size_t>& trip) {
  Rating rating;
  for (std::size_t i = 0; i < trip.size(); ++i) rating.add(legs(trip[i], trip[(i + 1) % trip.size()]));
  return rating;
}

/// The round trip from stop 0 through all others with the least latency among those whose legs all have `narrowest` or
/// more; empty if there is none. Held and Karp's sums over sets: O(2^n n^2).
inline std::vector<std::size_t> shortest_trip(const Legs& legs, double narrowest) {
  constexpr double never = std::numeric_limits<double>::infinity();
  const std::size_t stops = legs.stops(), sets = std::size_t{1} << (stops - 1);
  struct Best {
    double latency = never;
    std::size_t before = 0;
  };
  std::vector<Best> best(sets * stops);
  const auto wide = [&](std::size_t a, std::size_t b) { return legs(a, b).bandwidth >= narrowest; };
  for (std::size_t last = 1; last < stops; ++last)
    if (wide(0, last)) best[(std::size_t{1} << (last - 1)) * stops + last] = {legs(0, last).latency, 0};
  for (std::size_t set = 1; set < sets; ++set) {
    for (std::size_t last = 1; last < stops; ++last) {
      const double so_far = best[set * stops + last].latency;
      if (so_far == never) continue;
      for (std::size_t next = 1; next < stops; ++next) {
        const std::size_t with = set | std::size_t{1} << (next - 1);
        if (with == set || !wide(last, next)) continue;
        Best& there = best[with * stops + next];
        const double latency = so_far + legs(last, next).latency;
        if (there.latency == never || latency < there.latency * (1 - 1e-9)) there = {latency, last};
      }
    }
  }
  std::size_t set = sets - 1, end = 0;
  double least = never;
  for (std::size_t last = 1; last < stops; ++last) {
    const double latency = best[set * stops + last].latency + legs(last, 0).latency;
    if (best[set * stops + last].latency == never || !wide(last, 0)) continue;
    if (least != never && latency >= least * (1 - 1e-9)) continue;
    least = latency;
    end = last;
  }
  if (least == never) return {};
  std::vector<std::size_t> trip;
  for (std::size_t at = end; at != 0;) {
    trip.push_back(at);
    const std::size_t before = best[set * stops + at].before;
    set &= ~(std::size_t{1} << (at - 1));
    at = before;
  }
  trip.push_back(0);
  std::reverse(trip.begin(), trip.end());
  return trip;
}

/// Up to this many stops the best round trip is found, beyond it a good one.
inline constexpr std::size_t most_exact_stops = 10;

inline std::vector<std::size_t> exact_trip(const Legs& legs) {
  std::set<double> widths;
  for (std::size_t a = 0; a < legs.stops(); ++a)
    for (std::size_t b = 0; b < legs.stops(); ++b)
      if (a != b) widths.insert(legs(a, b).bandwidth);
  // The widest width at which there is a trip; there is one at the least.
  std::vector<double> order(widths.begin(), widths.end());
  std::size_t low = 0, high = order.size();
  std::vector<std::size_t> found = shortest_trip(legs, order[0]);
  while (high - low > 1) {
    const std::size_t middle = low + (high - low) / 2;
    std::vector<std::size_t> trip = shortest_trip(legs, order[middle]);
    if (trip.empty()) {
      high = middle;
    } else {
      low = middle;
      found = std::move(trip);
    }
  }
  return found;
}

/// From the order of the stops themselves, which for what stands in one another is good, by turning parts of it round
/// as long as that helps, a bounded number of times.
inline std::vector<std::size_t> improved_trip(const Legs& legs) {
  constexpr std::size_t most_to_improve = 64;
  constexpr int most_turns = 64;
  std::vector<std::size_t> trip(legs.stops());
  std::iota(trip.begin(), trip.end(), std::size_t{0});
  if (trip.size() > most_to_improve) return trip;
  Rating best = rate(legs, trip);
  for (int turn = 0; turn < most_turns; ++turn) {
    bool improved = false;
    for (std::size_t first = 1; first + 1 < trip.size() && !improved; ++first) {
      for (std::size_t last = first + 1; last < trip.size() && !improved; ++last) {
        std::vector<std::size_t> other = trip;
        std::reverse(other.begin() + static_cast<std::ptrdiff_t>(first),
                     other.begin() + static_cast<std::ptrdiff_t>(last) + 1);
        const Rating rating = rate(legs, other);
        if (!rating.better_than(best)) continue;
        improved = true;
        best = rating;
        trip = std::move(other);
      }
    }
    if (!improved) break;
  }
  return trip;
}

/// The best order for a round trip through all stops, beginning at stop 0.
inline std::vector<std::size_t> round_trip(const Legs& legs) {
  std::vector<std::size_t> trip(legs.stops());
  std::iota(trip.begin(), trip.end(), std::size_t{0});
  if (trip.size() < 3) return trip;
  return legs.stops() <= most_exact_stops ? exact_trip(legs) : improved_trip(legs);
}

/// The rings through the seats of one node, found one after the other: what earlier ones use, later ones share.
class NodeRings {
 public:
  NodeRings(const Wiring& wiring, std::span<const Seat> seats) : seats_(seats) {
    for (const Seat& seat : seats) routes_.emplace_back(wiring, seat.object, Routes::Reach::own_node);
  }

  /// Indices of seats in the order of the next ring, which comes in and leaves by `nic`, or is closed if that is none.
  /// `first` is where the ring begins among equals.
  std::vector<std::size_t> next(int nic, std::size_t first) {
    const std::size_t count = seats_.size(), gate = nic == none ? 0 : 1;
    // Stop 0 is the NIC, if there is one. Seats are turned so that each ring prefers another beginning.
    const auto seat = [&](std::size_t stop) { return (stop - gate + first) % count; };
    Legs legs(count + gate);
    for (std::size_t a = 0; a < count; ++a) {
      for (std::size_t b = 0; b < count; ++b) {
        if (a == b) continue;
        Leg leg = leg_between(seat(a + gate), seats_[seat(b + gate)].object, Way::to);
        // Among equals each seat goes on to the next one.
        leg.latency += 1e-6 * static_cast<double>((b + count - a - 1) % count);
        legs(a + gate, b + gate) = leg;
      }
      if (nic != none) {
        legs(0, a + 1) = leg_between(seat(a + 1), nic, Way::from);
        legs(0, a + 1).latency += 1e-6 * static_cast<double>(a);
        legs(a + 1, 0) = leg_between(seat(a + 1), nic, Way::to);
        legs(a + 1, 0).latency += 1e-6 * static_cast<double>(count - a);
      }
    }
    std::vector<std::size_t> order;
    for (const std::size_t stop : round_trip(legs))
      if (stop >= gate) order.push_back(seat(stop));
    use(order, nic);
    return order;
  }

 private:
  enum class Way { to, from };  // of a seat: to an object, or from it

  Leg leg_between(std::size_t seat, int object, Way way) const {
    if (object == seats_[seat].object) return {.bandwidth = std::numeric_limits<double>::infinity(), .latency = 0};
    const LinkCost cost = routes_[seat].cost(object);
    Leg leg{.bandwidth = cost.unreachable() ? 0 : std::numeric_limits<double>::infinity(),
            .latency = cost.unreachable() ? 1e9 : cost.alpha_us};
    routes_[seat].for_each_hop(object, [&](int a, int b, const Hop& hop) {
      const auto found = uses_.find(way == Way::to ? std::pair(a, b) : std::pair(b, a));
      leg.bandwidth = std::min(leg.bandwidth, hop.bandwidth / (found == uses_.end() ? 1 : found->second + 1));
    });
    return leg;
  }

  void use(const std::vector<std::size_t>& order, int nic) {
    const auto note = [&](std::size_t seat, int object, Way way) {
      routes_[seat].for_each_hop(
          object, [&](int a, int b, const Hop&) { ++uses_[way == Way::to ? std::pair(a, b) : std::pair(b, a)]; });
    };
    for (std::size_t i = 0; i + 1 < order.size(); ++i) note(order[i], seats_[order[i + 1]].object, Way::to);
    if (nic == none) {
      note(order.back(), seats_[order.front()].object, Way::to);
    } else {
      note(order.front(), nic, Way::from);
      note(order.back(), nic, Way::to);
    }
  }

  std::span<const Seat> seats_;
  std::vector<Routes> routes_;
  std::map<std::pair<int, int>, int> uses_;  // how many rings take a bit of way, each direction by itself
};

/// The NIC for each of so many rings that carry equal parts: always one with most speed to spare, among equals that of
/// the ring's own rail. A NIC much slower than the others stays out: it would hold back all of them.
inline std::vector<int> nics_by_ring(const Graph& graph, int node, int rings) {
  const std::vector<int> nics = nics_by_rail(graph, node);
  if (nics.empty()) return std::vector<int>(static_cast<std::size_t>(rings), none);
  std::vector<int> users(nics.size()), chosen;
  for (int ring = 0; ring < rings; ++ring) {
    const auto rating = [&](std::size_t i) {
      const int rail = graph[nics[i]].rail == none ? static_cast<int>(i) : graph[nics[i]].rail;
      return std::pair(network_speed(graph[nics[i]]) / (users[i] + 1), rail == ring);
    };
    std::size_t best = 0;
    for (std::size_t i = 1; i < nics.size(); ++i)
      if (rating(i) > rating(best)) best = i;
    ++users[best];
    chosen.push_back(nics[best]);
  }
  return chosen;
}

/// Whether the GPUs of all nodes reach those of others without NICs.
inline bool gpus_leave_nodes(const Wiring& wiring) {
  const Graph& graph = wiring.graph();
  for (const int node : graph.nodes()) {
    const std::vector<int> gpus = graph.of_kind(node, Kind::gpu);
    const bool leaves = std::any_of(gpus.begin(), gpus.end(), [&](int gpu) {
      return std::any_of(wiring[gpu].begin(), wiring[gpu].end(),
                         [&](const Wiring::End& end) { return wiring.leaves_node(gpu, end.to); });
    });
    if (!leaves) return false;
  }
  return true;
}

/// Nodes in an order in which those under one network switch follow one another, and then those of the next switch:
/// each ring crosses between switches as seldom as can be.
inline std::vector<int> nodes_by_network(const Wiring& wiring) {
  const Graph& graph = wiring.graph();
  std::vector<bool> seen(static_cast<std::size_t>(graph.size()) + 1);
  std::vector<int> order;
  const auto visit = [&](int node) {
    if (seen[static_cast<std::size_t>(node)]) return false;
    seen[static_cast<std::size_t>(node)] = true;
    order.push_back(node);
    return true;
  };
  // From each node to all nodes that its own switches join, then to theirs, the nearest switches first.
  for (const int start : graph.nodes()) {
    std::vector<int> switches;
    const auto add_switches_of = [&](int node) {
      for (int i = node, end = graph.end_of(node); i < end; ++i)
        for (const auto& [to, hop] : wiring[i])
          if (wiring.leaves_node(i, to) && to != wiring.network() && graph.node_of(to) == none &&
              !seen[static_cast<std::size_t>(to)]) {
            seen[static_cast<std::size_t>(to)] = true;
            switches.push_back(to);
          }
    };
    if (!visit(start)) continue;
    add_switches_of(start);
    for (std::size_t i = 0; i < switches.size(); ++i) {
      std::vector<int> found;
      for (const auto& [to, hop] : wiring[switches[i]]) {
        if (graph.node_of(to) != none) {
          found.push_back(graph.node_of(to));
        } else if (!seen[static_cast<std::size_t>(to)]) {
          seen[static_cast<std::size_t>(to)] = true;
          switches.push_back(to);
        }
      }
      std::sort(found.begin(), found.end());
      for (const int node : found)
        if (visit(node)) add_switches_of(node);
    }
  }
  return order;
}

}  // namespace detail

/// How many rings use what the machine has: over several nodes, one for each NIC of the node with most; where GPUs need
/// no NICs, one for each GPU that a GPU is linked to directly, since each ring takes another of these links; else one.
inline int natural_rings(const Wiring& wiring) {
  constexpr std::size_t most = 32;
  const Graph& graph = wiring.graph();
  std::size_t rings = 1;
  if (graph.nodes().size() > 1 && !detail::gpus_leave_nodes(wiring)) {
    for (const int node : graph.nodes()) rings = std::max(rings, graph.of_kind(node, Kind::nic).size());
  } else {
    std::map<int, std::set<int>> peers;
    for (const Link& link : graph.links()) {
      if (graph[link.a].kind != Kind::gpu || graph[link.b].kind != Kind::gpu) continue;
      peers[link.a].insert(link.b);
      peers[link.b].insert(link.a);
    }
    std::size_t least = peers.empty() ? 1 : most;
    for (const auto& [gpu, others] : peers) least = std::min(least, others.size());
    rings = least;
  }
  return static_cast<int>(std::min(rings, most));
}

/// Orders for `rings` rings (0: natural_rings()) that run at the same time.
///
/// Within a node the best order that there is for up to 9 seats and a NIC: its narrowest way, shared with the rings
/// before it, is as wide as can be, and among such orders it has the least latency. Above that a good one. Across
/// nodes, ring k comes in and leaves by the NIC of rail k, so that each rail is crossed once between two nodes, and
/// nodes under one switch follow one another.
inline std::vector<Ring> ring_orders(const Wiring& wiring, std::span<const Seat> seats, int rings = 0) {
  const Graph& graph = wiring.graph();
  if (rings <= 0) rings = natural_rings(wiring);
  std::vector<Ring> found(static_cast<std::size_t>(rings));
  const bool alone = graph.nodes().size() < 2 || detail::gpus_leave_nodes(wiring);
  for (const int node : detail::nodes_by_network(wiring)) {
    const auto first = std::find_if(seats.begin(), seats.end(), [&](const Seat& seat) { return seat.node == node; });
    const auto last = std::find_if(first, seats.end(), [&](const Seat& seat) { return seat.node != node; });
    if (first == last) continue;
    const std::size_t base = static_cast<std::size_t>(first - seats.begin());
    detail::NodeRings orders(wiring, {first, last});
    const std::vector<int> nics = detail::nics_by_ring(graph, node, rings);
    for (std::size_t ring = 0; ring < found.size(); ++ring) {
      const int nic = alone ? none : nics[ring];
      for (const std::size_t seat : orders.next(nic, ring % static_cast<std::size_t>(last - first)))
        found[ring].ranks.push_back(static_cast<int>(base + seat));
      if (!alone) found[ring].nics.push_back(nic);
    }
  }
  return found;
}

}  // namespace ringcoll::inline v0::topology
