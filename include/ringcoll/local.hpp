// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <unistd.h>

#include <exception>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <ringcoll/communicator.hpp>
#include <ringcoll/detail/local_transport.hpp>
#include <ringcoll/detail/thread.hpp>

namespace ringcoll::inline v0 {
namespace detail {

/// How the function of one rank ended.
struct LocalOutcome {
  std::exception_ptr exception;
  bool consequence = false;  // of another rank's failure

  /// Keeps the exception now in flight. Returns what the other ranks are told.
  Error keep(int rank) {
    exception = std::current_exception();
    try {
      throw;
    } catch (const Error& error) {
      consequence = error.code() == Errc::aborted || error.code() == Errc::peer_failed;
      return error;
    } catch (const std::exception& other) {
      return {Errc::aborted, "rank " + std::to_string(rank) + " ended by an exception: " + other.what(), rank};
    } catch (...) {
      return {Errc::aborted, "rank " + std::to_string(rank) + " ended by an exception", rank};
    }
  }
};

/// One rank of local::run: its thread, what it runs, and how that ended.
struct LocalRank {
  int rank = 0, size = 0;
  std::unique_ptr<LocalTransport> transport;
  void (*body)(void*, Communicator&) = nullptr;
  void* function = nullptr;
  LocalOutcome outcome;
  Thread thread;

  static void run(void* self) { static_cast<LocalRank*>(self)->run(); }
  void run() {
    std::shared_ptr<Member> member;
    try {
      Setup setup;
      setup.crowded = size > ::sysconf(_SC_NPROCESSORS_ONLN);
      Communicator comm(rank, size, erase(std::move(transport)), setup);
      member = comm.shared_member();
      body(function, comm);
    } catch (...) {
      const Error cause = outcome.keep(rank);
      if (member) member->transport().close(&cause);
    }
  }
};

inline void run_local(int size, void (*body)(void*, Communicator&), void* function) {
  if (size < 1) throw Error(Errc::invalid_argument, "local::run needs at least one rank, got " + std::to_string(size));
  auto transports = make_local(size);
  const auto ranks = std::make_unique<LocalRank[]>(transports.size());
  int started = 0;
  try {
    for (; started < size; ++started) {
      const auto i = static_cast<std::size_t>(started);
      ranks[i].rank = started;
      ranks[i].size = size;
      ranks[i].transport = std::move(transports[i]);
      ranks[i].body = body;
      ranks[i].function = function;
      ranks[i].thread.start(LocalRank::run, &ranks[i]);
    }
  } catch (const Error& failure) {
    LocalRank& rank = ranks[static_cast<std::size_t>(started)];
    rank.outcome.exception = std::current_exception();
    rank.transport->close(&failure);
    for (auto& transport : transports)
      if (transport) transport->close(&failure);
  }
  const LocalOutcome* worst = nullptr;
  for (std::size_t i = 0; i < transports.size(); ++i) {
    ranks[i].thread.join();
    const LocalOutcome& outcome = ranks[i].outcome;
    if (outcome.exception && (!worst || (worst->consequence && !outcome.consequence))) worst = &outcome;
  }
  if (worst) std::rethrow_exception(worst->exception);
}

}  // namespace detail

namespace local {

/// Calls `f(comm)` on `size` threads at once, each a rank of one communicator, and returns when all have ended. If
/// ranks throw, the others are told, and the first exception that is not merely a consequence of another is thrown
/// again.
///
///     ringcoll::local::run(4, [](ringcoll::Communicator& comm) { ... });
template <class F>
void run(int size, F&& f) {
  const auto body = [](void* function, Communicator& comm) {
    (*static_cast<std::remove_reference_t<F>*>(function))(comm);
  };
  detail::run_local(size, body, const_cast<void*>(static_cast<const void*>(std::addressof(f))));
}

}  // namespace local
}  // namespace ringcoll::inline v0
