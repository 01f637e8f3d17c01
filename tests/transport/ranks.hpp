// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <ringcoll/local.hpp>

// What the tests of calls have in common: ranks as threads, and numbers that every rank can work out for all ranks.
namespace ranks {

inline void require(bool condition, const std::string& what) {
  if (!condition) throw std::runtime_error(what);
}

/// Runs f(comm) on `size` ranks. What the first of them threw, or "".
template <class F>
std::string failure(int size, F&& f) {
  try {
    ringcoll::local::run(size, f);
  } catch (const std::exception& e) {
    return e.what();
  }
  return "";
}

/// The seed of a test's random numbers: another one each run would hide what it finds, so set TEST_SEED to try others.
inline std::uint64_t seed() {
  static const std::uint64_t chosen = [] {
    const char* const wish = std::getenv("TEST_SEED");
    return wish ? std::strtoull(wish, nullptr, 10) : 20240229;
  }();
  return chosen;
}

/// Random bits that depend on nothing but the seed and the arguments: SplitMix64 of them, one after the other.
template <class... Integers>
std::uint64_t random_bits(Integers... of) {
  std::uint64_t x = seed();
  ((x += 0x9e3779b97f4a7c15 + static_cast<std::uint64_t>(of), x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9,
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb, x ^= x >> 31),
   ...);
  return x;
}

inline std::uint64_t hash(const void* data, std::size_t bytes) {
  std::uint64_t h = 0xcbf29ce484222325;
  for (std::size_t i = 0; i < bytes; ++i) h = (h ^ static_cast<const unsigned char*>(data)[i]) * 0x100000001b3;
  return h;
}

/// "with 3 ranks, seed 5": what a failure needs to be repeated.
inline std::string with(int size) { return "with " + std::to_string(size) + " ranks, seed " + std::to_string(seed()); }

}  // namespace ranks
