// SPDX-License-Identifier: Apache-2.0
#include "join.hpp"

#include <ringcoll/connect.hpp>
#include <ringcoll/launcher.hpp>

#include "exit_code.hpp"

namespace perf {
namespace {

/// An invalid argument at this point is a variable's value.
template <class F>
auto refusing_nonsense(F&& f) {
  try {
    return f();
  } catch (const ringcoll::Error& error) {
    if (error.code() == ringcoll::Errc::invalid_argument) throw usage_error(error.what());
    throw;
  }
}

#if defined(RINGCOLL_WITH_BOOTSTRAP)

ringcoll::Communicator connected(const Config& config, const Seat& seat, const Meeting* meeting) {
  ringcoll::ConnectOptions options;
  options.transport = config.transport;
  if (meeting != nullptr) {
    options.rank = seat.rank;
    options.size = seat.size;
    options.local_rank = seat.local_rank;
    options.local_size = seat.size;
    options.address = meeting->address;
    options.secret = meeting->secret;
  }
  return ringcoll::connect(options);
}

#else

ringcoll::Communicator connected(const Config& config, const Seat&, const Meeting* meeting) {
  if (meeting != nullptr || config.transport != "auto")
    throw Failure(ExitCode::not_implemented,
                  "built without ringcoll::shm and ringcoll::tcp: ranks cannot reach each other");
  return ringcoll::connect();
}

#endif

}  // namespace

Seat seat_by_launcher() {
  const ringcoll::Launch launch = refusing_nonsense([] { return ringcoll::detect_launch(); });
  const bool known = launch.local_rank != ringcoll::Launch::unknown;
  return {.rank = launch.rank,
          .size = launch.size,
          .local_rank = known ? launch.local_rank : launch.rank,
          .launcher = launch.name};
}

ringcoll::Communicator join(const Config& config, const Seat& seat, const Meeting* meeting) {
  return refusing_nonsense([&] { return connected(config, seat, meeting); });
}

}  // namespace perf
