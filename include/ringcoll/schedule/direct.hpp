// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ringcoll/schedule.hpp>

namespace ringcoll::inline v0 {

// Direct schedules: everybody talks to everybody, in one or two phases. Few phases are what counts among the ranks of
// one machine, above all when they outnumber its cores: a rank must be scheduled in once per phase. Links grow as n²,
// so the selector uses them for few ranks (direct_limit) only.

inline constexpr int direct_limit = 64;

namespace detail {

/// How `rank` sums one chunk that all ranks have sent to it, in rank order, so that every rank that does this ends with
/// the same bits and ops need not commute. Step j: the own input takes part when its turn has come.
struct OrderedSum {
  int size;

  constexpr int scratch_chunks() const { return 1; }
  constexpr int steps() const { return size; }
  constexpr int steps(int rank) const {
    // Ranks 0 and 1 fold their own input into the first message; later ones copy the first, then add.
    return rank < 2 ? size - 1 : size;
  }
  constexpr Step operator()(int rank, int chunk, int j) const {
    const bool last = j == steps(rank) - 1;
    const Piece sum = last ? output(chunk) : scratch(chunk);
    if (rank == 0)
      return {.from = j + 1,
              .src = j == 0 ? input(chunk) : scratch(chunk),
              .dst = sum,
              .order = Order::received_last,
              .complete = last};
    if (rank == 1)
      return {.from = j == 0 ? 0 : j + 1,
              .src = j == 0 ? input(chunk) : scratch(chunk),
              .dst = sum,
              .order = j == 0 ? Order::received_first : Order::received_last,
              .complete = last};
    if (j == rank) return {.src = scratch(chunk), .dst = sum, .with = input(chunk), .complete = last};
    return {.from = j,
            .src = j == 0 ? Piece{} : scratch(chunk),
            .dst = sum,
            .order = Order::received_last,
            .complete = last};
  }
};

}  // namespace detail

/// One-shot allreduce: everybody sends everything to everybody and sums it as Sum has it. One phase.
template <class Sum>
struct DirectAllreduceBy {
  int size;
  constexpr int chunks() const { return 1; }
  constexpr int slots() const { return 1; }
  constexpr int scratch_chunks() const { return Sum{size}.scratch_chunks(); }
  constexpr int steps() const { return size - 1 + Sum{size}.steps(); }
  constexpr int steps(int rank) const { return size - 1 + Sum{size}.steps(rank); }
  constexpr Step operator()(int rank, int i) const {
    if (i < size - 1) return {.src = input(0), .to = wrap(rank + 1 + i, size)};
    return Sum{size}(rank, 0, i - (size - 1));
  }
};

/// One-phase reduce_scatter: everybody sends chunk r to rank r, who sums as Sum has it.
template <class Sum>
struct DirectReduceScatterBy {
  int size;
  constexpr int chunks() const { return size; }
  constexpr int slots() const { return 1; }
  constexpr int scratch_chunks() const { return Sum{size}.scratch_chunks(); }
  constexpr int steps() const { return size - 1 + Sum{size}.steps(); }
  constexpr int steps(int rank) const { return size - 1 + Sum{size}.steps(rank); }
  constexpr Step operator()(int rank, int i) const {
    if (i >= size - 1) return Sum{size}(rank, rank, i - (size - 1));
    const int peer = wrap(rank + 1 + i, size);
    return {.src = input(peer), .to = peer};
  }
};

/// In rank order.
///
/// steps 2n-1 · bytes per link 1 · slots per link 1 · n >= 2 · ops need not commute
using DirectAllreduce = DirectAllreduceBy<detail::OrderedSum>;

/// In rank order.
///
/// steps 2n-1 · bytes per link 1/n · slots per link 1 · n >= 2 · ops need not commute
using DirectReduceScatter = DirectReduceScatterBy<detail::OrderedSum>;

/// One-phase allgather: everybody sends its chunk to everybody.
///
/// steps 2n-1 · bytes per link 1/n · slots per link 1 · any n
struct DirectAllgather {
  int size;
  constexpr int chunks() const { return size; }
  constexpr int slots() const { return 1; }
  constexpr int steps() const { return 2 * size - 1; }
  constexpr Step operator()(int rank, int i) const {
    if (i == 0) return {.src = input(rank), .dst = output(rank)};
    if (i < size) return {.src = input(rank), .to = wrap(rank + i, size)};
    const int peer = wrap(rank - (i - size + 1), size);
    return {.from = peer, .dst = output(peer)};
  }
};

/// Two-shot allreduce: DirectReduceScatterBy<Sum>, then everybody sends its finished chunk to everybody. Two phases.
template <class Sum>
struct TwoShotAllreduceBy {
  int size;
  constexpr int chunks() const { return size; }
  constexpr int slots() const { return 2; }
  constexpr int scratch_chunks() const { return Sum{size}.scratch_chunks(); }
  constexpr int steps() const { return reduce_scatter().steps() + 2 * size - 3; }
  constexpr int steps(int rank) const { return reduce_scatter().steps(rank) + 2 * size - 3; }
  constexpr Step operator()(int rank, int i) const {
    const int reduced = reduce_scatter().steps(rank);
    if (i < reduced) {
      Step step = reduce_scatter()(rank, i);
      if (i == reduced - 1) step.to = wrap(rank + 1, size);  // the finished chunk leaves in the same pass
      return step;
    }
    const int j = i - reduced;
    if (j < size - 2) return {.src = output(rank), .to = wrap(rank + 2 + j, size)};
    const int peer = wrap(rank - (j - (size - 2) + 1), size);
    return {.from = peer, .dst = output(peer)};
  }

 private:
  constexpr DirectReduceScatterBy<Sum> reduce_scatter() const { return {size}; }
};

/// In rank order.
///
/// steps 4n-4 · bytes per link 2/n · slots per link 2 · n >= 2 · ops need not commute
using TwoShotAllreduce = TwoShotAllreduceBy<detail::OrderedSum>;

/// Every rank's chunk goes straight to the root.
///
/// steps n at the root, 1 elsewhere · bytes per link 1 chunk · slots per link 1 · any n
struct DirectGather {
  int size, root;
  constexpr int chunks() const { return size; }
  constexpr int slots() const { return 1; }
  constexpr int steps() const { return size; }
  constexpr int steps(int rank) const { return rank == root ? size : 1; }
  constexpr Step operator()(int rank, int i) const {
    if (rank != root) return {.src = input(rank), .to = root};
    if (i == 0) return {.src = input(root), .dst = output(root)};
    const int peer = wrap(root + i, size);
    return {.from = peer, .dst = output(peer)};
  }
};

/// The root sends every rank its chunk.
///
/// steps n at the root, 1 elsewhere · bytes per link 1 chunk · slots per link 1 · any n
struct DirectScatter {
  int size, root;
  constexpr int chunks() const { return size; }
  constexpr int slots() const { return 1; }
  constexpr int steps() const { return size; }
  constexpr int steps(int rank) const { return rank == root ? size : 1; }
  constexpr Step operator()(int rank, int i) const {
    if (rank != root) return {.from = root, .dst = output(rank)};
    const int peer = wrap(root + 1 + i, size);
    if (peer != root) return {.src = input(peer), .to = peer};
    return {.src = input(root), .dst = output(root)};
  }
};

}  // namespace ringcoll::inline v0
