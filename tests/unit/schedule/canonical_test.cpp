// SPDX-License-Identifier: Apache-2.0
#include <ringcoll/schedule/canonical.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include <ringcoll/families.hpp>
#include <ringcoll/placement.hpp>
#include <ringcoll/simulate.hpp>

using namespace ringcoll;

namespace {

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr int most = 24, many = 200;
#else
constexpr int most = 64, many = 1000;
#endif

/// All schedules that claim to be canonical, for so many ranks.
template <class Visit>
void for_canonical(int size, int root, Visit&& visit) {
  for (const Collective collective : {Collective::allreduce, Collective::reduce_scatter, Collective::reduce}) {
    const Question q{.collective = collective, .size = size, .root = root, .reproducible = true, .frame_bytes = 65'536};
    detail::for_candidates(q, [&](const FamilyOf& f) { visit(f, f.make(q)); });
  }
}

}  // namespace

TEST_CASE("reproducible schedules sum by one expression, whatever the schedule, the rounds and the window") {
  for (int size = 2; size <= most; ++size) {
    for (const int root : std::set<int>{0, size / 2, size - 1}) {
      for_canonical(size, root, [&](const FamilyOf& f, const AnySchedule& schedule) {
        if (root != 0 && f.collective != Collective::reduce) return;
        for (const bool in_place : {true, false}) {
          for (const int rounds : {1, 5}) {
            const Simulation s = simulate(f.collective, schedule, size,
                                          {.root = root,
                                           .slots = schedule.slots(),
                                           .rounds = rounds,
                                           .window = rounds == 1 ? 1 : 2,
                                           .missing = f.collective == Collective::allreduce ? rounds / 2 : 0,
                                           .in_place = in_place,
                                           .ordered = true,
                                           .canonical = true});
            CHECK_MESSAGE(s, std::string(name(f.collective)), " by ", std::string(f.name), " with ", size,
                          " ranks, root ", root, ": ", s.why);
          }
        }
      });
    }
  }
}

TEST_CASE("and for many ranks") {
  for (const int size : {many - 1, many, 1 << 9}) {
    for_canonical(size, 0, [&](const FamilyOf& f, const AnySchedule& schedule) {
      const bool all_pairs = schedule.chunks() == size;
      if (all_pairs && size > 600) return;  // n² links
      const Simulation s = simulate(f.collective, schedule, size, {.canonical = true, .count_links = false});
      CHECK_MESSAGE(s, std::string(name(f.collective)), " by ", std::string(f.name), " with ", size, " ranks: ", s.why);
    });
  }
}

TEST_CASE("other schedules sum otherwise, and the proof notices") {
  const auto why = [](const AnySchedule& schedule, int size) {
    return simulate(Collective::allreduce, schedule, size, {.canonical = true}).why;
  };
  for (const int size : {5, 8}) {
    CHECK(why(AnySchedule(DirectAllreduce{size}, "direct"), size).find("otherwise than") != std::string::npos);
    CHECK(why(AnySchedule(RingAllreduce{size}, "ring"), size).find("otherwise than") != std::string::npos);
  }
}

TEST_CASE("canonical schedules cost what they promise") {
  for (int size = 2; size <= most; ++size) {
    const auto n = static_cast<std::uint64_t>(size);
    const Simulation direct = simulate(Collective::allreduce, AnySchedule(CanonicalDirectAllreduce{size}, ""), size),
                     two_shot = simulate(Collective::allreduce, AnySchedule(CanonicalTwoShotAllreduce{size}, ""), size),
                     scatter =
                         simulate(Collective::reduce_scatter, AnySchedule(CanonicalReduceScatter{size}, ""), size);
    CHECK(direct.messages == n * (n - 1));
    CHECK(direct.messages_per_link == 1);
    CHECK(two_shot.messages == 2 * n * (n - 1));
    CHECK(two_shot.messages_per_link == 2);
    CHECK(scatter.messages == n * (n - 1));
    CHECK(scatter.messages_per_link == 1);
    CHECK(CanonicalDirectAllreduce{size}.steps() == 2 * (size - 1) + (size + 1) / 2);
    CHECK(CanonicalReduceScatter{size}.steps() == 2 * (size - 1) + (size + 1) / 2);
    CHECK(CanonicalTwoShotAllreduce{size}.steps() == 4 * size - 5 + (size + 1) / 2);
  }
}
