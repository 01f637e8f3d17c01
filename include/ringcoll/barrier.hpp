// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ringcoll/detail/requests.hpp>

namespace ringcoll::inline v0 {

/// Returns when every rank has called it. Errors as allreduce.
inline void barrier(const Communicator& comm, const Options& options = {}) {
  detail::run(comm, detail::moving<std::byte>(Collective::barrier), options);
}

inline Work start_barrier(const Communicator& comm, const Options& options = {}) {
  return detail::start_background(comm, detail::moving<std::byte>(Collective::barrier), options,
                                  std::make_shared<detail::Operation>());
}

}  // namespace ringcoll::inline v0
