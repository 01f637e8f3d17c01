// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include <ringcoll/communicator.hpp>

#include "config.hpp"
#include "launch.hpp"

namespace perf {

/// Who this process is.
struct Seat {
  int rank = 0, size = 1, local_rank = 0;
  std::string launcher;
};

/// As torchrun, mpirun, srun or RINGCOLL_RANK says, else the only rank. Throws usage_error.
Seat seat_by_launcher();

/// The communicator of all ranks: forked ones know where they meet, others (null) ask their launcher's environment.
/// Throws usage_error if that makes no sense.
ringcoll::Communicator join(const Config& config, const Seat& seat, const Meeting* meeting);

}  // namespace perf
