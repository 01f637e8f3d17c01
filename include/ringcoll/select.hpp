// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include <ringcoll/error.hpp>
#include <ringcoll/families.hpp>

namespace ringcoll::inline v0 {

/// How a call is carried out.
struct Choice {
  AnySchedule schedule;
  Family family = Family::automatic;  ///< travels in the signature
  std::size_t frame_bytes = 0;        ///< longest message
  std::size_t window = 1;             ///< rounds that take each step together

  friend bool operator==(const Choice& a, const Choice& b) {
    return a.family == b.family && a.frame_bytes == b.frame_bytes && a.window == b.window;
  }
};

/// Chooses for a communicator. `choose` must give the same answer on all of its ranks to the same question, from
/// `families` or a schedule of one's own with a family number of 128 or more. It is asked once for calls that are
/// alike.
class Selector {
 public:
  Selector() = default;
  Selector(const Selector&) = delete;
  Selector& operator=(const Selector&) = delete;
  virtual ~Selector() = default;

  virtual Choice choose(const Question& question) = 0;
  /// Why that was chosen, as half a sentence for the log.
  virtual std::string why(const Question& question) = 0;
  /// One of the same kind, for another communicator.
  virtual std::shared_ptr<Selector> fresh() const = 0;
};

/// The sizes at which one schedule overtakes another, for ranks that nothing was measured or simulated for. Plain data.
struct Tuning {
  std::size_t one_shot_bytes;  ///< allreduce below this sends whole sums, from it on parts
  std::size_t chain_bytes;     ///< broadcast from this on goes down a chain
  int direct_ranks;            ///< up to so many ranks everybody talks to everybody

  friend bool operator==(const Tuning&, const Tuning&) = default;
};

inline constexpr Tuning tuning_one_node{.one_shot_bytes = 4096, .chain_bytes = 1 << 20, .direct_ranks = 16};
inline constexpr Tuning tuning_network{.one_shot_bytes = 16384, .chain_bytes = 1 << 20, .direct_ranks = 8};

namespace detail {

inline Choice choice(const AnySchedule& schedule, Family family, const Question& q) {
  Choice c{.schedule = schedule, .family = family, .frame_bytes = q.frame_bytes};
  const auto fit = static_cast<std::size_t>(q.slots / schedule.slots());
  c.window = fit < 1 ? 1 : fit < 4 ? fit : 4;
  return c;
}
inline Choice choice(const FamilyOf& f, const Question& q) { return choice(f.make(q), f.family, q); }

/// The first of these that can answer the question, else the first of all that can.
inline Choice first_of(std::initializer_list<Family> wanted, const Question& q) {
  const FamilyOf* first = nullptr;
  for (const Family family : wanted)
    for (const FamilyOf& f : families)
      if (f.family == family && answers(f, q)) return choice(f, q);
  for_candidates(q, [&](const FamilyOf& f) { first = first ? first : &f; });
  if (!first) throw Error(Errc::invalid_argument, std::string(name(q.collective)) + ": no schedule fits this call");
  return choice(*first, q);
}

/// RINGCOLL_ALGO, for experiments: "ring" for every collective that has it, "allreduce:ring,broadcast:chain" for these.
class Wishes {
 public:
  explicit Wishes(std::string_view text) {
    const std::string whole(text);
    while (!text.empty()) {
      const std::size_t comma = text.find(',');
      const std::string_view wish = text.substr(0, comma);
      text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
      const std::size_t colon = wish.find(':');
      const bool anywhere = colon == std::string_view::npos;
      const std::string_view collective = anywhere ? "" : wish.substr(0, colon);
      const std::string_view family = anywhere ? wish : wish.substr(colon + 1);
      bool known = anywhere && family == "auto";
      for (const FamilyOf& f : families) {
        if (family != f.name || (!anywhere && collective != name(f.collective))) continue;
        wished_[static_cast<std::size_t>(f.collective)] = f.family;
        known = true;
      }
      if (!known) throw_unknown(whole, wish);
    }
  }

  Family operator[](Collective collective) const {
    return wished_[static_cast<std::size_t>(schedule_collective(collective))];
  }

  static const Wishes& of_environment() {
    static const Wishes wishes = [] {
      const char* const text = std::getenv("RINGCOLL_ALGO");
      return Wishes(text ? text : "");
    }();
    return wishes;
  }

 private:
  [[noreturn]] static void throw_unknown(const std::string& whole, std::string_view wish) {
    std::string known;
    for (const FamilyOf& f : families)
      known += std::string(known.empty() ? "" : ", ") + name(f.collective) + ":" + f.name;
    throw Error(Errc::invalid_argument, "RINGCOLL_ALGO=" + whole + ": " + std::string(wish) +
                                            " is not an algorithm; write auto, a name as in ring, or a list of " +
                                            known);
  }

  Family wished_[16] = {};
};

/// By rule of thumb.
inline Choice choose_by_rule(const Question& q) {
  const bool one_node = q.nodes() == 1;
  const Tuning& t = one_node ? tuning_one_node : tuning_network;
  const bool few = q.size <= t.direct_ranks, brief = q.bytes <= t.one_shot_bytes;
  switch (q.collective) {
    case Collective::allreduce:
      if (brief && few) return first_of({Family::direct, Family::canonical_direct}, q);
      if (brief) return first_of({Family::recursive_doubling}, q);
      if (few && one_node) return first_of({Family::two_shot, Family::canonical_two_shot}, q);
      return first_of({Family::ring, Family::tree}, q);
    case Collective::reduce_scatter:
      return few ? first_of({Family::direct}, q) : first_of({Family::ring, Family::direct}, q);
    case Collective::allgather:
    case Collective::split: return few ? first_of({Family::direct}, q) : first_of({Family::ring}, q);
    case Collective::broadcast:
      return q.bytes >= t.chain_bytes ? first_of({Family::chain}, q) : first_of({Family::tree}, q);
    default: return first_of({}, q);
  }
}

}  // namespace detail

/// The schedule for a call: as RINGCOLL_ALGO has it, else by rule of thumb, from what all ranks know.
/// Throws Error(invalid_argument) if RINGCOLL_ALGO makes no sense.
inline Choice choose(const Question& q) {
  if (q.size == 1) return detail::choice(AnySchedule(Alone{}, "alone"), Family::alone, q);
  if (const Family wish = detail::Wishes::of_environment()[q.collective]; wish != Family::automatic)
    return detail::first_of({wish}, q);
  return detail::choose_by_rule(q);
}

/// The one that is named. Throws Error(invalid_argument) if there is none of that name that can answer the question.
inline Choice choose(const Question& q, std::string_view wanted) {
  if (q.size == 1) return choose(q);
  const FamilyOf* found = nullptr;
  detail::for_candidates(q, [&](const FamilyOf& f) { found = wanted == f.name ? &f : found; });
  if (found) return detail::choice(*found, q);
  throw Error(Errc::invalid_argument, std::string(name(q.collective)) + ": no schedule " + std::string(wanted) +
                                          " for this call; there are " + detail::candidate_names(q));
}

}  // namespace ringcoll::inline v0
