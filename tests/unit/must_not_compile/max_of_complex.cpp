// SPDX-License-Identifier: Apache-2.0
// expect: ringcoll: max needs a type with <
#include <complex>

#include <ringcoll/fold.hpp>

template ringcoll::detail::Kernel ringcoll::detail::kernel<std::complex<float>, ringcoll::max>();
