// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace ringcoll::inline v0::detail {

// std::min and std::max without <algorithm>, which would be a fifth of what ringcoll.hpp costs to compile.

template <class T>
constexpr T least(T a, T b) {
  return b < a ? b : a;
}

template <class T>
constexpr T most(T a, T b) {
  return a < b ? b : a;
}

}  // namespace ringcoll::inline v0::detail
