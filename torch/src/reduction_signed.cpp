// SPDX-License-Identifier: Apache-2.0
#include "reduction_of.hpp"

namespace ringcoll_torch {

Reduction find_signed_reduction(ringcoll::DataType type, ringcoll::OpId id) {
  using ringcoll::DataType;
  switch (type) {
    case DataType::int8: return reduction_of<std::int8_t>(id);
    case DataType::int16: return reduction_of<std::int16_t>(id);
    case DataType::int32: return reduction_of<std::int32_t>(id);
    case DataType::int64: return reduction_of<std::int64_t>(id);
    default: return {};
  }
}

}  // namespace ringcoll_torch
