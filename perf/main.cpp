// SPDX-License-Identifier: Apache-2.0
// ringcoll_perf: measures ringcoll's collectives and checks their results. docs/perf.md says how to use it.
#include <csignal>
#include <cstdio>
#include <new>
#include <optional>
#include <string>

#include <fcntl.h>
#include <unistd.h>

#include <ringcoll/error.hpp>

#include "environment.hpp"
#include "flags.hpp"
#include "join.hpp"
#include "launch.hpp"
#include "machine.hpp"
#include "session.hpp"
#include "watch.hpp"

namespace perf {
namespace {

/// A closed descriptor 0, 1 or 2 would go to the next socket, and output into it. What takes its place cannot be
/// written to, so that the loss of the output is noticed.
void keep_standard_descriptors() {
  for (int fd = open("/dev/null", O_RDONLY); fd >= 0; fd = open("/dev/null", O_RDONLY)) {
    if (fd <= STDERR_FILENO) continue;
    close(fd);
    break;
  }
}

void complain(int rank, const char* what) {
  const std::string stage = rank < 0 ? "" : current_stage();
  const std::string who = rank < 0 ? "" : "rank " + std::to_string(rank) + ": ";
  std::fprintf(stderr, "ringcoll_perf: %s%s%s%s\n", who.c_str(), stage.c_str(), stage.empty() ? "" : ": ", what);
}

/// Runs `body`; makes an exit code, and a sentence on standard error, of whatever it throws.
template <class F>
ExitCode guarded(int rank, F&& body) {
  try {
    return body();
  } catch (const Failure& failure) {
    complain(rank, failure.what());
    return failure.code();
  } catch (const ringcoll::Error& error) {
    complain(rank, error.what());
    return error.code() == ringcoll::Errc::timeout ? ExitCode::timeout : ExitCode::ringcoll;
  } catch (const std::bad_alloc&) {
    complain(rank, "out of memory");
    return ExitCode::internal;
  } catch (const std::exception& error) {
    complain(rank, error.what());
    return ExitCode::internal;
  }
}

ExitCode run_rank(const Config& config, const Seat& seat, const Meeting* meeting, PeersMemory* shared) {
  return guarded(seat.rank, [&] {
    const std::size_t resident = resident_memory();
    if (config.pin) pin_to_core(seat.local_rank);
    if (seat.rank == 0)
      for (const std::string& warning : config.warnings)
        std::fprintf(stderr, "ringcoll_perf: warning: %s\n", warning.c_str());
    return run_session(config, join(config, seat, meeting), seat.launcher, shared, resident);
  });
}

ExitCode run_program(int argc, char** argv) {
  std::optional<Config> parsed = parse_command_line(argc, argv);
  if (!parsed) return ExitCode::ok;
  Config& config = *parsed;
  read_environment(config);

  const Seat seat = seat_by_launcher();
  if (config.ranks == 0) return run_rank(config, seat, nullptr, nullptr);
  if (seat.size > 1) {
    // Each of them forking ranks of its own would be several jobs, which look like one.
    if (seat.rank > 0) return ExitCode::usage;
    throw usage_error(std::to_string(config.ranks) + " ranks to fork (--ranks, or -t times -g): expected 1 under " +
                      seat.launcher + ", which has started " + std::to_string(seat.size) + " already");
  }
  PeersMemory* const shared = config.peers_path.empty() ? nullptr : share_peers_memory();
  return static_cast<ExitCode>(fork_ranks(config.ranks, [&](int rank, const Meeting& meeting) {
    return run_rank(config, {.rank = rank, .size = config.ranks, .local_rank = rank, .launcher = "ringcoll_perf"},
                    &meeting, shared);
  }));
}

}  // namespace
}  // namespace perf

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // a closed pipe is an error of the write
  perf::keep_standard_descriptors();
  return static_cast<int>(perf::guarded(-1, [&] { return perf::run_program(argc, argv); }));
}
