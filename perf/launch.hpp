// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>

#include "exit_code.hpp"

namespace perf {

/// How forked ranks find each other, and prove that they belong together.
struct Meeting {
  std::string address;  ///< unix:NAME
  std::string secret;   ///< hexadecimal
};

/// Forks `ranks` processes that run `body(rank, meeting)` and waits for them. When one fails, the others get some time
/// to notice, and are then killed. Signals that end this process end the ranks.
///
/// Returns what to exit with: the code of the rank that failed first, where "a peer is gone" gives way to any other.
int fork_ranks(int ranks, const std::function<ExitCode(int rank, const Meeting& meeting)>& body);

}  // namespace perf
