// SPDX-License-Identifier: Apache-2.0
#include "sum.hpp"

extern "C" [[gnu::visibility("default")]] bool plugin_sum_is_right();
bool plugin_sum_is_right() { return sum_is_right(); }
