// SPDX-License-Identifier: Apache-2.0
#include <ringcoll/simulate.hpp>

#include <doctest/doctest.h>

#include <functional>
#include <string>

#include <ringcoll/schedule/direct.hpp>
#include <ringcoll/schedule/dissemination.hpp>
#include <ringcoll/schedule/pairwise.hpp>
#include <ringcoll/schedule/recursive_doubling.hpp>
#include <ringcoll/schedule/ring.hpp>
#include <ringcoll/schedule/tree.hpp>

// Who proves the prover? Each test plants one fault in a schedule that is right, and wants it found.

using namespace ringcoll;

namespace {

/// A schedule with some of its steps changed by `spoil(rank, i, step)`.
template <class S>
struct Spoilt {
  S good;
  void (*spoil)(int rank, int i, Step& step);
  int chunks() const { return good.chunks(); }
  int slots() const { return good.slots(); }
  int scratch_chunks() const {
    if constexpr (requires { good.scratch_chunks(); }) return good.scratch_chunks();
    else return 0;
  }
  int steps() const { return good.steps(); }
  int steps(int rank) const { return AnySchedule(good, "").steps(rank); }
  Step operator()(int rank, int i) const {
    Step step = good(rank, i);
    spoil(rank, i, step);
    return step;
  }
};

template <class S>
std::string fault(Collective collective, S good, int size, void (*spoil)(int, int, Step&),
                  const SimulationOptions& options = {}) {
  CHECK(simulate(collective, AnySchedule(good, "good"), size, options).why == "");
  return simulate(collective, AnySchedule(Spoilt<S>{good, spoil}, "spoilt"), size, options).why;
}

bool says(const std::string& why, const std::string& words) {
  if (why.find(words) != std::string::npos) return true;
  MESSAGE("it says \"", why, "\" where \"", words, "\" is expected");
  return false;
}

constexpr int size = 6;

}  // namespace

TEST_CASE("a deadlock is found, and the rank, the step and the peer are named") {
  const Simulation s = simulate(Collective::allreduce, AnySchedule(RingAllreduce{5}, "ring"), 5, {.slots = 1});
  CHECK(says(s.why, "deadlock with 1 slots a link: rank 0 and 4 others are stuck, it at step 2 of 9"));
  CHECK(says(s.why, "rank 1 takes no more"));
  // Nobody sends first.
  CHECK(says(fault(Collective::allgather, RingAllgather{size}, size,
                   [](int, int i, Step& step) {
                     if (i == 0) step.from = step.to, step.src = {};
                   }),
             "deadlock"));
  // One rank forgets to send.
  CHECK(says(fault(Collective::broadcast, BinomialBroadcast{size, 0}, size,
                   [](int rank, int, Step& step) {
                     if (rank == 2) step.to = none;
                   }),
             "rank 3 and 0 others are stuck, it at step 1 of 1, round 1 of 1: nothing has arrived from rank 2"));
}

TEST_CASE("a schedule is run with the window's slots and not more") {
  const AnySchedule ring(RingAllreduce{5}, "ring");
  CHECK(simulate(Collective::allreduce, ring, 5, {.rounds = 7, .window = 3}));
  CHECK(says(simulate(Collective::allreduce, ring, 5, {.slots = 1, .rounds = 7, .window = 3}).why, "deadlock"));
}

TEST_CASE("a contribution that is missing or counted twice is found") {
  CHECK(says(fault(Collective::reduce, BinomialReduce{size, 0, 0}, size,
                   [](int rank, int i, Step& step) {
                     if (rank == 0 && i == 1) step.src = {};
                   }),
             "once"));
  // The root's own input twice: it adds what it has already added.
  CHECK(says(fault(Collective::reduce, BinomialReduce{size, 0, 0}, size,
                   [](int rank, int i, Step& step) {
                     if (rank == 0 && i == 1) step.src = input(0);
                   }),
             "once"));
  CHECK(says(fault(Collective::reduce_scatter, DirectReduceScatter{size}, size,
                   [](int rank, int i, Step& step) {
                     if (rank == 4 && i == 8) step.src = input(4);
                   }),
             "once"));
  // The second exchange forgets what the first gave.
  CHECK(says(fault(Collective::allreduce, RecursiveDoublingAllreduce{8}, 8,
                   [](int rank, int i, Step& step) {
                     if (rank == 5 && i == 2) step.src = input(0);
                   }),
             "once"));
}

TEST_CASE("chunks that change places are found") {
  CHECK(says(fault(Collective::allgather, RingAllgather{size}, size,
                   [](int rank, int i, Step& step) {
                     if (rank == 1 && (i == 2 || i == 3)) step.dst.chunk = 1 - (step.dst.chunk - 5);
                   }),
             "it should"));
  CHECK(says(fault(Collective::alltoall, PairwiseAlltoall{size}, size,
                   [](int rank, int, Step& step) {
                     if (rank == 0 && step.to == 2) step.src = input(3);
                   }),
             "rank 2 holds something else than it should in element 0"));
  CHECK(says(fault(Collective::reduce_scatter, RingReduceScatter{size}, size,
                   [](int rank, int i, Step& step) {
                     if (rank == 2 && i == 1) step.src.chunk = wrap(step.src.chunk + 1, size);
                   }),
             "holds"));
  CHECK(says(fault(Collective::gather, DirectGather{size, 2}, size,
                   [](int rank, int, Step& step) {
                     if (rank == 2 && step.from == 4) step.dst = output(5);
                   },
                   {.root = 2}),
             "rank 2 holds something else"));
  CHECK(says(fault(Collective::scatter, DirectScatter{size, 2}, size,
                   [](int rank, int, Step& step) {
                     if (rank == 2 && step.to == 4) step.src = input(5);
                   },
                   {.root = 2}),
             "rank 4 holds something else"));
}

TEST_CASE("operands out of rank order are found where order is asked for, and only there") {
  const auto swap = [](int rank, int, Step& step) {
    if (rank == 0 && step.from != none) step.order = Order::received_first;
  };
  CHECK(
      says(fault(Collective::reduce, BinomialReduce{size, 0, 0}, size, swap, {.ordered = true}), "out of rank order"));
  CHECK(fault(Collective::reduce, BinomialReduce{size, 0, 0}, size, swap) == "");
  // A tree that starts at rank 2 wraps round.
  CHECK(says(
      simulate(Collective::reduce, AnySchedule(BinomialReduce{size, 2, 2}, "tree"), size, {.root = 2, .ordered = true})
          .why,
      "out of rank order"));
}

TEST_CASE("a sum that is finished twice, too early or never is found: avg would be wrong") {
  CHECK(says(fault(Collective::allreduce, TwoShotAllreduce{size}, size,
                   [](int rank, int, Step& step) {
                     if (rank == 1 && step.from == 3 && !step.src) step.complete = true;
                   }),
             "once"));
  CHECK(says(fault(Collective::allreduce, RingAllreduce{size}, size,
                   [](int, int i, Step& step) { step.complete = i == size - 2; }),
             "once"));
  CHECK(
      says(fault(Collective::allreduce, RingAllreduce{size}, size, [](int, int, Step& step) { step.complete = false; }),
           "not finished"));
}

TEST_CASE("a sum without an input's own preparation is found: premul_sum would be wrong") {
  // Sent as the result of an earlier copy, rank 1's input is no longer raw, and nobody scales it.
  struct CopiedFirst {
    int chunks() const { return 1; }
    int slots() const { return 1; }
    int scratch_chunks() const { return 1; }
    int steps() const { return 2; }
    Step operator()(int rank, int i) const {
      if (rank == 0)
        return i == 0 ? Step{.from = 1, .dst = scratch(0)}
                      : Step{.src = input(0), .dst = output(0), .with = scratch(0), .complete = true};
      return i == 0 ? Step{.src = input(0), .to = 0} : Step{};
    }
  };
  CHECK(simulate(Collective::reduce, AnySchedule(CopiedFirst{}, "x"), 2).why == "");
  struct OutOfPlace {
    int chunks() const { return 1; }
    int slots() const { return 1; }
    int steps() const { return 2; }
    Step operator()(int rank, int i) const {
      if (rank == 0) return i == 0 ? Step{.from = 1, .src = output(0), .dst = output(0), .complete = true} : Step{};
      return i == 0 ? Step{.src = input(0), .to = 0} : Step{};
    }
  };
  // In place, output(0) is rank 0's input: the right number, but unprepared.
  CHECK(says(simulate(Collective::reduce, AnySchedule(OutOfPlace{}, "x"), 2).why, "rank 0 holds"));
  CHECK(says(simulate(Collective::reduce, AnySchedule(OutOfPlace{}, "x"), 2, {.in_place = false}).why, "rank 0 holds"));
}

TEST_CASE("an input that is overwritten before its last use is found in place, and is right out of place") {
  // Receives the partner's chunk before it sends its own, from the same place.
  struct ReceiveFirst {
    int ranks;
    int chunks() const { return ranks; }
    int slots() const { return 1; }
    int steps() const { return 2; }
    Step operator()(int rank, int i) const {
      const int peer = 1 - rank;
      if (rank == 1) return i == 0 ? Step{.src = input(peer), .to = peer} : Step{.from = peer, .dst = output(peer)};
      return i == 0 ? Step{.from = peer, .dst = output(peer)} : Step{.src = input(peer), .to = peer};
    }
  };
  struct WithOwn : ReceiveFirst {
    int steps() const { return 3; }
    Step operator()(int rank, int i) const {
      return i == 2 ? Step{.src = input(rank), .dst = output(rank)} : ReceiveFirst::operator()(rank, i);
    }
  };
  const AnySchedule schedule(WithOwn{{2}}, "receive first");
  CHECK(says(simulate(Collective::alltoall, schedule, 2, {.in_place = true}).why, "holds something else"));
  CHECK(simulate(Collective::alltoall, schedule, 2, {.in_place = false}).why == "");
}

TEST_CASE("messages that nobody takes are found") {
  CHECK(says(fault(Collective::broadcast, ChainBroadcast{size, 0}, size,
                   [](int rank, int, Step& step) {
                     if (rank == size - 1) step.to = 0;
                   }),
             "left over"));
}

TEST_CASE("messages that do not fit each other are found") {
  // Rank 1 sends an empty message where a chunk is expected.
  CHECK(says(fault(Collective::gather, DirectGather{size, 0}, size,
                   [](int rank, int, Step& step) {
                     if (rank == 1) step.src = {};
                   }),
             "rank 1 sends 0 elements where rank 0 expects 1"));
}

TEST_CASE("ranks that compute the same sum in different ways are found: their bits could differ") {
  // Every rank adds the others in an order of its own, starting with itself.
  struct EachItsOwnWay {
    int ranks;
    int chunks() const { return 1; }
    int slots() const { return 1; }
    int scratch_chunks() const { return 1; }
    int steps() const { return 2 * (ranks - 1); }
    Step operator()(int rank, int i) const {
      if (i < ranks - 1) return {.src = input(0), .to = wrap(rank + 1 + i, ranks)};
      const int j = i - (ranks - 1);
      const bool last = j == ranks - 2;
      return {.from = wrap(rank + 1 + j, ranks),
              .src = j == 0 ? input(0) : scratch(0),
              .dst = last ? output(0) : scratch(0),
              .order = Order::received_last,
              .complete = last};
    }
  };
  CHECK(says(simulate(Collective::allreduce, AnySchedule(EachItsOwnWay{4}, "x"), 4).why,
             "computed otherwise than rank 0"));
  // Only the order of two operands differs: a + b and b + a may give different NaNs.
  CHECK(says(fault(Collective::allreduce, RecursiveDoublingAllreduce{2}, 2,
                   [](int rank, int, Step& step) {
                     if (rank == 1) step.order = Order::received_last;
                   }),
             "computed otherwise than rank 0"));
}

TEST_CASE("a barrier that lets a rank go too early is found") {
  CHECK(says(fault(Collective::barrier, DisseminationBarrier{size}, size,
                   [](int, int i, Step& step) {
                     if (i >= 2) step.from = none;
                     if (i >= 1) step.to = none;
                   }),
             "left knowing of only"));
  CHECK(says(fault(Collective::barrier, DisseminationBarrier{size}, size, [](int, int, Step& step) { step = {}; }),
             "rank 0 left knowing of only 1 ranks"));
}

TEST_CASE("rounds that mix are found") {
  // A scratch piece that two chunks share, where the second comes before the first is used up.
  struct Shared {
    int chunks() const { return 2; }
    int slots() const { return 2; }
    int scratch_chunks() const { return pieces; }
    int steps() const { return 4; }
    int pieces;
    Step operator()(int rank, int i) const {
      if (rank == 1) return i < 2 ? Step{.src = input(i), .to = 0} : Step{};
      if (i < 2) return {.from = 1, .dst = scratch(i)};
      return {.src = scratch(i - 2), .dst = output(i - 2)};
    }
  };
  CHECK(simulate(Collective::broadcast, AnySchedule(Shared{2}, "x"), 2, {.root = 1, .rounds = 4, .window = 2}).why ==
        "");
  CHECK(says(simulate(Collective::broadcast, AnySchedule(Shared{1}, "x"), 2, {.root = 1}).why,
             "rank 0 holds something else"));
}

TEST_CASE("messages are counted, in all and on the link that carries most") {
  const Simulation s = simulate(Collective::allreduce, AnySchedule(RingAllreduce{5}, "ring"), 5, {.rounds = 3});
  CHECK(s.messages == 3 * 5 * 8);
  CHECK(s.messages_per_link == 3 * 8);
  CHECK(simulate(Collective::gather, AnySchedule(DirectGather{5, 1}, "direct"), 5, {.root = 1, .count_links = false})
            .messages_per_link == 0);
}

TEST_CASE("sizes that the simulator cannot do are refused, not proven") {
  for (const int ranks : {-1, 0, 65'536, 1'000'000})
    CHECK(says(simulate(Collective::barrier, AnySchedule(DisseminationBarrier{ranks}, "x"), ranks).why,
               "cannot be simulated"));
  CHECK(simulate(Collective::barrier, AnySchedule(DisseminationBarrier{65'535}, "x"), 65'535, {.count_links = false})
            .why == "");
}

namespace {

/// Everything goes from the root to each rank in one message of three pieces, of which piece `at` is chunk `chunk`.
struct BundledBroadcast {
  int size, at, chunk;
  int chunks() const { return 3; }
  int slots() const { return 1; }
  int most_parts() const { return 3; }
  int steps() const { return size - 1; }
  int steps(int rank) const { return rank == 0 ? size - 1 : 1; }
  Step operator()(int rank, int i) const {
    Step step = part(rank, i, 0);
    step.parts = 3;
    if (rank == 0) step.to = i + 1;
    else step.from = 0;
    return step;
  }
  Step part(int rank, int, int j) const {
    if (rank == 0) return {.src = input(j)};
    return {.dst = output(j == at ? chunk : j)};
  }
};

std::string bundled(int at, int chunk, int rounds) {
  return simulate(Collective::broadcast, AnySchedule(BundledBroadcast{4, at, chunk}, "bundled"), 4, {.rounds = rounds})
      .why;
}

}  // namespace

TEST_CASE("a message of several pieces is one message, and each piece must be in its place") {
  for (const int rounds : {1, 4}) {
    CHECK(bundled(2, 2, rounds) == "");
    CHECK(says(bundled(2, 1, rounds), "something else"));
    CHECK(says(bundled(0, 2, rounds), "something else"));
  }
  const Simulation s = simulate(Collective::broadcast, AnySchedule(BundledBroadcast{4, 0, 0}, "bundled"), 4);
  CHECK(s.messages == 3);
  CHECK(s.messages_per_link == 1);
  CHECK(s.chunks_per_link == 3);
}
