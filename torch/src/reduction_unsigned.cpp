// SPDX-License-Identifier: Apache-2.0
#include "reduction_of.hpp"

namespace ringcoll_torch {

Reduction find_unsigned_reduction(ringcoll::DataType type, ringcoll::OpId id) {
  using ringcoll::DataType;
  switch (type) {
    case DataType::uint8: return reduction_of<std::uint8_t>(id);
    case DataType::uint16: return reduction_of<std::uint16_t>(id);
    case DataType::uint32: return reduction_of<std::uint32_t>(id);
    case DataType::uint64: return reduction_of<std::uint64_t>(id);
    case DataType::boolean: return reduction_of<bool>(id);
    default: return {};
  }
}

}  // namespace ringcoll_torch
