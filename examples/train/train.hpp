// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "digits.hpp"
#include "network.hpp"

#include <ringcoll/communicator.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <vector>

struct Settings {
  std::size_t epochs = 20;
  std::size_t batch = 32;  ///< images on each rank in a step
  float rate = 0.02f;      ///< the learning rate that suits batches of 32 images
  std::uint64_t seed = 1;
};

struct Result {
  std::vector<double> losses;  ///< mean over the training images, per epoch
  Score test;
  int different_rank = -1;  ///< whose weights are not the bits of rank 0's, or -1
  std::uint64_t fingerprint = 0;
  double seconds = 0, images = 0;
  std::size_t reduced_bytes = 0;  ///< gradients that this rank gave to allreduce
};

/// Trains a network on all ranks of `comm` together, and tests it. Prints a line per epoch to `log`, if there is one.
Result train(ringcoll::Communicator& comm, Digits digits, const Settings& settings, std::FILE* log);
