// SPDX-License-Identifier: Apache-2.0
#include <ringcoll/sim/selector.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <vector>

#include <ringcoll/simulate.hpp>

using namespace ringcoll;

namespace {

/// A machine with nothing but latency and bandwidth.
sim::Model machine(double latency, double byte) {
  sim::Model model;
  model.intra = {.latency = latency, .byte = byte};
  model.inter = {.latency = 20 * latency, .byte = 10 * byte};
  return model;
}

Question about(Collective collective, const Placement& placement, std::size_t bytes) {
  return {.collective = collective,
          .size = placement.size(),
          .bytes = bytes,
          .element_bytes = 4,
          .placement = &placement,
          .frame_bytes = 65'536,
          .slots = 8};
}

constexpr Collective collectives[] = {
    Collective::allreduce, Collective::reduce_scatter, Collective::allgather, Collective::broadcast, Collective::reduce,
    Collective::gather,    Collective::scatter,        Collective::alltoall,  Collective::barrier,   Collective::split};

}  // namespace

TEST_CASE("nothing that could be chosen is predicted to be faster than what is chosen") {
  for (const int size : {2, 3, 8, 13}) {
    const Placement placement = Placement::one_node(size);
    sim::PredictingSelector selector(machine(500, 0.1));
    for (const Collective collective : collectives) {
      for (const std::size_t bytes : {std::size_t{0}, std::size_t{8}, std::size_t{4096}, std::size_t{1} << 20}) {
        const Question question = about(collective, placement, bytes);
        const std::vector<sim::Candidate> all = sim::candidates(question, placement, selector.model());
        REQUIRE_FALSE(all.empty());
        const Choice choice = selector.choose(question);
        CHECK(choice == all.front().choice);
        for (const sim::Candidate& other : all) CHECK(other.time >= all.front().time);
      }
    }
  }
}

TEST_CASE("latency decides for short calls, what each rank must copy for long ones") {
  const Placement placement = Placement::one_node(16);
  sim::Model copies = machine(1, 0.01);
  copies.intra.message_byte = 1;
  sim::PredictingSelector slow_to_start(machine(100'000, 0.01)), slow_to_copy(copies);
  const Choice brief = slow_to_start.choose(about(Collective::allreduce, placement, 64));
  CHECK(brief.schedule.steps(0) < 64);
  CHECK(brief.family == Family::direct);
  const Choice long_one = slow_to_copy.choose(about(Collective::allreduce, placement, 1 << 20));
  CHECK(long_one.schedule.chunks() >= 16);
}

TEST_CASE("the answer depends on the question, not on what was asked before") {
  const Placement placement = Placement::one_node(6);
  sim::PredictingSelector first(machine(300, 0.2)), second(machine(300, 0.2));
  std::vector<std::size_t> sizes;
  for (std::size_t bytes = 1; bytes < (1 << 22); bytes = bytes * 9 / 7 + 1) sizes.push_back(bytes);
  std::vector<Choice> up, down;
  for (const std::size_t bytes : sizes) up.push_back(first.choose(about(Collective::allreduce, placement, bytes)));
  for (std::size_t i = sizes.size(); i-- > 0;)
    down.push_back(second.choose(about(Collective::allreduce, placement, sizes[i])));
  for (std::size_t i = 0; i < sizes.size(); ++i) CHECK(up[i] == down[sizes.size() - 1 - i]);
  const auto fresh = first.fresh();
  CHECK(fresh->choose(about(Collective::allreduce, placement, 5000)) ==
        first.choose(about(Collective::allreduce, placement, 5000)));
}

TEST_CASE("it says what it expects, and what would be next") {
  const Placement placement = Placement::one_node(4);
  sim::PredictingSelector selector(machine(500, 0.1));
  const std::string why = selector.why(about(Collective::allreduce, placement, 1024));
  CHECK(why.find("simulated: ") == 0);
  CHECK(why.find(" us; next ") != std::string::npos);
  CHECK(selector.why(about(Collective::barrier, placement, 0)).find("next") == std::string::npos);
}

TEST_CASE("what is chosen is right, on any shape of nodes") {
  const std::vector<std::vector<std::uint64_t>> shapes = {{0, 1}, {0, 1, 1, 1}, {0, 0, 0, 1, 1, 1, 1}, {0, 1, 0, 1, 2}};
  for (const std::vector<std::uint64_t>& hosts : shapes) {
    const Placement placement(hosts);
    sim::PredictingSelector selector(machine(500, 0.1));
    for (const Collective collective : collectives) {
      for (const std::size_t bytes : {std::size_t{64}, std::size_t{65'536}, std::size_t{1} << 22}) {
        for (const bool commutative : {true, false}) {
          Question question = about(collective, placement, bytes);
          question.commutative = commutative;
          const Choice choice = selector.choose(question);
          const Collective proven = collective == Collective::split ? Collective::allgather : collective;
          const Simulation s = simulate(proven, choice.schedule, placement.size(),
                                        {.rounds = proven == Collective::barrier ? 1 : 3,
                                         .window = static_cast<int>(choice.window) > 3 ? 3 : 1,
                                         .ordered = !commutative});
          CHECK_MESSAGE(s, name(collective), " by ", choice.schedule.name(), ": ", s.why);
        }
      }
    }
  }
}
