// SPDX-License-Identifier: Apache-2.0
#include "reduction_of.hpp"

namespace ringcoll_torch {

Reduction find_small_float_reduction(ringcoll::DataType type, ringcoll::OpId id) {
  using ringcoll::DataType;
  switch (type) {
    case DataType::float16: return reduction_of<ringcoll::float16>(id);
    case DataType::bfloat16: return reduction_of<ringcoll::bfloat16>(id);
    case DataType::float8_e4m3: return reduction_of<ringcoll::float8_e4m3>(id);
    case DataType::float8_e5m2: return reduction_of<ringcoll::float8_e5m2>(id);
    default: return {};
  }
}

}  // namespace ringcoll_torch
