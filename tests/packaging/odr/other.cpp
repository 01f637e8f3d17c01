// SPDX-License-Identifier: Apache-2.0
#include "sum.hpp"

bool other_file();
bool other_file() { return sum_is_right(); }
