// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <limits>
#include <queue>
#include <utility>
#include <vector>

#include <ringcoll/topology/graph.hpp>

namespace ringcoll::inline v0::topology {

/// What a message costs on its way from one object to another: alpha_us, and beta for each byte.
struct LinkCost {
  double alpha_us = 0;
  double beta = 0;  ///< seconds per byte

  double gigabytes_per_second() const { return beta > 0 ? 1e-9 / beta : std::numeric_limits<double>::infinity(); }
  double us(double bytes) const { return alpha_us + beta * bytes * 1e6; }
  /// What a message costs that goes on another way after this one.
  LinkCost then(const LinkCost& next) const {
    return {.alpha_us = alpha_us + next.alpha_us, .beta = std::max(beta, next.beta)};
  }
  /// No way leads there.
  bool unreachable() const { return beta == std::numeric_limits<double>::infinity(); }

  friend bool operator==(const LinkCost&, const LinkCost&) = default;
};

/// One direction of a link of the graph, a bit of a way.
struct Hop {
  double bandwidth = 0;  ///< GB/s
  double latency = 0;    ///< us
};

/// What a link costs where its description does not say. Orders of magnitude: PCIe 4.0 x16 for devices, DDR for memory;
/// two cores of one L3 are 0.06 us apart and two L3 domains 0.24 us, as measured between two cores of an EPYC (Zen 4)
/// VM.
constexpr Hop typical_hop(Kind child) {
  switch (child) {
    case Kind::package: return {.bandwidth = 40, .latency = 0.1};
    case Kind::numa: return {.bandwidth = 100, .latency = 0.05};
    case Kind::l3: return {.bandwidth = 50, .latency = 0.09};
    case Kind::core: return {.bandwidth = 12, .latency = 0.03};
    case Kind::bridge: return {.bandwidth = 31.5, .latency = 0.2};
    case Kind::gpu:
    case Kind::nic: return {.bandwidth = 31.5, .latency = 0.4};
    case Kind::crossbar:
    case Kind::node: break;
  }
  return {.bandwidth = 1000, .latency = 0.1};
}

inline constexpr Hop typical_link{.bandwidth = 25, .latency = 0.5};
/// 10 Gbit/s; 5 us between two nodes, as TCP between two network namespaces takes.
inline constexpr Hop typical_network{.bandwidth = 1.25, .latency = 2.5};

/// How fast a NIC's ports are, in GB/s.
inline double network_speed(const Object& nic) { return nic.speed > 0 ? nic.speed : typical_network.bandwidth; }

/// Who is linked to whom, in both directions: the graph's links and those from child to parent. NICs that no link joins
/// to anything hang on one switch that never blocks, `network()`.
class Wiring {
 public:
  struct End {
    int to = none;
    Hop hop;
  };

  explicit Wiring(const Graph& graph) : graph_(&graph), ends_(at(graph.size()) + 1) {
    std::vector<bool> wired(at(graph.size()));
    for (int i = 0; i < graph.size(); ++i)
      if (graph[i].parent != none && !hangs_on_links_alone(graph[i])) join(i, graph[i].parent, hop_to_parent(graph[i]));
    for (const Link& link : graph.links()) {
      const bool leaves = leaves_node(link.a, link.b);
      join(link.a, link.b, hop_of(link, leaves));
      if (leaves) wired[at(link.a)] = wired[at(link.b)] = true;
    }
    for (int i = 0; i < graph.size(); ++i)
      if (graph[i].kind == Kind::nic && !wired[at(i)]) join(i, network(), network_hop(graph[i]));
  }

  const Graph& graph() const { return *graph_; }
  const std::vector<End>& operator[](int object) const { return ends_[at(object)]; }
  int network() const { return graph_->size(); }
  int node_of(int object) const { return object == network() ? none : graph_->node_of(object); }
  bool leaves_node(int a, int b) const { return node_of(a) == none || node_of(a) != node_of(b); }

 private:
  static std::size_t at(int object) { return static_cast<std::size_t>(object); }

  /// The switch between GPUs is no way to the processors, unless its line says how fast a one.
  static bool hangs_on_links_alone(const Object& object) {
    return object.kind == Kind::crossbar && object.bandwidth == 0;
  }

  void join(int a, int b, const Hop& hop) {
    ends_[at(a)].push_back({b, hop});
    ends_[at(b)].push_back({a, hop});
  }

  static Hop hop(double bandwidth, double latency, const Hop& typical) {
    return {.bandwidth = bandwidth > 0 ? bandwidth : typical.bandwidth,
            .latency = latency > 0 ? latency : typical.latency};
  }
  static Hop hop_to_parent(const Object& child) { return hop(child.bandwidth, child.latency, typical_hop(child.kind)); }
  static Hop network_hop(const Object& nic) {
    return {.bandwidth = network_speed(nic), .latency = typical_network.latency};
  }
  Hop hop_of(const Link& link, bool leaves) const {
    Hop typical = typical_link;
    for (const int end : {link.a, link.b})
      if (leaves && (*graph_)[end].kind == Kind::nic) typical = network_hop((*graph_)[end]);
    return hop(link.bandwidth, link.latency, typical);
  }

  const Graph* graph_;
  std::vector<std::vector<End>> ends_;
};

/// The ways from one object to all others, or to those of its node.
///
/// Bytes take the way on which a message of 256 KiB, taken from link to link as a whole, would arrive first: few links
/// and fast ones. The ends of a way may be anything, but only what really forwards is between them: cores and GPUs do
/// not, and nothing passes through a third node, or out of a node and back into it but between GPUs that share a switch
/// with those of other nodes.
///
/// O((V + E) log V) for V objects. The wiring must outlive it.
class Routes {
 public:
  enum class Reach { everywhere, own_node };
  static constexpr double message = 256 * 1024;

  Routes(const Wiring& wiring, int from, Reach reach = Reach::everywhere)
      : wiring_(&wiring), from_(from), from_node_(wiring.node_of(from)), reach_(reach) {
    int size = wiring.network() + 1;
    const auto leaves = [&](const Wiring::End& end) { return wiring.leaves_node(from, end.to); };
    const bool shares_switch = from_node_ != none && wiring.graph()[from].kind == Kind::gpu &&
                               std::any_of(wiring[from].begin(), wiring[from].end(), leaves);
    if (shares_switch) reach_ = Reach::everywhere;
    if (reach_ == Reach::own_node) {
      base_ = from_node_;
      size = wiring.graph().end_of(from_node_) - base_;
    }
    us_.assign(static_cast<std::size_t>(size), never);
    before_.resize(static_cast<std::size_t>(size));
    spread();
  }

  int from() const { return from_; }

  LinkCost cost(int to) const {
    if (to == from_) return {};
    if (us_[at(to)] == never) return {.alpha_us = never, .beta = never};
    double alpha = 0, bandwidth = never;
    for (int i = to; i != from_; i = before_[at(i)].to) {
      alpha += before_[at(i)].hop.latency;
      bandwidth = std::min(bandwidth, before_[at(i)].hop.bandwidth);
    }
    return {.alpha_us = alpha, .beta = 1e-9 / bandwidth};
  }

  /// Calls f(a, b, hop) for each bit of the way, the last one first. Not at all where no way leads.
  template <class F>
  void for_each_hop(int to, F&& f) const {
    if (us_[at(to)] == never) return;
    for (int i = to; i != from_; i = before_[at(i)].to) f(before_[at(i)].to, i, before_[at(i)].hop);
  }

 private:
  static constexpr double never = std::numeric_limits<double>::infinity();
  using Entry = std::pair<double, int>;  // us, object

  std::size_t at(int object) const { return static_cast<std::size_t>(object - base_); }

  bool forwards(int object) const {
    if (object == from_ || object == wiring_->network()) return true;
    const Kind kind = wiring_->graph()[object].kind;
    return kind != Kind::core && kind != Kind::gpu;
  }

  /// Into another node and out of it again, or out of the own one and back, is no way.
  bool may_go(int from, int to) const {
    if (!wiring_->leaves_node(from, to)) return true;
    if (reach_ == Reach::own_node) return false;
    const int out_of = wiring_->node_of(from), into = wiring_->node_of(to);
    const bool comes_back = into != none && into == from_node_ && wiring_->graph()[to].kind != Kind::gpu;
    return (out_of == none || out_of == from_node_) && !comes_back;
  }

  void spread() {
    std::priority_queue<Entry, std::vector<Entry>, std::greater<>> queue;
    us_[at(from_)] = 0;
    queue.emplace(0, from_);
    while (!queue.empty()) {
      const auto [us, object] = queue.top();
      queue.pop();
      if (us > us_[at(object)] || !forwards(object)) continue;
      for (const auto& [to, hop] : (*wiring_)[object]) {
        if (!may_go(object, to)) continue;
        const double later = us + hop.latency + message / hop.bandwidth * 1e-3;
        if (later >= us_[at(to)]) continue;
        us_[at(to)] = later;
        before_[at(to)] = {.to = object, .hop = hop};
        queue.emplace(later, to);
      }
    }
  }

  const Wiring* wiring_;
  int from_, from_node_;
  Reach reach_;
  int base_ = 0;
  std::vector<double> us_;
  std::vector<Wiring::End> before_;  // where the best way comes from, and its last hop
};

}  // namespace ringcoll::inline v0::topology
