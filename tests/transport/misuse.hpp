// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <ringcoll/ringcoll.hpp>

#include "transport/ranks.hpp"

// Calls that are wrong: each is an Error with a sentence, on every rank that would have waited, and soon.

using namespace ringcoll;
using namespace std::chrono_literals;
using ranks::require;
using Clock = std::chrono::steady_clock;

namespace misuse {

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr std::chrono::milliseconds soon = 5s, at_once = 1s;
#else
constexpr std::chrono::milliseconds soon = 2s, at_once = 100ms;
#endif
constexpr Options patient{.deadline = 10s};  // so that a test that fails ends

/// How one rank's calls ended.
struct Outcome {
  std::optional<Error> error;
  Clock::duration time{};
  std::string what() const { return error ? error->what() : "no error"; }
};

/// Runs f(comm) on every rank; a rank stays until all are through, so that nobody is told by its leaving.
template <class F>
std::vector<Outcome> outcomes(int size, F&& f) {
  std::vector<Outcome> all(static_cast<std::size_t>(size));
  std::atomic<int> through{0};
  local::run(size, [&](Communicator& comm) {
    Outcome& own = all[static_cast<std::size_t>(comm.rank())];
    const auto begin = Clock::now();
    try {
      f(comm);
    } catch (const Error& error) {
      own.error = error;
    }
    own.time = Clock::now() - begin;
    ++through;
    while (through < size) std::this_thread::sleep_for(1ms);
  });
  return all;
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// What a rank throws, or "nothing".
template <class F>
std::string refusal(Errc code, F&& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.code() == code ? error.what() : std::string("with another code: ") + error.what();
  }
  return "nothing";
}

struct What {
  Collective collective;
  std::size_t count = 12;
  DataType type = DataType::float32;
  OpId op = OpId::sum;
  int root = 0;
};

template <class T, class Op>
void call_as(const Communicator& comm, const What& what) {
  const auto n = static_cast<std::size_t>(comm.size());
  std::vector<T> part(what.count), whole(what.count * n);
  switch (what.collective) {
    case Collective::allreduce: return allreduce(comm, part, Op{}, patient);
    case Collective::reduce_scatter: return reduce_scatter(comm, whole, part, Op{}, patient);
    case Collective::allgather: return allgather(comm, part, whole, patient);
    case Collective::broadcast: return broadcast(comm, part, what.root, patient);
    case Collective::reduce: {
      std::vector<T> out(what.count);
      return reduce(comm, part, out, what.root, Op{}, patient);
    }
    case Collective::gather: return gather(comm, part, whole, what.root, patient);
    case Collective::scatter: return scatter(comm, whole, part, what.root, patient);
    case Collective::alltoall: return alltoall(comm, whole, whole, patient);
    default: return barrier(comm, patient);
  }
}

void call(const Communicator& comm, const What& what) {
  const auto with_type = [&]<class Op>(Op) {
    if (what.type == DataType::float32) call_as<float, Op>(comm, what);
    else if (what.type == DataType::int32) call_as<std::int32_t, Op>(comm, what);  // of the same size
    else call_as<double, Op>(comm, what);
  };
  what.op == OpId::sum ? with_type(sum{}) : with_type(ringcoll::max{});
}

constexpr Collective collectives[] = {Collective::allreduce, Collective::reduce_scatter, Collective::allgather,
                                      Collective::broadcast, Collective::reduce,         Collective::gather,
                                      Collective::scatter,   Collective::alltoall,       Collective::barrier};

bool is_rooted(Collective c) {
  return c == Collective::broadcast || c == Collective::reduce || c == Collective::gather || c == Collective::scatter;
}
bool combines(Collective c) {
  return c == Collective::allreduce || c == Collective::reduce_scatter || c == Collective::reduce;
}

/// Rank `odd` calls `theirs`, the others `ours`, and then all two barriers, by which a rank that had nothing to wait
/// for in the first call must hear of it. Says what is not as promised. `details`: what the message must name.
std::string mismatch(int size, int odd, const What& ours, const What& theirs, const std::vector<std::string>& details) {
  const std::vector<Outcome> all = outcomes(size, [&](Communicator& comm) {
    call(comm, comm.rank() == odd ? theirs : ours);
    barrier(comm, patient);  // a rank may leave this one: all have come, and some have failed there
    barrier(comm, patient);
  });
  const std::string where = std::string(name(ours.collective)) + " and " + name(theirs.collective) + " by rank " +
                            std::to_string(odd) + " of " + std::to_string(size) + ": ";
  bool found = false;
  for (int rank = 0; rank < size; ++rank) {
    const Outcome& own = all[static_cast<std::size_t>(rank)];
    const std::string who = where + "rank " + std::to_string(rank) + " ";
    if (!own.error) return who + "noticed nothing";
    if (own.time > soon) return who + "noticed too late: " + own.what();
    const Errc code = own.error->code();
    if (code != Errc::mismatch && code != Errc::peer_failed && code != Errc::aborted)
      return who + "threw " + own.what();
    if (code != Errc::mismatch) continue;
    found = true;
    if (!contains(own.what(), "rank " + std::to_string(odd) + " "))
      return who + "does not name the odd one: " + own.what();
    for (const std::string& detail : details)
      if (!contains(own.what(), detail)) return who + "does not say \"" + detail + "\": " + own.what();
  }
  return found ? "" : where + "nobody threw mismatch";
}

using Cases = std::vector<std::function<std::string()>>;

/// Several at once: most of them sleep, since ranks must be stuck for a while before they compare their calls.
void check_all(const Cases& cases) {
  std::vector<std::string> wrong(cases.size());
  std::vector<std::thread> workers;
  std::atomic<std::size_t> next{0};
  for (int i = 0; i < 8; ++i)
    workers.emplace_back([&] {
      for (std::size_t at; (at = next++) < cases.size();) wrong[at] = cases[at]();
    });
  for (std::thread& worker : workers) worker.join();
  for (const std::string& why : wrong) CHECK_EQ(why, "");
}

}  // namespace misuse
