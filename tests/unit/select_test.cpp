// SPDX-License-Identifier: Apache-2.0
#include <ringcoll/simulate.hpp>

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <map>
#include <numeric>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <ringcoll/select.hpp>

using namespace ringcoll;

namespace {

constexpr Collective collectives[] = {Collective::allreduce, Collective::reduce_scatter, Collective::allgather,
                                      Collective::broadcast, Collective::reduce,         Collective::gather,
                                      Collective::scatter,   Collective::alltoall,       Collective::barrier};
constexpr std::size_t byte_sizes[] = {0, 1, 4096, 4097, 16'384, 16'385, (1 << 20) - 1, 1 << 20, std::size_t{1} << 33};

/// Each rank on a node of its own.
Placement apart(int size) {
  std::vector<std::uint64_t> hosts(static_cast<std::size_t>(size));
  std::iota(hosts.begin(), hosts.end(), std::uint64_t{0});
  return Placement(hosts);
}

/// Every question that a call can put, for some sizes.
template <class F>
void for_questions(const std::vector<int>& sizes, F&& f) {
  for (const Collective collective : collectives)
    for (const int size : sizes)
      for (const std::size_t bytes : byte_sizes)
        for (const bool commutative : {true, false})
          for (const bool one_host : {true, false}) {
            const Placement placement = one_host ? Placement::one_node(size) : apart(size);
            for (const int slots : {2, 3, 8, 100})
              for (const int root : std::set<int>{0, size - 1})
                f(Question{.collective = collective,
                           .size = size,
                           .root = root,
                           .bytes = bytes,
                           .commutative = commutative,
                           .placement = &placement,
                           .frame_bytes = 65'536,
                           .slots = slots});
          }
}

std::string text(const Question& q, const Choice& c) {
  return std::string(name(q.collective)) + " of " + std::to_string(q.bytes) + " bytes by " + c.schedule.name() +
         " with " + std::to_string(q.size) + " ranks, root " + std::to_string(q.root) + ", " + std::to_string(q.slots) +
         " slots" + (q.commutative ? "" : ", ordered") + (q.nodes() == 1 ? ", one node" : "");
}

/// True if the test "in a process of its own" passes there: a process reads RINGCOLL_ALGO once.
bool passes_with_algo(const char* algo) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::setenv("RINGCOLL_ALGO", algo, 1);
    ::execl("/proc/self/exe", "select_test", "--no-skip", "-tc=in a process of its own", static_cast<char*>(nullptr));
    ::_exit(127);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace

TEST_CASE("the same question always has the same answer") {
  std::vector<Choice> first;
  const std::vector<int> sizes = {1, 2, 8, 16, 17, 64, 65, 1000};
  for_questions(sizes, [&](const Question& q) { first.push_back(choose(q)); });
  std::size_t at = 0;
  for_questions(sizes, [&](const Question& q) {
    const Choice again = choose(q), &before = first[at++];
    REQUIRE(again == before);
    REQUIRE(std::string(again.schedule.name()) == before.schedule.name());
    for (const int rank : {0, q.size / 2, q.size - 1})
      for (int step = 0; step < again.schedule.steps(rank); ++step)
        REQUIRE(again.schedule(rank, step) == before.schedule(rank, step));
  });
}

TEST_CASE("every choice is a schedule that is right for the size, the op and the slots") {
  std::vector<int> sizes(20);
  for (int i = 0; i < 20; ++i) sizes[static_cast<std::size_t>(i)] = i + 1;
  std::map<std::string, std::string> proven;  // many questions have one answer
  for_questions(sizes, [&](const Question& q) {
    const Choice c = choose(q);
    const int window = static_cast<int>(c.window);
    const std::string key = std::string(name(q.collective)) + c.schedule.name() + std::to_string(q.size) + "/" +
                            std::to_string(q.root) + "/" + std::to_string(window) + (q.commutative ? "" : "ordered");
    const auto [place, is_new] = proven.try_emplace(key);
    std::string& known = place->second;
    if (is_new)
      known = simulate(q.collective, c.schedule, q.size,
                       {.root = q.root,
                        .rounds = q.collective == Collective::barrier ? 1 : window + 1,
                        .window = window,
                        .ordered = !q.commutative})
                  .why;
    CHECK_MESSAGE(known.empty(), text(q, c), ": ", known);
  });
}

TEST_CASE("a choice never needs more messages on a link than the transport holds") {
  for_questions({1, 2, 3, 16, 17, 64, 65, 1000}, [&](const Question& q) {
    const Choice c = choose(q);
    CHECK_MESSAGE(static_cast<int>(c.window) * c.schedule.slots() <= q.slots, text(q, c));
    CHECK(c.window >= 1);
    CHECK(c.frame_bytes == q.frame_bytes);
  });
}

TEST_CASE("only few ranks talk to everybody, unless the op's order leaves no choice") {
  for_questions({65, 1000}, [&](const Question& q) {
    if (q.collective == Collective::alltoall || (q.collective == Collective::reduce_scatter && !q.commutative)) return;
    const Choice c = choose(q);
    for (const int rank : {0, q.size / 2, q.size - 1}) {
      std::set<int> peers;
      for (int step = 0; step < c.schedule.steps(rank); ++step) {
        const Step s = c.schedule(rank, step);
        peers.insert({s.from, s.to});
      }
      peers.erase(none);
      const bool serves_all =
          rank == q.root && (q.collective == Collective::gather || q.collective == Collective::scatter);
      CHECK_MESSAGE((serves_all || peers.size() <= 22), text(q, c), " has ", peers.size(), " peers");
    }
  });
}

TEST_CASE("schedules that exclude each other on the wire have different ids") {
  std::map<std::pair<Collective, Family>, std::set<std::string>> names;
  for_questions({2, 8, 16, 17, 64, 65, 1000}, [&](const Question& q) {
    const Choice c = choose(q);
    names[{q.collective, c.family}].insert(c.schedule.name());
  });
  for (const auto& [id, schedules] : names) CHECK(schedules.size() == 1);
}

TEST_CASE("RINGCOLL_ALGO chooses for every size and op, and a bad one is refused") {
  for (const char* const algo :
       {"direct", "two_shot", "ring", "recursive_doubling", "tree", "auto", "", "allreduce:ring",
        "broadcast:chain,allreduce:tree", "rnig", "RING", "ring ", "ring;tree", "-1", "\xff\xff", "broadcast:ring",
        "allreduce:", ":ring", "allreduce:auto"})
    CHECK_MESSAGE(passes_with_algo(algo), "RINGCOLL_ALGO=", std::string(algo));
}

TEST_CASE("in a process of its own" * doctest::skip()) {
  const std::string algo = std::getenv("RINGCOLL_ALGO");
  const std::string wish = algo.substr(algo.rfind("allreduce:") == std::string::npos ? 0 : algo.rfind(':') + 1);
  const bool is_family =
      std::set<std::string>{"direct", "two_shot", "ring", "recursive_doubling", "tree"}.contains(wish) &&
      (algo == wish || algo.ends_with("allreduce:" + wish));
  Question q{.collective = Collective::allreduce, .size = 8, .bytes = 100, .frame_bytes = 65'536, .slots = 8};
  const bool refused = !is_family && !algo.empty() && algo != "auto" && algo != "broadcast:chain,allreduce:tree";
  if (refused) {
    for (int turn = 0; turn < 2; ++turn) {  // and again at the next call
      try {
        choose(q);
        FAIL("not refused");
      } catch (const Error& e) {
        const std::string what = e.what();
        CHECK(e.code() == Errc::invalid_argument);
        CHECK(what.find("RINGCOLL_ALGO=" + algo) != std::string::npos);
        CHECK(what.find("allreduce:recursive_doubling") != std::string::npos);
      }
    }
    return;
  }
  CHECK(choose(q).schedule.name() == (is_family ? wish : "direct"));
  for (const int size : {1, 2, 3, 7, 16, 17, 64, 65, 100}) {
    for (const bool commutative : {true, false}) {
      q = {.collective = Collective::allreduce,
           .size = size,
           .bytes = 1 << 20,
           .commutative = commutative,
           .frame_bytes = 65'536,
           .slots = 8};
      const Choice c = choose(q);
      const std::string why = simulate(Collective::allreduce, c.schedule, size, {.ordered = !commutative}).why;
      CHECK_MESSAGE(why.empty(), text(q, c), ": ", why);
    }
  }
}

TEST_CASE("a schedule that a call names is used, or refused with those that there are") {
  const Question q{
      .collective = Collective::allreduce, .size = 100, .bytes = 100, .commutative = false, .frame_bytes = 65'536};
  CHECK(choose(q, "recursive_doubling").family == Family::recursive_doubling);
  for (const char* const wrong :
       {"ring", "direct", "chain", "", "tree "}) {  // no order, too many ranks, not of allreduce
    try {
      choose(q, wrong);
      FAIL("not refused: ", wrong);
    } catch (const Error& e) {
      CHECK(e.code() == Errc::invalid_argument);
      CHECK(std::string(e.what()).find("there are tree, recursive_doubling") != std::string::npos);
    }
  }
}

TEST_CASE("every collective has a schedule for every question, and family numbers are not used twice") {
  std::set<std::pair<Collective, Family>> seen;
  std::set<std::pair<Collective, std::string>> names;
  for (const FamilyOf& f : families) {
    CHECK(seen.insert({f.collective, f.family}).second);
    CHECK(names.insert({f.collective, f.name}).second);
  }
  for_questions({2, 3, 64, 65, 1000}, [](const Question& q) {
    bool any = false;
    detail::for_candidates(q, [&](const FamilyOf& f) { any = any || f.collective == q.collective; });
    REQUIRE(any);
  });
}
