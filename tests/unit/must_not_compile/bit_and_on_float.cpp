// SPDX-License-Identifier: Apache-2.0
// expect: ringcoll: bit_and needs an integer type
#include <ringcoll/fold.hpp>

template ringcoll::detail::Kernel ringcoll::detail::kernel<float, ringcoll::bit_and>();
