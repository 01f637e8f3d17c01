// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include <ringcoll/error.hpp>
#include <ringcoll/placement.hpp>
#include <ringcoll/select.hpp>
#include <ringcoll/sim/model.hpp>
#include <ringcoll/sim/network.hpp>
#include <ringcoll/sim/rank.hpp>

namespace ringcoll::inline v0::sim {

/// A rank that is not like the others.
struct Straggler {
  int rank = 0;
  double factor = 1;  ///< its CPU takes so many times as long
  double late = 0;    ///< ns after the others that it makes the call
};

/// The call that is predicted: what choose() is asked and answers, and how it is run.
struct Scenario {
  Collective collective = Collective::allreduce;
  AnySchedule schedule;
  int root = 0;
  std::size_t bytes = 0;  ///< of the whole, as in Question
  std::size_t element_bytes = 4;
  std::size_t frame_bytes = 64 << 10;  ///< longest message
  std::size_t window = 1;              ///< rounds that take each step together
  int slots = 8;                       ///< messages of frame_bytes that a link holds
  bool in_place = false;
  int calls = 1;  ///< one after the other, as a benchmark makes them
  std::vector<Straggler> stragglers = {};
  std::uint64_t most_steps = 1'000'000;  ///< of all ranks together; what is beyond them is extrapolated. 0: no bound
  bool trace = false;

  static Scenario of(const Question& question, const Choice& choice) {
    return {.collective = question.collective,
            .schedule = choice.schedule,
            .root = question.root,
            .bytes = question.bytes,
            .element_bytes = question.element_bytes,
            .frame_bytes = choice.frame_bytes,
            .window = choice.window,
            .slots = question.slots};
  }
};

/// A step in virtual time.
struct TracedStep {
  int rank = 0, step = 0;
  std::size_t round = 0;
  double start = 0, end = 0;
  int from = none, to = none;
  std::size_t received = 0, sent = 0;  ///< bytes
  std::ptrdiff_t previous = -1;        ///< of the same rank
  std::ptrdiff_t needed = -1;          ///< of another rank, which this one had to wait for
};

/// What came out. Times are nanoseconds.
struct Prediction {
  std::string why;               ///< empty: every rank came to the end
  double finish = 0;             ///< when the last rank did
  std::vector<double> finishes;  ///< when each rank did
  bool extrapolated = false;     ///< most_steps did not suffice for all of it
  double messages = 0;           ///< in all
  double intra_bytes = 0, inter_bytes = 0;
  double cpu_use = 0;   ///< of the rank that works most, 0 … 1
  double port_use = 0;  ///< of the busiest NIC or switch port
  std::vector<TracedStep> trace;

  explicit operator bool() const { return why.empty(); }

  /// Positions in the trace, first step first: each waited for the one before it. Whoever wants the call to be faster
  /// must make one of these faster.
  std::vector<std::size_t> critical_path() const {
    std::vector<std::size_t> path;
    if (trace.empty()) return path;
    const auto last = std::max_element(trace.begin(), trace.end(),
                                       [](const TracedStep& a, const TracedStep& b) { return a.end < b.end; });
    for (std::ptrdiff_t at = last - trace.begin(); at >= 0;) {
      path.push_back(static_cast<std::size_t>(at));
      const TracedStep& step = trace[static_cast<std::size_t>(at)];
      at = step.needed >= 0 ? step.needed : step.previous;
    }
    std::reverse(path.begin(), path.end());
    return path;
  }
};

}  // namespace ringcoll::inline v0::sim

namespace ringcoll::inline v0::detail {

/// The call of a rank, with buffers that do not exist.
inline Call virtual_call(const sim::Scenario& s, int rank, int size) {
  Call call;
  call.schedule = s.schedule;
  call.rank = rank;
  call.size = size;
  call.element_bytes = s.element_bytes;
  call.window = s.window;
  call.signature.collective = s.collective;
  call.reduces = s.collective == Collective::allreduce || s.collective == Collective::reduce_scatter ||
                 s.collective == Collective::reduce;
  call.frame_elements = s.frame_bytes / s.element_bytes / static_cast<std::size_t>(s.schedule.most_parts());
  const std::size_t count = s.bytes / s.element_bytes, part = count / static_cast<std::size_t>(size);
  const Layout whole{.count = part * static_cast<std::size_t>(size), .per_chunk = part};
  switch (s.collective) {
    case Collective::allreduce: call.in.count = call.out.count = count; break;
    case Collective::broadcast:
    case Collective::reduce:
    case Collective::point_to_point: call.in = call.out = {.count = count, .per_chunk = count}; break;
    case Collective::barrier: break;
    default: call.in = call.out = whole;
  }
  const bool shared = s.in_place || s.collective == Collective::broadcast;
  call.in.base = PaperMemory::at(PaperMemory::in);
  call.out.base = shared ? call.in.base : PaperMemory::at(PaperMemory::out);
  call.scratch = PaperMemory::at(PaperMemory::scratch);
  const std::size_t own_part = static_cast<std::size_t>(rank) * part * s.element_bytes;
  if (s.collective == Collective::allgather || s.collective == Collective::gather) {
    call.in.only = rank;
    if (shared) call.in.base += own_part;
  }
  if (s.collective == Collective::reduce_scatter || s.collective == Collective::scatter) {
    call.out.only = rank;
    if (shared) call.out.base += own_part;
  }
  call.cut();
  return call;
}

/// Bytes of the buffers that a rank touches.
inline double working_set(const sim::Scenario& s, int rank, int size) {
  const auto whole = static_cast<double>(s.bytes), part = whole / size;
  const double both = s.in_place ? whole : 2 * whole, with_part = s.in_place ? whole : whole + part;
  switch (s.collective) {
    case Collective::allreduce:
    case Collective::alltoall: return both;
    case Collective::reduce_scatter:
    case Collective::allgather: return with_part;
    case Collective::reduce: return rank == s.root ? both : whole;
    case Collective::gather:
    case Collective::scatter: return rank == s.root ? with_part : part;
    default: return whole;
  }
}

/// Ranks, links and cores, run until nothing moves any more.
class VirtualMachine {
 public:
  VirtualMachine(const sim::Scenario& scenario, const Placement& placement, const sim::Model& model)
      : scenario_(scenario),
        placement_(placement),
        model_(model),
        network_(placement, model,
                 static_cast<std::size_t>(std::max(1, scenario.slots)) * VirtualNetwork::room(scenario.frame_bytes)) {
    const int size = placement.size();
    memory_.reserve(static_cast<std::size_t>(size));
    for (int rank = 0; rank < size; ++rank) memory_.push_back(model.memory_cost(working_set(scenario, rank, size)));
    if (model.cores > 0) deal_out_cores();
  }

  /// Runs `rounds` of each call, and of these only as far as `part` of each rank's steps.
  sim::Prediction run(std::size_t rounds, double part) {
    const int size = placement_.size();
    for (int rank = 0; rank < size; ++rank) {
      Call call = virtual_call(scenario_, rank, size);
      call.rounds = rounds;
      double factor = 1, late = 0;
      for (const sim::Straggler& straggler : scenario_.stragglers)
        if (straggler.rank == rank) factor *= straggler.factor, late += straggler.late;
      ranks_.emplace_back(network_, call, factor, late, scenario_.calls);
      goals_.push_back(goal(call, part));
      network_.make_runnable(rank);
    }
    under_way_ = size;
    complete_ = part >= 1;
    for (;;) {
      for (int rank = network_.next_runnable(); rank != none; rank = network_.next_runnable()) go_on(rank);
      if (!network_.has_events()) break;
      const auto [rank, time] = network_.next_event();
      if (rank != none) take_turn(rank, time);
    }
    return result();
  }

  /// When the last rank had done half of what it was to do.
  double half_time() const { return half_time_; }

 private:
  struct Core {
    double free_at = 0;
    double held_until = 0;  // by the rank that ran last, for itself
    int rank = none;
  };
  struct Goal {
    std::uint64_t moves, half;
  };

  Goal goal(const Call& call, double part) const {
    const auto all =
        static_cast<double>(call.schedule.steps(call.rank)) * static_cast<double>(call.rounds) * scenario_.calls;
    const auto moves = part < 1 ? static_cast<std::uint64_t>(part * all) : ~std::uint64_t{0};
    return {moves, static_cast<std::uint64_t>(std::min(part, 1.0) * all / 2)};
  }

  VirtualRank& at(int rank) { return ranks_[static_cast<std::size_t>(rank)]; }

  /// Runs a rank until it must wait: for a message, for credit, or for its core.
  void go_on(int rank) {
    VirtualRank& r = at(rank);
    if (waits_for_core_.contains(rank)) return;
    while (true) {
      if (r.moves() >= goals_[static_cast<std::size_t>(rank)].moves || r.done()) {
        if (finished_.insert(rank)) --under_way_;
        if (Core* core = core_of(rank); core && core->rank == rank) core->held_until = core->free_at;
        return;
      }
      if (!r.take()) return;
      if (Core* core = core_of(rank)) return ask_for(*core, rank, r.taken.ready);
      settle(rank, r.taken.ready);
    }
  }

  void deal_out_cores() {
    const int per_machine = std::max(1, model_.nodes_per_machine);
    core_of_rank_.assign(static_cast<std::size_t>(placement_.size()), none);
    for (int first = 0; first < placement_.nodes(); first += per_machine) {
      std::vector<int> ranks;
      for (int node = first; node < std::min(first + per_machine, placement_.nodes()); ++node)
        for (int local = 0; local < placement_.local_size(node); ++local) ranks.push_back(placement_.rank(node, local));
      if (ranks.size() <= static_cast<std::size_t>(model_.cores)) continue;
      for (std::size_t i = 0; i < ranks.size(); ++i)
        core_of_rank_[static_cast<std::size_t>(ranks[i])] =
            static_cast<int>(cores_.size() + i % static_cast<std::size_t>(model_.cores));
      cores_.resize(cores_.size() + static_cast<std::size_t>(model_.cores));
    }
  }

  /// Null where every rank has a core of its own.
  Core* core_of(int rank) {
    if (cores_.empty()) return nullptr;
    const int core = core_of_rank_[static_cast<std::size_t>(rank)];
    return core == none ? nullptr : &cores_[static_cast<std::size_t>(core)];
  }

  /// Whoever has the core goes first: a rank leaves its core only when it must wait.
  void ask_for(const Core& core, int rank, double time) {
    waits_for_core_.insert(rank);
    network_.schedule({.time = time, .yields = core.rank != rank, .is_core = true, .id = rank});
  }

  void take_turn(int rank, double time) {
    Core& core = *core_of(rank);
    const double free_at = core.rank == rank ? core.free_at : core.held_until;
    if (free_at > time) return ask_for(core, rank, free_at);
    waits_for_core_.erase(rank);
    const bool switches = core.rank != none && core.rank != rank;
    VirtualRank& r = at(rank);
    if (switches && core.held_until >= r.taken.ready) r.taken.needed = at(core.rank).latest;
    core.rank = rank;
    settle(rank, switches ? time + model_.switch_to : time);
    core.free_at = r.clock;
    core.held_until = r.clock + model_.patience;
    go_on(rank);
  }

  /// The step that the rank has taken begins at `start`: its time passes, and what it brings about comes about.
  void settle(int rank, double start) {
    VirtualRank& r = at(rank);
    double time = r.cost(model_, memory_[static_cast<std::size_t>(rank)]);
    if (r.starts_call) time += r.call_cost(model_);
    r.starts_call = false;
    const double end = start + time;
    r.busy += time;
    r.clock = end;
    const std::ptrdiff_t self = scenario_.trace ? note(r, start, end) : -1;
    if (r.taken.received) network_.give_back(*r.taken.received, end, r.taken.received_bytes, self);
    if (r.taken.sent) network_.send(*r.taken.sent, end, r.taken.sent_bytes, self);
    if (r.moves() <= goals_[static_cast<std::size_t>(rank)].half) half_time_ = std::max(half_time_, end);
  }

  std::ptrdiff_t note(VirtualRank& r, double start, double end) {
    const VirtualRank::Step& taken = r.taken;
    if (start == end && !taken.received && !taken.sent) return r.latest;
    trace_.push_back({.rank = r.call().rank,
                      .step = taken.step,
                      .round = taken.round,
                      .start = start,
                      .end = end,
                      .from = taken.received ? taken.received->from : none,
                      .to = taken.sent ? taken.sent->to : none,
                      .received = taken.received_bytes,
                      .sent = taken.sent_bytes,
                      .previous = r.latest,
                      .needed = taken.needed});
    return r.latest = static_cast<std::ptrdiff_t>(trace_.size()) - 1;
  }

  sim::Prediction result() {
    sim::Prediction p;
    for (VirtualRank& r : ranks_) {
      p.finishes.push_back(r.clock);
      p.finish = std::max(p.finish, r.clock);
      p.cpu_use = std::max(p.cpu_use, r.busy);
    }
    if (p.finish > 0) p.cpu_use /= p.finish;
    if (p.finish > 0) p.port_use = network_.busiest_port() / p.finish;
    p.messages = static_cast<double>(network_.messages());
    p.intra_bytes = static_cast<double>(network_.intra_bytes());
    p.inter_bytes = static_cast<double>(network_.inter_bytes());
    p.trace = std::move(trace_);
    if (!complete_) return p;  // ranks that went as far as they should keep others from going on
    for (int rank = 0; under_way_ > 0 && rank < placement_.size() && p.why.empty(); ++rank)
      if (!finished_.contains(rank))
        p.why = "deadlock with " + std::to_string(scenario_.slots) + " slots a link: rank " + std::to_string(rank) +
                " and " + std::to_string(under_way_ - 1) + " others are stuck, it at " + at(rank).running().where();
    return p;
  }

  /// Some of the ranks.
  class RankSet {
   public:
    bool contains(int rank) const { return at(rank) < in_.size() && in_[at(rank)]; }
    /// False if it was in already.
    bool insert(int rank) {
      if (in_.size() <= at(rank)) in_.resize(at(rank) + 1, false);
      const bool fresh = !in_[at(rank)];
      in_[at(rank)] = true;
      return fresh;
    }
    void erase(int rank) { in_[at(rank)] = false; }

   private:
    static std::size_t at(int rank) { return static_cast<std::size_t>(rank); }
    std::vector<bool> in_;
  };

  const sim::Scenario& scenario_;
  const Placement& placement_;
  const sim::Model& model_;
  VirtualNetwork network_;
  std::deque<VirtualRank> ranks_;
  std::vector<sim::MemoryCost> memory_;
  std::vector<Goal> goals_;
  std::vector<int> core_of_rank_;  // or none
  std::vector<Core> cores_;
  RankSet waits_for_core_, finished_;
  int under_way_ = 0;
  bool complete_ = true;
  double half_time_ = 0;
  std::vector<sim::TracedStep> trace_;
};

inline std::string complaint(const sim::Scenario& s, int size) {
  const auto parts = static_cast<std::size_t>(s.schedule.most_parts());
  if (size < 1) return "0 ranks cannot be simulated";
  if (s.element_bytes == 0 || s.frame_bytes / parts < s.element_bytes)
    return "elements of " + std::to_string(s.element_bytes) + " bytes do not fit messages of " +
           std::to_string(s.frame_bytes) + " bytes";
  if (s.window == 0) return "a window of 0 rounds never moves";
  if (s.root < 0 || s.root >= size)
    return "root " + std::to_string(s.root) + " is not a rank; ranks are 0 … " + std::to_string(size - 1);
  if (s.bytes >> 48 != 0) return std::to_string(s.bytes) + " bytes are more than one call can take";
  return "";
}

}  // namespace ringcoll::inline v0::detail

namespace ringcoll::inline v0::sim {

/// Runs the call in virtual time: the executor itself, on every rank, with the rounds, window and slots of a real call;
/// only the kernel counts bytes instead of touching them. The same input gives the same times, bit for bit.
///
/// Costs 60 to 100 ns a step, 300 ns where ranks share NICs or cores (Zen 4 guest). Long calls repeat themselves, so
/// what is beyond `most_steps` is extrapolated: from whole rounds where these fit, else from the first steps of one.
inline Prediction predict(const Scenario& scenario, const Placement& placement, const Model& model) {
  using namespace ringcoll::detail;
  const int size = placement.size();
  if (std::string why = complaint(scenario, size); !why.empty()) {
    Prediction refused;
    refused.why = std::move(why);
    return refused;
  }
  const Call call = virtual_call(scenario, 0, size);
  double steps = 0;  // of all ranks, in a round
  for (int rank = 0; rank < size; ++rank) steps += scenario.schedule.steps(rank);
  const double bound = scenario.most_steps == 0 ? 1e300 : static_cast<double>(scenario.most_steps) / scenario.calls;
  const auto rounds = static_cast<double>(call.rounds), window = static_cast<double>(call.window);
  if (steps * rounds <= bound) return VirtualMachine(scenario, placement, model).run(call.rounds, 1);

  // Blocks of `window` rounds are alike, but for the first ones; the last round may be shorter.
  const auto blocks = static_cast<std::size_t>(bound / (steps * window)) / 2 * 2;
  const std::size_t run_rounds = std::min(std::max<std::size_t>(blocks, 1) * call.window, call.rounds);
  const double part = blocks > 0 ? 1 : bound / (steps * static_cast<double>(run_rounds));
  VirtualMachine machine(scenario, placement, model);
  Prediction p = machine.run(run_rounds, std::min(part, 1.0));
  const double full_rounds =
      call.rounds == 1 ? 1 : static_cast<double>(call.longest_chunk()) / static_cast<double>(call.frame_elements);
  const double all = full_rounds / (static_cast<double>(run_rounds) * std::min(part, 1.0));  // in units of what was run
  const double more = (all - 1) * 2 * (p.finish - machine.half_time());
  for (double& finish : p.finishes) finish += more;
  p.finish += more;
  p.messages *= all;
  p.intra_bytes *= all;
  p.inter_bytes *= all;
  p.extrapolated = true;
  return p;
}

/// What a benchmark measures that makes one call after the other: ns a call, once they follow each other evenly. Calls
/// that fill most_steps by themselves are taken alone.
inline double time_per_call(Scenario scenario, const Placement& placement, const Model& model) {
  constexpr int few = 2, many = 5;
  scenario.calls = 1;
  const Prediction alone = predict(scenario, placement, model);
  if (!alone) throw Error(Errc::invalid_argument, alone.why);
  if (alone.extrapolated ||
      (scenario.most_steps != 0 && 2 * many * alone.messages > static_cast<double>(scenario.most_steps)))
    return alone.finish;
  scenario.calls = few;
  const double sooner = predict(scenario, placement, model).finish;
  scenario.calls = many;
  return (predict(scenario, placement, model).finish - sooner) / (many - few);
}

}  // namespace ringcoll::inline v0::sim
