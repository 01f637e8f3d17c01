// SPDX-License-Identifier: Apache-2.0
// Data-parallel training on handwritten digits; docs/training.md walks through it.
#include "flags.hpp"
#include "ranks.hpp"
#include "train.hpp"

#include <ringcoll/connect.hpp>
#include <ringcoll/local.hpp>

#include <algorithm>
#include <cinttypes>
#include <cmath>
#include <cstdio>

namespace {

constexpr double wanted_accuracy = 0.95;

// Sums in another order round differently: measured 3e-6 with 2 to 8 ranks, and once 2e-3, probably where a rounding
// decided which pixel the pooling took. The least of mistakes, the mean of the ranks' means where their parts are
// uneven, makes 1.5e-2 and more.
constexpr double tolerance = 0.01;

/// The largest relative difference of two loss curves; NaN if one of them holds a NaN.
double difference(const std::vector<double>& losses, const std::vector<double>& others) {
  double largest = 0;
  for (std::size_t i = 0; i < losses.size(); ++i) {
    const double apart = std::abs(losses[i] / others[i] - 1);
    if (std::isnan(apart)) return apart;
    largest = std::max(largest, apart);
  }
  return largest;
}

/// True if one rank that takes the steps of all ranks sees its loss fall as they did.
bool learns_like_one_rank(const Result& result, const Digits& digits, Settings settings, int size) {
  settings.batch *= static_cast<std::size_t>(size);
  double largest = 0;
  ringcoll::local::run(1, [&](ringcoll::Communicator& alone) {
    largest = difference(result.losses, train(alone, digits, settings, nullptr).losses);
  });
  std::printf("one rank: its loss differs by %.4f %% at most, up to %g %% expected\n", 100 * largest, 100 * tolerance);
  return largest <= tolerance;
}

bool report(const Result& result) {
  const double accuracy = result.test.right / result.test.images;
  const bool same = result.different_rank == -1;
  std::printf("test accuracy: %.2f %% of %.0f images, at least %.0f %% expected\n", 100 * accuracy, result.test.images,
              100 * wanted_accuracy);
  if (same) std::printf("weights: the same bits on every rank, fingerprint %016" PRIx64 "\n", result.fingerprint);
  else std::printf("weights: rank %d has others than rank 0\n", result.different_rank);
  std::printf("speed: %.0f images/s, %.1f MB of gradients from each rank\n", result.images / result.seconds,
              static_cast<double>(result.reduced_bytes) / 1e6);
  return accuracy >= wanted_accuracy && same;
}

/// What one rank does. Returns its exit code.
int run_rank(const ringcoll::ConnectOptions& options, const Flags& flags, const Digits& digits) try {
  ringcoll::Communicator comm = ringcoll::connect(options);
  const bool speaks = comm.rank() == 0;
  if (speaks)
    std::printf(
        "%zu images to train on, %zu to test; %zu weights; ranks: %d, with %zu images each in a step\n"
        "epoch    rate      loss     right\n",
        digits.training.size(), digits.test.size(), Network::count, comm.size(), flags.settings.batch);
  const Result result = train(comm, digits, flags.settings, speaks ? stdout : nullptr);
  bool good = !speaks || report(result);
  if (speaks && flags.compare_single) good &= learns_like_one_rank(result, digits, flags.settings, comm.size());
  return good ? 0 : 1;
} catch (const ringcoll::Error& error) {
  std::fprintf(stderr, "train: %s\n", error.what());
  return 1;
}

}  // namespace

int main(int argc, char** argv) try {
  const Flags flags = parse_flags(argc, argv);
  const Digits digits = read_digits(flags.file);
  const auto rank_main = [&](const ringcoll::ConnectOptions& options) { return run_rank(options, flags, digits); };
  return flags.ranks > 0 ? fork_ranks(flags.ranks, rank_main) : rank_main({});
} catch (const BadFlags& error) {
  std::fprintf(stderr, "train: %s\n\n%s", error.what(), usage);
  return 2;
} catch (const BadDigits& error) {
  std::fprintf(stderr, "train: %s\n", error.what());
  return 2;
}
