// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include <ringcoll/communicator.hpp>

#include "config.hpp"
#include "exit_code.hpp"
#include "peers.hpp"

namespace perf {

/// One rank's whole run, from the connected communicator to the last line of output.
///
/// `shared` is null unless config.peers_path is set; `resident_before` is the memory in use before connecting.
ExitCode run_session(Config config, ringcoll::Communicator all, const std::string& launcher, PeersMemory* shared,
                     std::size_t resident_before);

}  // namespace perf
