// SPDX-License-Identifier: Apache-2.0
// Includes all of ringcoll in each of the three places that must live together in one process.
#pragma once

#include <ringcoll/ringcoll.hpp>

#include <atomic>
#include <vector>

/// Whether an allreduce between two threads of this process is right.
static inline bool sum_is_right() {
  std::atomic<int> right = 0;
  ringcoll::local::run(2, [&](ringcoll::Communicator& comm) {
    std::vector<float> x(100, 1.f);
    ringcoll::allreduce(comm, x);
    if (x == std::vector<float>(100, 2.f)) ++right;
  });
  return right == 2;
}
