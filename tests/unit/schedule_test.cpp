// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include <ringcoll/simulate.hpp>

#include <ringcoll/schedule/direct.hpp>
#include <ringcoll/schedule/dissemination.hpp>
#include <ringcoll/schedule/pairwise.hpp>
#include <ringcoll/schedule/point_to_point.hpp>
#include <ringcoll/schedule/recursive_doubling.hpp>
#include <ringcoll/schedule/ring.hpp>
#include <ringcoll/schedule/tree.hpp>

using namespace ringcoll;

namespace {

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr int many = 512;  // the sanitizers watch the same code ten times as long
#else
constexpr int many = 4096;
#endif

/// A schedule and what its header promises about it. Numbers of messages are per round.
struct Promise {
  using Number = std::function<std::uint64_t(std::uint64_t size)>;

  const char* name;
  Collective collective;
  std::function<AnySchedule(int size, int root)> schedule;
  Number steps;     // of the rank that has most
  Number messages;  // in all
  Number per_link;  // each is a chunk long, so bytes per link are this over chunks
  Number chunks;
  int slots = 1;
  int least_size = 1;
  bool rooted = false;
  bool ordered = false;
};

template <class S>
std::function<AnySchedule(int, int)> of(const char* name) {
  return [name](int size, [[maybe_unused]] int root) {
    if constexpr (requires { S::root; }) return AnySchedule(S{size, root}, name);
    else return AnySchedule(S{size}, name);
  };
}

std::uint64_t one(std::uint64_t) { return 1; }
std::uint64_t itself(std::uint64_t n) { return n; }
std::uint64_t all_pairs(std::uint64_t n) { return n * (n - 1); }
std::uint64_t all_but_one(std::uint64_t n) { return n - 1; }
std::uint64_t one_if_any_peer(std::uint64_t n) { return n > 1 ? 1 : 0; }
std::uint64_t log2_up(std::uint64_t n) { return static_cast<std::uint64_t>(std::bit_width(n - 1)); }

std::vector<Promise> promises() {
  return {
      {.name = "ring allreduce",
       .collective = Collective::allreduce,
       .schedule = of<RingAllreduce>("ring"),
       .steps = [](std::uint64_t n) { return 2 * n - 1; },
       .messages = [](std::uint64_t n) { return 2 * n * (n - 1); },
       .per_link = [](std::uint64_t n) { return 2 * (n - 1); },
       .chunks = itself,
       .slots = 2},
      {.name = "ring reduce_scatter",
       .collective = Collective::reduce_scatter,
       .schedule = of<RingReduceScatter>("ring"),
       .steps = itself,
       .messages = all_pairs,
       .per_link = all_but_one,
       .chunks = itself,
       .slots = 2},
      {.name = "ring allgather",
       .collective = Collective::allgather,
       .schedule = of<RingAllgather>("ring"),
       .steps = itself,
       .messages = all_pairs,
       .per_link = all_but_one,
       .chunks = itself,
       .slots = 2},
      {.name = "recursive doubling allreduce",
       .collective = Collective::allreduce,
       .schedule = of<RecursiveDoublingAllreduce>("recursive_doubling"),
       .steps = [](std::uint64_t n) { return log2_up(n) + 1; },
       .messages =
           [](std::uint64_t n) {
             const std::uint64_t active = std::bit_floor(n);
             return active * log2_up(active) + 2 * (n - active);
           },
       .per_link = one_if_any_peer,
       .chunks = one,
       .ordered = true},
      {.name = "tree allreduce",
       .collective = Collective::allreduce,
       .schedule = of<TreeAllreduce>("tree"),
       .steps = [](std::uint64_t n) { return 2 * log2_up(n) + 3; },
       .messages = [](std::uint64_t n) { return 2 * (n - 1); },
       .per_link = one_if_any_peer,
       .chunks = one,
       .ordered = true},
      {.name = "direct allreduce",
       .collective = Collective::allreduce,
       .schedule = of<DirectAllreduce>("direct"),
       .steps = [](std::uint64_t n) { return 2 * n - 1; },
       .messages = all_pairs,
       .per_link = one,
       .chunks = one,
       .least_size = 2,
       .ordered = true},
      {.name = "two-shot allreduce",
       .collective = Collective::allreduce,
       .schedule = of<TwoShotAllreduce>("two_shot"),
       .steps = [](std::uint64_t n) { return 4 * n - 4; },
       .messages = [](std::uint64_t n) { return 2 * n * (n - 1); },
       .per_link = [](std::uint64_t) { return 2; },
       .chunks = itself,
       .slots = 2,
       .least_size = 2,
       .ordered = true},
      {.name = "direct reduce_scatter",
       .collective = Collective::reduce_scatter,
       .schedule = of<DirectReduceScatter>("direct"),
       .steps = [](std::uint64_t n) { return 2 * n - 1; },
       .messages = all_pairs,
       .per_link = one,
       .chunks = itself,
       .least_size = 2,
       .ordered = true},
      {.name = "direct allgather",
       .collective = Collective::allgather,
       .schedule = of<DirectAllgather>("direct"),
       .steps = [](std::uint64_t n) { return 2 * n - 1; },
       .messages = all_pairs,
       .per_link = one_if_any_peer,
       .chunks = itself},
      {.name = "direct gather",
       .collective = Collective::gather,
       .schedule = of<DirectGather>("direct"),
       .steps = itself,
       .messages = all_but_one,
       .per_link = one_if_any_peer,
       .chunks = itself,
       .rooted = true},
      {.name = "direct scatter",
       .collective = Collective::scatter,
       .schedule = of<DirectScatter>("direct"),
       .steps = itself,
       .messages = all_but_one,
       .per_link = one_if_any_peer,
       .chunks = itself,
       .rooted = true},
      {.name = "binomial broadcast",
       .collective = Collective::broadcast,
       .schedule = of<BinomialBroadcast>("tree"),
       .steps = [](std::uint64_t n) { return log2_up(n) + 1; },
       .messages = all_but_one,
       .per_link = one_if_any_peer,
       .chunks = one,
       .rooted = true},
      {.name = "chain broadcast",
       .collective = Collective::broadcast,
       .schedule = of<ChainBroadcast>("chain"),
       .steps = one,
       .messages = all_but_one,
       .per_link = one_if_any_peer,
       .chunks = one,
       .rooted = true},
      {.name = "binomial reduce",
       .collective = Collective::reduce,
       .schedule = [](int size, int root) { return AnySchedule(BinomialReduce{size, root, root}, "tree"); },
       .steps = [](std::uint64_t n) { return log2_up(n) + 2; },
       .messages = all_but_one,
       .per_link = one_if_any_peer,
       .chunks = one,
       .rooted = true},
      {.name = "pairwise alltoall",
       .collective = Collective::alltoall,
       .schedule = of<PairwiseAlltoall>("pairwise"),
       .steps = [](std::uint64_t n) { return 2 * n; },
       .messages = all_pairs,
       .per_link = one_if_any_peer,
       .chunks = itself},
      {.name = "dissemination barrier",
       .collective = Collective::barrier,
       .schedule = of<DisseminationBarrier>("dissemination"),
       .steps = [](std::uint64_t n) { return log2_up(n) + 1; },
       .messages = [](std::uint64_t n) { return n * log2_up(n); },
       .per_link = one_if_any_peer,
       .chunks = one},
  };
}

/// Empty if the schedule does what it promises, in every form that a call can have.
std::string broken(const Promise& promise, int size, int root) {
  const AnySchedule schedule = promise.schedule(size, root);
  const auto n = static_cast<std::uint64_t>(size);
  int longest = 0;
  for (int rank = 0; rank < size; ++rank) longest = std::max(longest, schedule.steps(rank));
  if (static_cast<std::uint64_t>(longest) > promise.steps(n)) return "has more steps than promised";
  if (static_cast<std::uint64_t>(schedule.chunks()) != promise.chunks(n)) return "has other chunks than promised";
  if (schedule.slots() != promise.slots) return "asks for other slots than promised";
  for (const int rounds : {1, 5}) {
    for (const bool in_place : {true, false}) {
      const Simulation s = simulate(promise.collective, schedule, size,
                                    {.root = root,
                                     .slots = promise.slots,
                                     .rounds = promise.collective == Collective::barrier ? 1 : rounds,
                                     .window = rounds == 1 ? 1 : 2,
                                     .in_place = in_place,
                                     .ordered = promise.ordered});
      const std::uint64_t runs = promise.collective == Collective::barrier ? 1 : static_cast<std::uint64_t>(rounds);
      if (!s) return s.why + (in_place ? " (in place, " : " (") + std::to_string(rounds) + " rounds)";
      if (s.messages != runs * promise.messages(n)) return "sends " + std::to_string(s.messages) + " messages";
      if (s.messages_per_link != runs * promise.per_link(n))
        return "sends " + std::to_string(s.messages_per_link) + " messages over one link";
    }
  }
  if (promise.collective != Collective::allreduce) return "";
  const Simulation ragged = simulate(promise.collective, schedule, size,
                                     {.rounds = 5, .window = 2, .missing = 3, .ordered = promise.ordered});
  return ragged ? "" : ragged.why + " (with a short last chunk)";
}

}  // namespace

TEST_CASE("every schedule is right and costs what it promises, for every size up to 64 and several roots") {
  for (const Promise& promise : promises()) {
    for (int size = promise.least_size; size <= 64; ++size) {
      for (const int root : promise.rooted ? std::set<int>{0, size / 2, size - 1} : std::set<int>{0}) {
        const std::string why = broken(promise, size, root);
        CHECK_MESSAGE(why.empty(), promise.name, " with ", size, " ranks and root ", root, ": ", why);
      }
    }
  }
}

TEST_CASE("binomial reduce to rank 0 keeps the order for ops that do not commute, whichever rank wants the result") {
  for (int size = 1; size <= 64; ++size) {
    for (const int root : std::set<int>{0, size / 2, size - 1}) {
      for (const int rounds : {1, 5}) {
        const Simulation s = simulate(Collective::reduce, AnySchedule(BinomialReduce{size, root, 0}, "tree"), size,
                                      {.root = root, .rounds = rounds, .window = rounds == 1 ? 1 : 2, .ordered = true});
        CHECK_MESSAGE(s, size, " ranks, root ", root, ": ", s.why);
        const int messages = rounds * (size - 1 + (root == 0 ? 0 : 1));
        CHECK(s.messages == static_cast<std::uint64_t>(messages));
      }
    }
  }
}

TEST_CASE("schedules that ask for two slots a link need them") {
  const auto one_slot = [](Collective collective, const AnySchedule& schedule, int size) {
    return simulate(collective, schedule, size, {.slots = 1}).why;
  };
  for (int size = 3; size <= 20; ++size) {
    CHECK(one_slot(Collective::allreduce, AnySchedule(RingAllreduce{size}, "ring"), size).find("deadlock") == 0);
    CHECK(one_slot(Collective::reduce_scatter, AnySchedule(RingReduceScatter{size}, "ring"), size).find("deadlock") ==
          0);
    CHECK(one_slot(Collective::allgather, AnySchedule(RingAllgather{size}, "ring"), size).find("deadlock") == 0);
  }
  CHECK(one_slot(Collective::allreduce, AnySchedule(TwoShotAllreduce{2}, "two_shot"), 2).find("deadlock") == 0);
}

TEST_CASE("a ring sums each chunk from another rank on, so it is not for ops that do not commute") {
  const Simulation s = simulate(Collective::allreduce, AnySchedule(RingAllreduce{4}, "ring"), 4, {.ordered = true});
  CHECK(s.why.find("out of rank order") != std::string::npos);
}

TEST_CASE("a communicator of one rank copies, sums and finishes its own input") {
  for (const Collective collective :
       {Collective::allreduce, Collective::reduce_scatter, Collective::allgather, Collective::reduce,
        Collective::gather, Collective::scatter, Collective::alltoall, Collective::broadcast, Collective::barrier}) {
    for (const bool in_place : {true, false}) {
      const Simulation s = simulate(collective, AnySchedule(Alone{}, "alone"), 1, {.rounds = 3, .in_place = in_place});
      CHECK_MESSAGE(s, name(collective), ": ", s.why);
      CHECK(s.messages == 0);
    }
  }
}

TEST_CASE("schedules for many ranks are right for 4096, and around it") {
  const std::set<std::string> for_many = {
      "ring allreduce", "ring reduce_scatter", "ring allgather",    "recursive doubling allreduce",
      "tree allreduce", "binomial broadcast",  "chain broadcast",   "binomial reduce",
      "direct gather",  "direct scatter",      "pairwise alltoall", "dissemination barrier"};
  for (const Promise& promise : promises()) {
    if (!for_many.contains(promise.name)) continue;
    const bool quadratic = promise.chunks(many) == many && !promise.rooted;
    for (const int size : quadratic ? std::set<int>{many} : std::set<int>{many - 1, many, many + 1}) {
      for (const int root : promise.rooted ? std::set<int>{0, size / 2} : std::set<int>{0}) {
        const AnySchedule schedule = promise.schedule(size, root);
        const Simulation s = simulate(promise.collective, schedule, size,
                                      {.root = root, .ordered = promise.ordered, .count_links = !quadratic});
        CHECK_MESSAGE(s, promise.name, " with ", size, " ranks and root ", root, ": ", s.why);
        CHECK(s.messages == promise.messages(static_cast<std::uint64_t>(size)));
        if (!quadratic) CHECK(s.messages_per_link == promise.per_link(static_cast<std::uint64_t>(size)));
      }
    }
  }
}
