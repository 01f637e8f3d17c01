// SPDX-License-Identifier: Apache-2.0
#include "reduction_of.hpp"

namespace ringcoll_torch {

Reduction find_float_reduction(ringcoll::DataType type, ringcoll::OpId id) {
  using ringcoll::DataType;
  switch (type) {
    case DataType::float32: return reduction_of<float>(id);
    case DataType::float64: return reduction_of<double>(id);
    default: return {};
  }
}

}  // namespace ringcoll_torch
