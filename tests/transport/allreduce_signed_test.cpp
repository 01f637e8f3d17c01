// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <cstdint>
#include <vector>

#include "transport/integers.hpp"

namespace {

std::vector<integers::TypeCase> types() {
  return {integers::type_case<std::int8_t>(), integers::type_case<std::int16_t>(), integers::type_case<std::int32_t>(),
          integers::type_case<std::int64_t>()};
}

}  // namespace

TEST_CASE("allreduce of signed integers with every op is what 64-bit arithmetic says, in place and not") {
  for (const integers::TypeCase& type : types()) integers::check_all_ops(type);
}

TEST_CASE("allreduce of signed integers that takes several rounds is what 64-bit arithmetic says") {
  for (const integers::TypeCase& type : types()) integers::check_long(type);
}
