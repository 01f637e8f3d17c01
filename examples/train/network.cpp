// SPDX-License-Identifier: Apache-2.0
#include "network.hpp"

#include "random.hpp"

#include <algorithm>
#include <cmath>

namespace {

constexpr std::size_t side = Digit::side, kernel = Network::kernel;
constexpr std::size_t squares = Network::pooled / Network::channels;  // of 2x2 pixels in a channel

// A dense layer's weights: for each input a row with its weight for every output, then a row of biases. Loops run along
// rows, so that compilers vectorise them.

template <std::size_t In, std::size_t Out>
void dense(std::span<const float, (In + 1) * Out> weights, const std::array<float, In>& in,
           std::array<float, Out>& out) {
  std::ranges::copy(weights.template last<Out>(), out.begin());
  for (std::size_t i = 0; i < In; ++i)
    for (std::size_t o = 0; o < Out; ++o) out[o] += in[i] * weights[i * Out + o];
}

template <std::size_t In, std::size_t Out>
void add_dense_gradient(const std::array<float, In>& in, const std::array<float, Out>& out_gradient,
                        std::span<float, (In + 1) * Out> gradient) {
  for (std::size_t i = 0; i < In; ++i)
    for (std::size_t o = 0; o < Out; ++o) gradient[i * Out + o] += in[i] * out_gradient[o];
  for (std::size_t o = 0; o < Out; ++o) gradient[In * Out + o] += out_gradient[o];
}

template <std::size_t In, std::size_t Out>
void dense_input_gradient(std::span<const float, (In + 1) * Out> weights, const std::array<float, Out>& out_gradient,
                          std::array<float, In>& in_gradient) {
  for (std::size_t i = 0; i < In; ++i) {
    float sum = 0;
    for (std::size_t o = 0; o < Out; ++o) sum += weights[i * Out + o] * out_gradient[o];
    in_gradient[i] = sum;
  }
}

template <std::size_t Count>
void relu(std::array<float, Count>& values) {
  for (float& value : values) value = std::max(value, 0.f);
}

/// The gradient passes where relu let the value pass.
template <std::size_t Count>
void mask(std::array<float, Count>& gradient, const std::array<float, Count>& values) {
  for (std::size_t i = 0; i < Count; ++i) gradient[i] = values[i] > 0 ? gradient[i] : 0.f;
}

/// Makes probabilities of class scores.
template <std::size_t Count>
void softmax(std::array<float, Count>& scores) {
  const float highest = *std::ranges::max_element(scores);  // subtracted, or exp could overflow
  float sum = 0;
  for (float& score : scores) {
    score = std::exp(score - highest);
    sum += score;
  }
  for (float& score : scores) score /= sum;
}

// A convolution's weights: for each channel the nine of its kernel, then its bias. The image gets a border of a pixel,
// so that the kernel never reaches outside.

constexpr std::size_t kernel_count = Network::convolution_count / Network::channels;
using Plane = std::array<float, Digit::pixels>;
using Bordered = std::array<std::array<float, side + 2>, side + 2>;

Bordered with_border(const Plane& image) {
  Bordered bordered{};
  for (std::size_t y = 0; y < side; ++y) std::copy_n(&image[y * side], side, &bordered[y + 1][1]);
  return bordered;
}

void convolve(std::span<const float, kernel_count> weights, const Bordered& image, Plane& out) {
  out.fill(weights.back());
  for (std::size_t ky = 0; ky < kernel; ++ky)
    for (std::size_t kx = 0; kx < kernel; ++kx)
      for (std::size_t y = 0; y < side; ++y)
        for (std::size_t x = 0; x < side; ++x) out[y * side + x] += weights[ky * kernel + kx] * image[y + ky][x + kx];
}

void add_convolution_gradient(const Bordered& image, const Plane& out_gradient,
                              std::span<float, kernel_count> gradient) {
  for (std::size_t ky = 0; ky < kernel; ++ky)
    for (std::size_t kx = 0; kx < kernel; ++kx) {
      std::array<float, side> sums{};  // one for each x: compilers may not reorder a single float sum
      for (std::size_t y = 0; y < side; ++y)
        for (std::size_t x = 0; x < side; ++x) sums[x] += out_gradient[y * side + x] * image[y + ky][x + kx];
      for (float sum : sums) gradient[ky * kernel + kx] += sum;
    }
  for (float value : out_gradient) gradient.back() += value;
}

/// The pixel of the plane with the highest value in the 2x2 square that pooling makes its `square`th value of.
std::size_t highest_in(const Plane& plane, std::size_t square) {
  const std::size_t corner = square / (side / 2) * 2 * side + square % (side / 2) * 2;
  return std::max({corner, corner + 1, corner + side, corner + side + 1},
                  [&](std::size_t a, std::size_t b) { return plane[a] < plane[b]; });
}

/// The flat vector of weights, or of gradients, layer by layer.
template <class T>
struct Layers {
  std::span<T, Network::convolution_count> convolution;
  std::span<T, Network::hidden_count> hidden;
  std::span<T, Network::output_count> output;

  explicit Layers(std::span<T, Network::count> all)
      : convolution(all.template first<Network::convolution_count>()),
        hidden(all.template subspan<Network::convolution_count, Network::hidden_count>()),
        output(all.template last<Network::output_count>()) {}

  std::span<T, kernel_count> channel(std::size_t c) const {
    return convolution.subspan(kernel_count * c).template first<kernel_count>();
  }
};

}  // namespace

Score& Score::operator+=(const Score& other) {
  loss += other.loss;
  right += other.right;
  images += other.images;
  return *this;
}

Network::Network(std::uint64_t seed) : weights_(count), gradients_(count) {
  Random random(seed);
  // He's initialisation: the values spread equally far in every layer. Biases start at 0.
  const auto fill = [&](std::span<float> weights, std::size_t inputs) {
    for (float& weight : weights) weight = random.uniform(std::sqrt(6.f / static_cast<float>(inputs)));
  };
  const Layers<float> layers{std::span<float, count>(weights_)};
  for (std::size_t c = 0; c < channels; ++c) fill(layers.channel(c).first<kernel * kernel>(), kernel * kernel);
  fill(layers.hidden.first<pooled * hidden>(), pooled);
  fill(layers.output.first<hidden * Digit::classes>(), hidden);
}

Score Network::forward(std::span<const Digit> images) {
  const Layers<const float> layers{std::span<const float, count>(weights_)};
  Score score;
  traces_.resize(images.size());
  for (std::size_t i = 0; i < images.size(); ++i) {
    Trace& trace = traces_[i];
    trace.digit = &images[i];
    const Bordered image = with_border(images[i].pixel);
    for (std::size_t c = 0; c < channels; ++c) {
      Plane& features = trace.features[c];
      convolve(layers.channel(c), image, features);
      relu(features);
      for (std::size_t p = 0; p < squares; ++p)
        trace.pooled_features[c * squares + p] = features[highest_in(features, p)];
    }
    dense(layers.hidden, trace.pooled_features, trace.hidden_units);
    relu(trace.hidden_units);
    dense(layers.output, trace.hidden_units, trace.probability);
    softmax(trace.probability);

    const std::size_t label = images[i].label;
    score.loss -= std::log(std::max(trace.probability[label], 1e-30f));
    score.right += std::ranges::max_element(trace.probability) == trace.probability.begin() + label;
    score.images += 1;
  }
  return score;
}

void Network::backward(float scale, const std::function<void(std::span<float>)>& ready) {
  const Layers<const float> layers{std::span<const float, count>(weights_)};
  const Layers<float> gradients{std::span<float, count>(gradients_)};
  std::ranges::fill(gradients_, 0.f);

  for (Trace& trace : traces_) {
    for (std::size_t c = 0; c < Digit::classes; ++c)
      trace.score_gradient[c] = scale * (trace.probability[c] - (c == trace.digit->label ? 1.f : 0.f));
    add_dense_gradient(trace.hidden_units, trace.score_gradient, gradients.output);
  }
  ready(gradients.output);

  for (Trace& trace : traces_) {
    dense_input_gradient(layers.output, trace.score_gradient, trace.hidden_gradient);
    mask(trace.hidden_gradient, trace.hidden_units);
    add_dense_gradient(trace.pooled_features, trace.hidden_gradient, gradients.hidden);
  }
  ready(gradients.hidden);

  for (Trace& trace : traces_) {
    dense_input_gradient(layers.hidden, trace.hidden_gradient, trace.pooled_gradient);
    mask(trace.pooled_gradient, trace.pooled_features);
    const Bordered image = with_border(trace.digit->pixel);
    for (std::size_t c = 0; c < channels; ++c) {
      Plane plane{};  // pooling sends a gradient back to where the value came from
      for (std::size_t p = 0; p < squares; ++p)
        plane[highest_in(trace.features[c], p)] = trace.pooled_gradient[c * squares + p];
      add_convolution_gradient(image, plane, gradients.channel(c));
    }
  }
  ready(gradients.convolution);
}
