// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>

#include <ringcoll/schedule.hpp>

namespace ringcoll::inline v0 {

namespace detail {

constexpr int ceil_log2(int size) {
  return size <= 1 ? 0 : static_cast<int>(std::bit_width(static_cast<unsigned>(size - 1)));
}

/// The binomial tree over places 0 … size-1, rooted at 0: place p's subtree is the run [p, p + lowest set bit of p).
struct BinomialTree {
  int size;
  constexpr int reach(int place) const { return place == 0 ? 1 << ceil_log2(size) : place & -place; }
  constexpr int parent(int place) const { return place - reach(place); }
  /// Child k, nearest first, or none.
  constexpr int child(int place, int k) const {
    const int distance = 1 << k;
    return distance < reach(place) && place + distance < size ? place + distance : none;
  }
  constexpr int children(int place) const {
    int count = 0;
    while (child(place, count) != none) ++count;
    return count;
  }
};

}  // namespace detail

/// The data goes down a binomial tree.
///
/// phases ceil(log2 n) · bytes per link 1 · slots per link 1 · any n
struct BinomialBroadcast {
  int size, root;
  constexpr int chunks() const { return 1; }
  constexpr int slots() const { return 1; }
  constexpr int steps() const { return detail::ceil_log2(size) + 1; }
  constexpr int steps(int rank) const {
    const int children = tree().children(place(rank));
    return rank == root ? children : (children == 0 ? 1 : children);
  }
  constexpr Step operator()(int rank, int i) const {
    const int here = place(rank), children = tree().children(here);
    // The farthest child first: it has the largest subtree to serve.
    const int child = i < children ? rank_of(tree().child(here, children - 1 - i)) : none;
    if (rank == root) return child == none ? Step{} : Step{.src = input(0), .to = child};
    if (i == 0) return {.from = rank_of(tree().parent(here)), .dst = output(0), .to = child};
    return child == none ? Step{} : Step{.src = output(0), .to = child};
  }

 private:
  constexpr detail::BinomialTree tree() const { return {size}; }
  constexpr int place(int rank) const { return wrap(rank - root, size); }
  constexpr int rank_of(int place) const { return wrap(place + root, size); }
};

/// The data goes down a chain; rounds follow one another closely, so long messages pay the chain's length only once.
///
/// phases n-1 · bytes per link 1 · slots per link 1 · any n
struct ChainBroadcast {
  int size, root;
  constexpr int chunks() const { return 1; }
  constexpr int slots() const { return 1; }
  constexpr int steps() const { return 1; }
  constexpr Step operator()(int rank, int) const {
    const int place = wrap(rank - root, size);
    const int next = place == size - 1 ? none : wrap(rank + 1, size);
    if (place == 0) return next == none ? Step{} : Step{.src = input(0), .to = next};
    return {.from = wrap(rank - 1, size), .dst = output(0), .to = next};
  }
};

/// Sums go up a binomial tree.
///
/// Subtrees are runs of ranks, summed in order. With `top` = root the sums of ranks on both sides of the root wrap
/// round, which is for ops that commute; with `top` = 0 they do not, and rank 0 hands the result to the root.
///
/// phases ceil(log2 n), +1 if top is not the root · bytes per link 1 · slots per link 1 · any n
struct BinomialReduce {
  int size, root, top;
  constexpr int chunks() const { return 1; }
  constexpr int slots() const { return 1; }
  constexpr int scratch_chunks() const { return 1; }
  constexpr int steps() const { return detail::ceil_log2(size) + 2; }
  constexpr int steps(int rank) const {
    const int children = tree().children(place(rank));
    return (children == 0 ? 1 : children) + (rank == root && root != top ? 1 : 0);
  }
  constexpr Step operator()(int rank, int i) const {
    const int here = place(rank), children = tree().children(here), sums = children == 0 ? 1 : children;
    if (i >= sums) return rank == root && root != top && i == sums ? Step{.from = top, .dst = output(0)} : Step{};
    const bool last = i == sums - 1, complete = last && rank == top;
    const int to = !last ? none : rank == top ? (top == root ? none : root) : rank_of(tree().parent(here));
    const Piece dst = complete ? (top == root ? output(0) : Piece{}) : last ? Piece{} : scratch(0);
    return {.from = children == 0 ? none : rank_of(tree().child(here, i)),
            .src = i == 0 ? input(0) : scratch(0),
            .dst = dst,
            .to = to,
            .order = Order::received_last,
            .complete = complete};
  }

 private:
  constexpr detail::BinomialTree tree() const { return {size}; }
  constexpr int place(int rank) const { return wrap(rank - top, size); }
  constexpr int rank_of(int place) const { return wrap(place + top, size); }
};

/// BinomialReduce to rank 0, then BinomialBroadcast from it.
///
/// phases 2 ceil(log2 n) · bytes per link 1 (each way) · slots per link 1 · any n · ops need not commute
struct TreeAllreduce {
  int size;
  constexpr int chunks() const { return 1; }
  constexpr int slots() const { return 1; }
  constexpr int scratch_chunks() const { return 1; }
  constexpr int steps() const { return up().steps() + down().steps(); }
  constexpr int steps(int rank) const { return up().steps(rank) + down().steps(rank); }
  constexpr Step operator()(int rank, int i) const {
    const int summed = up().steps(rank);
    if (i < summed) return up()(rank, i);
    Step step = down()(rank, i - summed);
    if (step.src) step.src = output(0);  // the root shares what it has just summed
    return step;
  }

 private:
  constexpr BinomialReduce up() const { return {size, 0, 0}; }
  constexpr BinomialBroadcast down() const { return {size, 0}; }
};

}  // namespace ringcoll::inline v0
