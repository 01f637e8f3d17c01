// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace ringcoll::inline v0 {

/// Which ranks share a node. The same on all ranks of a communicator, so that schedules may depend on it.
///
/// Nodes are numbered by their lowest rank, and the ranks of a node by their order: local ranks. Any shape is possible:
/// nodes with different numbers of ranks, ranks of a node that are not neighbours.
class Placement {
 public:
  /// All ranks on one node.
  static Placement one_node(int size) { return Placement(std::vector<std::uint64_t>(static_cast<std::size_t>(size))); }

  /// `host_of[r]`: any number that exactly the ranks of one node share.
  explicit Placement(std::span<const std::uint64_t> host_of) : node_(host_of.size()), local_rank_(host_of.size()) {
    for (std::size_t r = 0; r < host_of.size(); ++r) {
      std::size_t node = 0;
      // Ranks of a node are neighbours more often than not.
      if (r > 0 && host_of[r] == host_of[r - 1]) node = static_cast<std::size_t>(node_[r - 1]);
      else
        while (node < hosts_.size() && hosts_[node] != host_of[r]) ++node;
      if (node == hosts_.size()) {
        hosts_.push_back(host_of[r]);
        first_.push_back(0);
      }
      node_[r] = static_cast<int>(node);
      local_rank_[r] = first_[node]++;
    }
    int before = 0;
    for (int& first : first_) {
      const int count = first;
      first = before;
      before += count;
    }
    first_.push_back(before);
    ranks_.resize(host_of.size());
    for (std::size_t r = 0; r < host_of.size(); ++r) {
      const int at = first_[static_cast<std::size_t>(node_[r])] + local_rank_[r];
      ranks_[static_cast<std::size_t>(at)] = static_cast<int>(r);
      contiguous_ = contiguous_ && at == static_cast<int>(r);
    }
    for (int node = 1; node < nodes(); ++node) uniform_ = uniform_ && local_size(node) == local_size(0);
  }

  int size() const { return static_cast<int>(node_.size()); }
  int nodes() const { return static_cast<int>(hosts_.size()); }

  int node(int rank) const { return node_[static_cast<std::size_t>(rank)]; }
  int local_rank(int rank) const { return local_rank_[static_cast<std::size_t>(rank)]; }
  /// How many ranks a node has.
  int local_size(int node) const {
    const auto at = static_cast<std::size_t>(node);
    return first_[at + 1] - first_[at];
  }
  int rank(int node, int local_rank) const {
    const int at = first_[static_cast<std::size_t>(node)] + local_rank;
    return ranks_[static_cast<std::size_t>(at)];
  }
  int leader(int node) const { return rank(node, 0); }

  /// The ranks of each node are neighbours: sums of nodes, taken in order, are sums in rank order.
  bool contiguous() const { return contiguous_; }
  /// All nodes have equally many ranks.
  bool uniform() const { return uniform_; }

  friend bool operator==(const Placement& a, const Placement& b) { return a.node_ == b.node_; }

 private:
  std::vector<std::uint64_t> hosts_;
  std::vector<int> node_, local_rank_;
  std::vector<int> first_;  // where a node's ranks begin in ranks_
  std::vector<int> ranks_;  // node by node
  bool contiguous_ = true, uniform_ = true;
};

}  // namespace ringcoll::inline v0
