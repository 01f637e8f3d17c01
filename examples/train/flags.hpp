// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "train.hpp"

#include <stdexcept>
#include <string>

struct Flags {
  int ranks = 0;  ///< to fork; 0: what the launcher says, or one
  bool compare_single = false;
  Settings settings;
  std::string file = "build/data/digits.csv.gz";
};

struct BadFlags : std::runtime_error {
  using runtime_error::runtime_error;
};

inline constexpr char usage[] =
    "usage: train [--ranks N] [--epochs N] [--batch N] [--rate R] [--seed N] [--compare-single] [FILE]\n"
    "\n"
    "  --ranks N         fork N ranks here; without it, be one rank of those that a launcher started\n"
    "  --epochs N        how often to go through the training images (20)\n"
    "  --batch N         images on each rank in a step (32)\n"
    "  --rate R          learning rate for a batch of 32; it grows with the batch (0.02)\n"
    "  --seed N          of the first weights and the order of the images (1)\n"
    "  --compare-single  train again on one rank, in the same steps, and compare the losses\n"
    "  FILE              digits.csv or digits.csv.gz, see get_digits (build/data/digits.csv.gz)\n";

Flags parse_flags(int argc, char** argv);
