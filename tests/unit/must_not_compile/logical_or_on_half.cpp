// SPDX-License-Identifier: Apache-2.0
// expect: ringcoll: logical_or needs an integer type or bool
#include <ringcoll/fold.hpp>

template ringcoll::detail::Kernel ringcoll::detail::kernel<ringcoll::float16, ringcoll::logical_or>();
