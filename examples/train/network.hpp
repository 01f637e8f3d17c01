// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "digits.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

/// Counted over images; two scores add up.
struct Score {
  double loss = 0, right = 0, images = 0;

  Score& operator+=(const Score& other);
};

/// 3x3 convolution to 16 channels, relu, 2x2 max pooling, 64 units, relu, 10 classes, softmax.
class Network {
 public:
  static constexpr std::size_t channels = 16;
  static constexpr std::size_t kernel = 3;
  static constexpr std::size_t pooled = channels * Digit::pixels / 4;
  static constexpr std::size_t hidden = 64;

  /// Every layer's weights lie in one vector, first layer first, and their gradients likewise: so one call moves them
  /// all, and neighbouring layers travel together without being copied.
  static constexpr std::size_t convolution_count = channels * (kernel * kernel + 1);
  static constexpr std::size_t hidden_count = (pooled + 1) * hidden;
  static constexpr std::size_t output_count = (hidden + 1) * Digit::classes;
  static constexpr std::size_t count = convolution_count + hidden_count + output_count;

  explicit Network(std::uint64_t seed);

  std::span<float> weights() { return weights_; }
  std::span<float> gradients() { return gradients_; }

  /// Looks at the images and keeps what backward() needs.
  Score forward(std::span<const Digit> images);

  /// Leaves the gradient of `scale` times the loss of the images last seen by forward(), and calls `ready` with each
  /// layer's part as soon as it is final, last layer first.
  void backward(float scale, const std::function<void(std::span<float>)>& ready);

 private:
  /// What each layer said to one image.
  struct Trace {
    const Digit* digit;
    std::array<std::array<float, Digit::pixels>, channels> features;  // after relu
    std::array<float, pooled> pooled_features;
    std::array<float, hidden> hidden_units;  // after relu
    std::array<float, Digit::classes> probability;
    std::array<float, Digit::classes> score_gradient;  // of the scores that softmax made the probability of
    std::array<float, hidden> hidden_gradient;
    std::array<float, pooled> pooled_gradient;
  };

  std::vector<float> weights_, gradients_;
  std::vector<Trace> traces_;
};
