// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <cstdint>
#include <vector>

#include "transport/integers.hpp"

namespace {

std::vector<integers::TypeCase> types() {
  return {integers::type_case<std::uint8_t>(), integers::type_case<std::uint16_t>(),
          integers::type_case<std::uint32_t>(), integers::type_case<std::uint64_t>(), integers::type_case<bool>()};
}

}  // namespace

TEST_CASE("allreduce of unsigned integers or of bools with every op is what 64-bit arithmetic says, in place and not") {
  for (const integers::TypeCase& type : types()) integers::check_all_ops(type);
}

TEST_CASE("allreduce of unsigned integers or of bools that takes several rounds is what 64-bit arithmetic says") {
  for (const integers::TypeCase& type : types()) integers::check_long(type);
}
