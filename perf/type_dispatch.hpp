// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <type_traits>

#include <ringcoll/types.hpp>

#include "exit_code.hpp"

namespace perf {

/// Calls `f(std::type_identity<T>{})` with the C++ type that `type` names.
template <class F>
decltype(auto) with_type(ringcoll::DataType type, F&& f) {
  using ringcoll::DataType;
  switch (type) {
    case DataType::int8: return f(std::type_identity<std::int8_t>{});
    case DataType::uint8: return f(std::type_identity<std::uint8_t>{});
    case DataType::int32: return f(std::type_identity<std::int32_t>{});
    case DataType::uint32: return f(std::type_identity<std::uint32_t>{});
    case DataType::int64: return f(std::type_identity<std::int64_t>{});
    case DataType::uint64: return f(std::type_identity<std::uint64_t>{});
    case DataType::float16: return f(std::type_identity<ringcoll::float16>{});
    case DataType::bfloat16: return f(std::type_identity<ringcoll::bfloat16>{});
    case DataType::float8_e4m3: return f(std::type_identity<ringcoll::float8_e4m3>{});
    case DataType::float8_e5m2: return f(std::type_identity<ringcoll::float8_e5m2>{});
    case DataType::float32: return f(std::type_identity<float>{});
    case DataType::float64: return f(std::type_identity<double>{});
    default: throw Failure(ExitCode::internal, std::string("no test data of type ") + name(type));
  }
}

}  // namespace perf
