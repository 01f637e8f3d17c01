// SPDX-License-Identifier: Apache-2.0
// expect: ringcoll: avg needs an integer or floating-point type
#include <ringcoll/fold.hpp>

template ringcoll::detail::Kernel ringcoll::detail::kernel<bool, ringcoll::avg>();
