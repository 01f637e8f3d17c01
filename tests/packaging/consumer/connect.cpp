// SPDX-License-Identifier: Apache-2.0
#include <ringcoll/allreduce.hpp>
#include <ringcoll/connect.hpp>

#include <vector>

#if !RINGCOLL_WITH_TCP || !RINGCOLL_WITH_SHM
#error "linking ringcoll::tcp and ringcoll::shm must define RINGCOLL_WITH_TCP and RINGCOLL_WITH_SHM"
#endif

bool sums_alone() {
  auto comm = ringcoll::connect();
  std::vector<float> x(100, 1.f);
  ringcoll::allreduce(comm, x);
  return comm.size() == 1 && x == std::vector<float>(100, 1.f);
}
