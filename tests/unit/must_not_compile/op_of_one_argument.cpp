// SPDX-License-Identifier: Apache-2.0
// expect: ringcoll: the op must be callable
#include <ringcoll/fold.hpp>

const auto negate = [](float a) { return -a; };
template ringcoll::detail::Kernel ringcoll::detail::kernel<float, decltype(negate)>();
