// SPDX-License-Identifier: Apache-2.0
#include "train.hpp"

#include "gradient_sum.hpp"
#include "random.hpp"

#include <ringcoll/allgather.hpp>
#include <ringcoll/broadcast.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <span>

namespace {

constexpr std::size_t bucket_bytes = 32 << 10;  // the two dense layers; the convolution's gradients come after them
constexpr std::size_t warm_up_epochs = 3;
constexpr float usual_batch = 32;  // images in a step that Settings::rate suits

/// Stochastic gradient descent with momentum.
class Descent {
 public:
  void step(std::span<float> weights, std::span<const float> gradients, float rate) {
    constexpr float momentum = 0.9f;
    for (std::size_t i = 0; i < weights.size(); ++i) {
      velocity_[i] = momentum * velocity_[i] + gradients[i];
      weights[i] -= rate * velocity_[i];
    }
  }

 private:
  std::vector<float> velocity_ = std::vector<float>(Network::count);
};

/// The learning rate. A batch that is n times as large is averaged over n times the images, so its step may be n times
/// as long. But at first the loss is too rough for long steps: the rate climbs to its full height in the first epochs.
class Rate {
 public:
  Rate(const Settings& settings, std::size_t batch, std::size_t warm_up_steps)
      : first_(settings.rate),
        full_(settings.rate * static_cast<float>(batch) / usual_batch),
        warm_up_steps_(static_cast<float>(warm_up_steps)) {}

  float operator()(std::size_t step) const {
    return first_ + std::min(1.f, static_cast<float>(step) / warm_up_steps_) * (full_ - first_);
  }

 private:
  float first_, full_, warm_up_steps_;
};

/// This rank's part of what the ranks share out among them. Parts differ by one image at most.
std::span<const Digit> part(std::span<const Digit> images, const ringcoll::Communicator& comm) {
  const auto rank = static_cast<std::size_t>(comm.rank()), size = static_cast<std::size_t>(comm.size());
  const std::size_t first = images.size() * rank / size, last = images.size() * (rank + 1) / size;
  return images.subspan(first, last - first);
}

Score sum_over_ranks(ringcoll::Communicator& comm, const Score& mine) {
  std::array<double, 3> all{mine.loss, mine.right, mine.images};
  ringcoll::allreduce(comm, all);
  return {all[0], all[1], all[2]};
}

double percent(const Score& score) { return 100 * score.right / score.images; }

/// FNV-1a over the bits of the weights, a weight at a time.
std::uint64_t fingerprint(std::span<const float> weights) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (float weight : weights) hash = (hash ^ std::bit_cast<std::uint32_t>(weight)) * 0x100000001b3;
  return hash;
}

/// The first rank whose fingerprint is not rank 0's, or -1.
int find_different(ringcoll::Communicator& comm, std::uint64_t mine) {
  std::vector<std::uint64_t> all(static_cast<std::size_t>(comm.size()));
  ringcoll::allgather(comm, std::span(&mine, 1), all);
  const auto different = std::ranges::find_if(all, [&](std::uint64_t one) { return one != all.front(); });
  return different == all.end() ? -1 : static_cast<int>(different - all.begin());
}

}  // namespace

Result train(ringcoll::Communicator& comm, Digits digits, const Settings& settings, std::FILE* log) {
  Network network(settings.seed + static_cast<std::uint64_t>(comm.rank()));  // unlike on purpose, so that this counts:
  ringcoll::broadcast(comm, network.weights(), 0);

  std::vector<Digit>& images = digits.training;
  const std::size_t batch = settings.batch * static_cast<std::size_t>(comm.size());
  const std::size_t steps_per_epoch = (images.size() + batch - 1) / batch;
  const Rate rate(settings, batch, warm_up_epochs * steps_per_epoch);
  Random random(settings.seed);  // the same on all ranks: they shuffle alike, and take different parts
  GradientSum sum(comm, network.gradients(), bucket_bytes);
  Descent descent;
  Result result;
  std::size_t step = 0;
  const auto start = std::chrono::steady_clock::now();

  for (std::size_t epoch = 1; epoch <= settings.epochs; ++epoch) {
    random.shuffle(std::span(images));
    Score score;
    for (std::size_t first = 0; first < images.size(); first += batch, ++step) {
      const auto all = std::span(images).subspan(first, std::min(batch, images.size() - first));
      score += network.forward(part(all, comm));
      // The mean over the images of all ranks, also when their parts differ in length.
      network.backward(1.f / static_cast<float>(all.size()), [&](std::span<float> layer) { sum.ready(layer); });
      sum.wait();
      descent.step(network.weights(), network.gradients(), rate(step));
    }
    score = sum_over_ranks(comm, score);
    result.losses.push_back(score.loss / score.images);
    result.images += score.images;
    if (log)
      std::fprintf(log, "%5zu  %6.4f  %8.5f  %6.2f %%\n", epoch, rate(step), score.loss / score.images, percent(score));
  }

  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  result.reduced_bytes = sum.bytes();
  result.test = sum_over_ranks(comm, network.forward(part(digits.test, comm)));
  result.fingerprint = fingerprint(network.weights());
  result.different_rank = find_different(comm, result.fingerprint);
  return result;
}
