// SPDX-License-Identifier: Apache-2.0
// Ranks as threads of one process: no launcher, no network. The rest is as between processes.
#include <ringcoll/allreduce.hpp>
#include <ringcoll/local.hpp>

#include <array>
#include <cmath>
#include <cstdio>
#include <numeric>
#include <vector>

/// Of some samples: how many, their mean, and the sum of squared distances from it.
struct Moments {
  double count = 0, mean = 0, squares = 0;

  double deviation() const { return std::sqrt(squares / count); }
};

/// An op is any callable on two elements, and an element any plain struct. This one joins the moments of two sets.
struct join {
  Moments operator()(const Moments& a, const Moments& b) const {
    const double count = a.count + b.count, apart = b.mean - a.mean;
    return {.count = count,
            .mean = a.mean + apart * b.count / count,
            .squares = a.squares + b.squares + apart * apart * a.count * b.count / count};
  }
};

Moments moments_of(const std::vector<double>& samples) {
  Moments all;
  for (const double sample : samples) all = join{}(all, {.count = 1, .mean = sample});
  return all;
}

int main() {
  ringcoll::local::run(4, [](ringcoll::Communicator& comm) {
    std::vector<double> samples(1000);
    std::iota(samples.begin(), samples.end(), 1000. * comm.rank());

    // Started, not waited for: the ranks exchange sums while each does work of its own. The buffer belongs to the call
    // until wait() returns.
    std::vector<double> sums = samples;
    auto work = ringcoll::start_allreduce(comm, sums);
    std::array moments{moments_of(samples)};
    work.wait();

    ringcoll::allreduce(comm, moments, join{});
    if (comm.rank() == 0)
      std::printf("%d ranks: sum of the first samples %g; mean %g, standard deviation %.3f of all %g\n", comm.size(),
                  sums.front(), moments[0].mean, moments[0].deviation(), moments[0].count);
  });
}
