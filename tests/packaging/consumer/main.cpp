// SPDX-License-Identifier: Apache-2.0
// Two ranks as threads; with CONSUMER_CONNECTS also the one rank that a program without a launcher is.
#include <ringcoll/allreduce.hpp>
#include <ringcoll/local.hpp>

#include <atomic>
#include <cstdio>
#include <vector>

bool sums_alone();

int main() {
  std::atomic<int> right = 0;
  ringcoll::local::run(2, [&](ringcoll::Communicator& comm) {
    std::vector<float> x(100, 1.f);
    ringcoll::allreduce(comm, x);
    if (x == std::vector<float>(100, 2.f)) ++right;
  });
  bool ok = right == 2;
#ifdef CONSUMER_CONNECTS
  ok = ok && sums_alone();
#endif
  std::puts(ok ? "right" : "wrong");
  return ok ? 0 : 1;
}
