// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ringcoll/communicator.hpp>
#include <ringcoll/launcher.hpp>

// What a program's connect() can do depends on the components it links: each brings its headers, defines
// RINGCOLL_WITH_<NAME>, and registers its transport when the program starts. So connect() itself is the same in all
// files.
#if defined(RINGCOLL_WITH_BOOTSTRAP)
#include <ringcoll/bootstrap/job.hpp>
#if defined(RINGCOLL_WITH_SHM)
#include <ringcoll/transports/shm.hpp>
#endif
#if defined(RINGCOLL_WITH_TCP)
#include <ringcoll/transports/tcp.hpp>
#endif
#if defined(RINGCOLL_WITH_PMIX)
#include <ringcoll/transports/pmix.hpp>
#endif

namespace ringcoll::inline v0 {

using bootstrap::ConnectOptions;
using bootstrap::Store;
using bootstrap::UniqueId;

/// The communicator of all ranks of the job: this process is one of them.
///
/// Who it is comes from `options`, else from RINGCOLL_RANK and RINGCOLL_SIZE, torchrun, Open MPI, MPICH or Slurm, else
/// it is the only rank. Shared memory carries what goes to ranks of the same host, TCP the rest; each link connects
/// when first used. Every connection is authenticated with the job's key. Blocks until all ranks are there.
/// Throws Error: invalid_argument (options and environment), timeout (names missing ranks), auth_failed, peer_failed,
/// ….
inline Communicator connect(const ConnectOptions& options = {}) { return bootstrap::connect_job(options); }

}  // namespace ringcoll::inline v0

#else

#include <ringcoll/detail/local_transport.hpp>

namespace ringcoll::inline v0 {

/// Without a component that leaves the process: a communicator of one rank.
///
/// Throws Error(invalid_argument) if a launcher says that there are more.
inline Communicator connect() {
  const Launch launch = detect_launch();
  if (launch.size > 1)
    throw Error(
        Errc::invalid_argument,
        launch.name + " started this process as rank " + std::to_string(launch.rank) + " of " +
            std::to_string(launch.size) +
            ", but the program was built without ringcoll::shm and ringcoll::tcp, and cannot reach the others; link "
            "one of these CMake targets (or pkg-config ringcoll-shm, ringcoll-tcp)");
  return Communicator(0, 1, erase(std::move(make_local(1).front())));
}

}  // namespace ringcoll::inline v0

#endif
