// SPDX-License-Identifier: Apache-2.0
// expect: ringcoll: an element must be trivially copyable
#include <ringcoll/fold.hpp>

template ringcoll::detail::Kernel ringcoll::detail::kernel<int*, ringcoll::sum>();
