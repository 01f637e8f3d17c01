// SPDX-License-Identifier: Apache-2.0
#include <ringcoll/sim/predict.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <cstdint>
#include <random>
#include <vector>

#include <ringcoll/simulate.hpp>

using namespace ringcoll;
using sim::Model;
using sim::predict;
using sim::Prediction;
using sim::Scenario;

namespace {

/// `nodes` of `local` ranks each.
Placement nodes_of(int nodes, int local) {
  std::vector<std::uint64_t> host_of;
  for (int rank = 0; rank < nodes * local; ++rank) host_of.push_back(static_cast<std::uint64_t>(rank / local));
  return Placement(host_of);
}

/// One rank sends to another.
struct Message {
  int from, to;
  int chunks() const { return 1; }
  int slots() const { return 1; }
  int steps() const { return 1; }
  Step operator()(int rank, int) const {
    return rank == from ? Step{.src = input(0), .to = to} : rank == to ? Step{.from = from, .dst = output(0)} : Step{};
  }
};

/// Each rank of the first node sends to its counterpart on the second.
struct AcrossPairs {
  int pairs;
  int chunks() const { return 1; }
  int slots() const { return 1; }
  int steps() const { return 1; }
  Step operator()(int rank, int) const {
    return rank < pairs ? Step{.src = input(0), .to = rank + pairs} : Step{.from = rank - pairs, .dst = output(0)};
  }
};

template <class S>
Scenario scenario(Collective collective, const S& schedule, std::size_t bytes, std::size_t window = 1) {
  Scenario s{.collective = collective, .schedule = AnySchedule(schedule, "test"), .bytes = bytes};
  s.window = window;
  s.slots = static_cast<int>(window) * s.schedule.slots();
  return s;
}

constexpr std::size_t kib = 1024, mib = 1024 * kib;

/// A machine on which everything costs something.
Model machine() {
  Model m;
  m.call = 50;
  m.step = 20;
  m.combine = 0.02;
  m.memory = {{.working_set = 64 << 10, .own = 0.02, .slot = 0.1}, {.working_set = 64 << 20, .own = 0.1, .slot = 0.2}};
  m.intra = {.latency = 100, .message = 30};
  m.inter = {.latency = 5000, .byte = 0.2, .message = 1000, .message_byte = 0.1};
  m.nic_byte = 0.32;
  return m;
}

struct Candidate {
  const char* name;
  Collective collective;
  AnySchedule (*make)(int size);
};

const Candidate candidates[] = {
    {"ring", Collective::allreduce, [](int n) { return AnySchedule(RingAllreduce{n}, "ring"); }},
    {"two_shot", Collective::allreduce, [](int n) { return AnySchedule(TwoShotAllreduce{n}, "two_shot"); }},
    {"direct", Collective::allreduce, [](int n) { return AnySchedule(DirectAllreduce{n}, "direct"); }},
    {"recursive_doubling", Collective::allreduce,
     [](int n) { return AnySchedule(RecursiveDoublingAllreduce{n}, "recursive_doubling"); }},
    {"tree", Collective::allreduce, [](int n) { return AnySchedule(TreeAllreduce{n}, "tree"); }},
    {"ring", Collective::reduce_scatter, [](int n) { return AnySchedule(RingReduceScatter{n}, "ring"); }},
    {"direct", Collective::allgather, [](int n) { return AnySchedule(DirectAllgather{n}, "direct"); }},
    {"chain", Collective::broadcast, [](int n) { return AnySchedule(ChainBroadcast{n, 0}, "chain"); }},
    {"tree", Collective::broadcast, [](int n) { return AnySchedule(BinomialBroadcast{n, 0}, "tree"); }},
    {"tree", Collective::reduce, [](int n) { return AnySchedule(BinomialReduce{n, 0, 0}, "tree"); }},
    {"pairwise", Collective::alltoall, [](int n) { return AnySchedule(PairwiseAlltoall{n}, "pairwise"); }},
    {"dissemination", Collective::barrier, [](int n) { return AnySchedule(DisseminationBarrier{n}, "barrier"); }},
};

Scenario scenario(const Candidate& candidate, int size, std::size_t bytes, std::size_t window = 1) {
  Scenario s{.collective = candidate.collective, .schedule = candidate.make(size), .bytes = bytes};
  s.window = window;
  s.slots = static_cast<int>(window) * s.schedule.slots();
  return s;
}

}  // namespace

TEST_CASE("a message takes latency and bytes") {
  Model m;
  m.intra = {.latency = 100, .byte = 2};
  const Prediction p = predict(scenario(Collective::broadcast, Message{0, 1}, 4000), nodes_of(1, 2), m);
  CHECK(p.why == "");
  CHECK(p.finish == doctest::Approx(100 + 2 * 4000));
  CHECK(p.finishes[0] == 0);
  CHECK(p.messages == 1);
  CHECK(p.intra_bytes == 4000);
  CHECK(p.inter_bytes == 0);
}

TEST_CASE("each end's CPU pays for call, step, message and the bytes that it touches") {
  Model m;
  m.call = 1000;
  m.step = 10;
  m.memory = {{.working_set = 1, .own = 1, .slot = 0.25}};
  m.intra = {.latency = 100, .message = 7, .message_byte = 0.5};
  const double bytes = 4000;
  const Prediction p = predict(scenario(Collective::broadcast, Message{0, 1}, 4000), nodes_of(1, 2), m);
  // The sender reads its own data and writes the message; the receiver reads that, and writes its own data, which
  // counts twice.
  const double sender = 1000 + 10 + 7 + (0.5 + 1 + 0.25) * bytes, receiver = 1000 + 10 + 7 + (0.5 + 0.25 + 2) * bytes;
  CHECK(p.finishes[0] == doctest::Approx(sender));
  CHECK(p.finish == doctest::Approx(sender + 100 + receiver));
}

TEST_CASE("a sum costs its operands, and writing in place less than elsewhere") {
  Model m;
  m.combine = 16;
  m.memory = {{.working_set = 1, .own = 1}};
  Scenario s = scenario(Collective::reduce, BinomialReduce{2, 0, 0}, 400);
  CHECK(predict(s, nodes_of(1, 2), m).finish == doctest::Approx(400 + (16 + 1 + 2) * 400));
  s.in_place = true;
  CHECK(predict(s, nodes_of(1, 2), m).finish == doctest::Approx(400 + (16 + 1 + 1) * 400));
}

TEST_CASE("memory costs are interpolated over the logarithm of the working set, and end where the table ends") {
  const Model m = machine();
  CHECK(m.memory_cost(1).own == 0.02);
  CHECK(m.memory_cost(1e12).slot == 0.2);
  CHECK(m.memory_cost(2 << 20).own == doctest::Approx(0.06));
  CHECK(m.memory_cost(64 << 10).slot == doctest::Approx(0.1));
  CHECK(Model{}.memory_cost(100).own == 0);
}

TEST_CASE("a ring of n takes 2n-1 steps and 2n-2 latencies") {
  Model m;
  m.step = 3;
  m.intra = {.latency = 100, .byte = 0.5};
  for (const int n : {2, 3, 8, 31}) {
    CAPTURE(n);
    const std::size_t chunk = 1024;  // bytes
    const Prediction p = predict(scenario(Collective::allreduce, RingAllreduce{n}, chunk * static_cast<std::size_t>(n)),
                                 nodes_of(1, n), m);
    CHECK(p.finish == doctest::Approx((2 * n - 1) * 3 + (2 * n - 2) * (100 + 0.5 * chunk)));
    CHECK(p.messages == n * (2 * n - 2));
  }
}

TEST_CASE("a tree takes as many latencies as it is deep, up and down") {
  Model m;
  m.intra = {.latency = 100};
  for (const int n : {2, 4, 5, 64, 100}) {
    CAPTURE(n);
    int depth = 0;  // of a binomial tree's place: the bits that are set
    for (int place = 0; place < n; ++place) depth = std::max(depth, std::popcount(static_cast<unsigned>(place)));
    const Prediction p = predict(scenario(Collective::allreduce, TreeAllreduce{n}, 8), nodes_of(1, n), m);
    CHECK(p.finish == doctest::Approx(2 * depth * 100));
  }
}

TEST_CASE("a chain that is pipelined pays its length once") {
  Model m;
  m.intra = {.latency = 100, .byte = 1};
  for (const int n : {2, 3, 9}) {
    CAPTURE(n);
    Scenario s = scenario(Collective::broadcast, ChainBroadcast{n, 0}, 20 * kib);
    s.frame_bytes = kib;
    s.slots = 1000;
    const Prediction p = predict(s, nodes_of(1, n), m);
    CHECK(p.finish == doctest::Approx((n - 1) * (100 + 1024) + 19 * 1024));
    CHECK(p.messages == 20 * (n - 1));
  }
}

TEST_CASE("a link that holds one message makes the sender wait until it is released") {
  Model m;
  m.step = 50;
  m.intra = {.latency = 100};
  Scenario s = scenario(Collective::broadcast, Message{0, 1}, 10 * kib);
  s.frame_bytes = kib;
  s.slots = 1;
  // Message and credit go to and fro: each round takes two steps and two latencies, the last one needs no credit.
  CHECK(predict(s, nodes_of(1, 2), m).finish == doctest::Approx(10 * 2 * 50 + 19 * 100));
  s.slots = 10;
  CHECK(predict(s, nodes_of(1, 2), m).finish == doctest::Approx(50 + 100 + 10 * 50));
}

TEST_CASE("ranks of a node share its NIC, and more rails are faster") {
  Model m;
  m.inter = {.latency = 1000, .byte = 0.5};
  m.nic_byte = 1;
  for (const int pairs : {1, 2, 4, 8}) {
    for (const int nics : {1, 2, 4}) {
      CAPTURE(pairs);
      CAPTURE(nics);
      m.nics = nics;
      const Prediction p = predict(scenario(Collective::broadcast, AcrossPairs{pairs}, 1000), nodes_of(2, pairs), m);
      CHECK(p.finish == doctest::Approx(1000 + 1000.0 * ((pairs + nics - 1) / nics)));
      CHECK(p.inter_bytes == 1000 * pairs);
    }
  }
}

TEST_CASE("what many nodes send to one arrives one after the other") {
  Model m;
  m.inter = {.latency = 1000};
  m.nic_byte = 2;
  const Prediction p = predict(scenario(Collective::gather, DirectGather{5, 0}, 5 * 400), nodes_of(5, 1), m);
  CHECK(p.finish == doctest::Approx(1000 + 4 * 2 * 400));
  CHECK(p.port_use == doctest::Approx(3200.0 / 4200));
}

TEST_CASE("a burst leaves a NIC at once when it had a pause") {
  Model m;
  m.inter = {.latency = 10};
  m.nic_byte = 1;
  m.nic_burst = 600;
  Scenario s = scenario(Collective::broadcast, Message{0, 1}, 1000);
  CHECK(predict(s, nodes_of(2, 1), m).finish == doctest::Approx(1010));  // at first there are no tokens
  s.stragglers = {{.rank = 0, .late = 5000}};
  CHECK(predict(s, nodes_of(2, 1), m).finish == doctest::Approx(5000 + 400 + 10));
}

TEST_CASE("an oversubscribed switch slows what leaves it, and nothing else") {
  Model m;
  m.inter = {.latency = 10};
  m.nic_byte = 1;
  m.nodes_per_switch = 4;
  m.oversubscription = 4;
  // Four nodes of one switch send to those of the other: together they have the bandwidth of one NIC.
  const Prediction across = predict(scenario(Collective::broadcast, AcrossPairs{4}, 1000), nodes_of(8, 1), m);
  CHECK(across.finish == doctest::Approx(10 + 4 * 1000));
  const Prediction within = predict(scenario(Collective::broadcast, Message{0, 1}, 1000), nodes_of(8, 1), m);
  CHECK(within.finish == doctest::Approx(10 + 1000));
  m.oversubscription = 1;
  CHECK(predict(scenario(Collective::broadcast, AcrossPairs{4}, 1000), nodes_of(8, 1), m).finish ==
        doctest::Approx(10 + 1000));
}

TEST_CASE("ranks that outnumber their cores take turns") {
  Model m;
  m.step = 100;
  m.switch_to = 10;
  m.cores = 1;
  // Two ranks, one core: both send, the second after a switch; the first has its message by then.
  const Scenario s = scenario(Collective::barrier, DisseminationBarrier{2}, 0);
  CHECK(predict(s, nodes_of(1, 2), m).finish == doctest::Approx(4 * 100 + 2 * 10));
  CHECK(predict(s, nodes_of(2, 1), m).finish == doctest::Approx(2 * 100));
  m.nodes_per_machine = 2;
  CHECK(predict(s, nodes_of(2, 1), m).finish == doctest::Approx(4 * 100 + 2 * 10));
  m.cores = 2;
  CHECK(predict(s, nodes_of(1, 2), m).finish == doctest::Approx(2 * 100));
}

TEST_CASE("a rank that waits keeps its core for a while, so that short waits cost no switch") {
  Model m;
  m.step = 100;
  m.switch_to = 1000;
  m.cores = 1;
  m.intra = {.latency = 50};
  // Both ranks of node 0 share a core, rank 2 has its own: it answers rank 0 after 100 + 2 * 50.
  struct Answer {
    int chunks() const { return 1; }
    int slots() const { return 1; }
    int steps() const { return 2; }
    Step operator()(int rank, int i) const {
      if (rank == 1) return {.src = input(0), .dst = output(0)};
      const int peer = 2 - rank;
      return (rank == 0) == (i == 0) ? Step{.src = input(0), .to = peer} : Step{.from = peer, .dst = output(0)};
    }
  };
  m.inter = m.intra;
  const Placement placement(std::vector<std::uint64_t>{0, 0, 1});
  const Scenario s = scenario(Collective::allreduce, Answer{}, 4);
  // At once: rank 0, a switch, rank 1 twice, a switch, rank 0.
  CHECK(predict(s, placement, m).finishes[0] == doctest::Approx(100 + 1000 + 2 * 100 + 1000 + 100));
  m.patience = 301;  // the answer takes 50 + 2 * 100 + 50
  CHECK(predict(s, placement, m).finishes[0] == doctest::Approx(100 + 300 + 100));
}

TEST_CASE("a rank that is late delays those that need it, by exactly that") {
  Model m;
  m.step = 10;
  m.intra = {.latency = 100};
  for (const int late : {0, 1, 5}) {
    CAPTURE(late);
    Scenario s = scenario(Collective::allreduce, RingAllreduce{6}, 600);
    const double on_time = predict(s, nodes_of(1, 6), m).finish;
    s.stragglers = {{.rank = late, .late = 12345}};
    CHECK(predict(s, nodes_of(1, 6), m).finish == doctest::Approx(on_time + 12345));
  }
  Scenario s = scenario(Collective::broadcast, ChainBroadcast{4, 0}, 600);
  const double on_time = predict(s, nodes_of(1, 4), m).finish;
  s.stragglers = {{.rank = 3, .late = 200}};  // it is the last: the data needs longer than that
  CHECK(predict(s, nodes_of(1, 4), m).finish == doctest::Approx(on_time));
}

TEST_CASE("a slow rank's steps take so many times as long") {
  Model m;
  m.step = 10;
  m.intra = {.latency = 100};
  Scenario s = scenario(Collective::broadcast, Message{0, 1}, 600);
  s.stragglers = {{.rank = 1, .factor = 7}};
  CHECK(predict(s, nodes_of(1, 2), m).finish == doctest::Approx(10 + 100 + 70));
}

TEST_CASE("calls one after the other overlap as far as the schedule lets them") {
  Model m;
  m.step = 10;
  m.intra = {.latency = 1000};
  Scenario s = scenario(Collective::broadcast, Message{0, 1}, 600);
  s.slots = 100;
  s.calls = 5;
  CHECK(predict(s, nodes_of(1, 2), m).finish == doctest::Approx(10 + 1000 + 5 * 10));
  Scenario barrier = scenario(Collective::barrier, DisseminationBarrier{2}, 0);
  barrier.calls = 5;
  CHECK(predict(barrier, nodes_of(1, 2), m).finish == doctest::Approx(5 * 1020));
}

TEST_CASE("the same input gives the same times, bit for bit") {
  Model m = machine();
  m.cores = 3;
  for (const Candidate& c : candidates) {
    CAPTURE(c.name);
    const Scenario s = scenario(c, 12, 3 * mib, 2);
    const Placement placement = nodes_of(3, 4);
    const Prediction a = predict(s, placement, m), b = predict(s, placement, m);
    CHECK(a.why == "");
    CHECK(a.finishes == b.finishes);
    CHECK(a.port_use == b.port_use);
  }
}

TEST_CASE("it sends as many messages as the proof on paper counts") {
  for (const Candidate& c : candidates) {
    for (const int n : {2, 3, 7, 16}) {
      CAPTURE(c.name);
      CAPTURE(n);
      const Simulation paper = simulate(c.collective, c.make(n), n, {.rounds = 4, .window = 2});
      REQUIRE(paper.why == "");
      Scenario s = scenario(c, n, static_cast<std::size_t>(c.make(n).chunks()) * 4 * 4096, 2);
      s.frame_bytes = 4096;
      const Prediction p = predict(s, nodes_of(1, n), machine());
      CHECK(p.why == "");
      CHECK(p.messages == static_cast<double>(paper.messages));
    }
  }
}

TEST_CASE("more bytes are never faster, nor are slower links, CPUs or NICs") {
  std::mt19937 random(7);
  const auto any = [&](double low, double high) { return std::uniform_real_distribution(low, high)(random); };
  for (int turn = 0; turn < 60; ++turn) {
    for (const Candidate& c : candidates) {
      CAPTURE(turn);
      CAPTURE(c.name);
      const int nodes = 1 + turn % 3, local = 1 + turn / 3 % 4;
      if (nodes * local < 2) continue;
      const Placement placement = nodes_of(nodes, local);
      Model m = machine();
      const auto bytes = static_cast<std::size_t>(any(1, 400'000)) / 64 * 64 * static_cast<std::size_t>(nodes * local);
      Scenario s = scenario(c, nodes * local, bytes, 1 + static_cast<std::size_t>(turn % 4));
      s.most_steps = 0;
      const double before = predict(s, placement, m).finish;
      // What is shared makes small anomalies possible, as in any queue; without it there are none.
      const double least = nodes == 1 ? before : before * 0.97;
      Model slower = m;
      switch (turn % 6) {
        case 0: slower.intra.latency *= any(1, 3); break;
        case 1: slower.inter.byte *= any(1, 3); break;
        case 2: slower.step *= any(1, 3); break;
        case 3: slower.nic_byte *= any(1, 3); break;
        case 4: slower.memory.back().slot *= any(1, 3); break;
        default: slower.inter.message *= any(1, 3); break;
      }
      CHECK(predict(s, placement, slower).finish >= least - 1e-6);
      s.bytes = bytes + 64 * static_cast<std::size_t>(nodes * local) * (1 + static_cast<std::size_t>(turn));
      CHECK(predict(s, placement, m).finish >= least - 1e-6);
    }
  }
}

TEST_CASE("what is extrapolated is near what a full run gives") {
  for (const Candidate& c : candidates) {
    if (c.collective == Collective::barrier) continue;
    for (const auto& shape : {std::pair{1, 4}, {1, 16}, {4, 2}}) {
      const int nodes = shape.first, local = shape.second;
      CAPTURE(c.name);
      CAPTURE(nodes);
      CAPTURE(local);
      Scenario s = scenario(c, nodes * local, 16 * mib, 2);
      s.slots = 16;
      s.most_steps = 0;
      const Prediction full = predict(s, nodes_of(nodes, local), machine());
      CHECK_FALSE(full.extrapolated);
      s.most_steps = 4000;
      const Prediction part = predict(s, nodes_of(nodes, local), machine());
      CHECK(part.finish == doctest::Approx(full.finish).epsilon(0.1));
      CHECK(part.messages == doctest::Approx(full.messages).epsilon(0.01));
      CHECK(part.inter_bytes == doctest::Approx(full.inter_bytes).epsilon(0.01));
    }
  }
}

TEST_CASE("a ring too long to be run to its end is extrapolated from its first steps") {
  Model m = machine();
  Scenario s = scenario(Collective::allreduce, RingAllreduce{512}, 512 * 4096);
  s.slots = 8;
  s.most_steps = 0;
  const double full = predict(s, nodes_of(64, 8), m).finish;
  s.most_steps = 50'000;
  const Prediction part = predict(s, nodes_of(64, 8), m);
  CHECK(part.extrapolated);
  CHECK(part.finish == doctest::Approx(full).epsilon(0.05));
}

TEST_CASE("the critical path begins at the beginning, ends at the end, and has no gaps but latencies") {
  Model m = machine();
  m.nic_byte = 0;
  for (const Candidate& c : candidates) {
    CAPTURE(c.name);
    Scenario s = scenario(c, 8, 64 * kib);
    s.trace = true;
    s.stragglers = {{.rank = 5, .factor = 3}};
    const Prediction p = predict(s, nodes_of(2, 4), m);
    const std::vector<std::size_t> path = p.critical_path();
    REQUIRE(!path.empty());
    CHECK(p.trace[path.front()].start == 0);
    CHECK(p.trace[path.back()].end == p.finish);
    for (std::size_t i = 1; i < path.size(); ++i) {
      const sim::TracedStep &before = p.trace[path[i - 1]], &after = p.trace[path[i]];
      CHECK(after.start >= before.end);
      if (before.rank == after.rank) CHECK(after.start == before.end);
      else CHECK(after.start - before.end >= (before.rank / 4 == after.rank / 4 ? 100 : 5000));
    }
  }
}

TEST_CASE("a deadlock and a senseless call are answered with a sentence") {
  Scenario s = scenario(Collective::allreduce, RingAllreduce{5}, 5 * 64 * kib);
  s.slots = 1;
  const Prediction p = predict(s, nodes_of(1, 5), machine());
  CHECK_FALSE(p);
  CHECK(p.why.find("deadlock with 1 slots a link: rank 0 and 4 others are stuck, it at step 2 of 9") == 0);
  s.slots = 2;
  CHECK(predict(s, nodes_of(1, 5), machine()));
  s.window = 0;
  CHECK(predict(s, nodes_of(1, 5), machine()).why.find("window") != std::string::npos);
  s.window = 1;
  s.element_bytes = 1 << 20;
  CHECK(predict(s, nodes_of(1, 5), machine()).why.find("do not fit messages of 65536 bytes") != std::string::npos);
  s.element_bytes = 4;
  s.root = 5;
  CHECK(predict(s, nodes_of(1, 5), machine()).why.find("root 5 is not a rank") != std::string::npos);
}

TEST_CASE("10,000 ranks take seconds, and few ranks next to nothing") {
  using Clock = std::chrono::steady_clock;
  const auto seconds = [](auto&& body) {
    const auto start = Clock::now();
    body();
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  const Placement cluster = nodes_of(1250, 8);
  for (const int which : {0, 3, 4}) {
    const Candidate& c = candidates[which];
    Scenario s = scenario(c, 10'000, 64 * mib, 2);
    s.slots = 8;
    Prediction p;
    const double took = seconds([&] { p = predict(s, cluster, machine()); });
    MESSAGE(std::string(c.name), " of 10,000 ranks, 64 MiB: ", p.finish / 1e6, " ms predicted in ", took, " s");
    CHECK(p.why == "");
    CHECK(took < 20);
  }
  for (const int which : {0, 1, 2, 3, 4}) {
    const Candidate& c = candidates[which];
    for (const std::size_t bytes : {kib, 64 * kib, 64 * mib}) {
      Scenario s = scenario(c, 16, bytes, 2);
      s.slots = 8;
      s.most_steps = 2000;
      Prediction p;
      const double took = seconds([&] {
        for (int turn = 0; turn < 20; ++turn) p = predict(s, nodes_of(1, 16), machine());
      });
      MESSAGE(std::string(c.name), " of 16 ranks, ", bytes, " B: ", p.finish / 1e3, " us predicted in ",
              took / 20 * 1e6, " us");
      CHECK(p.why == "");
      CHECK(took / 20 < 5e-3);  // 200 us where it matters; the rest is for sanitizers and busy machines
    }
  }
}
