// SPDX-License-Identifier: Apache-2.0
#include "call.hpp"

#include <string>

#include "type_dispatch.hpp"

namespace perf {

Operation find_operation(ringcoll::DataType type, ringcoll::OpId op) {
  return with_type(type, [op]<class T>(std::type_identity<T>) { return find_operation_of<T>(op); });
}

}  // namespace perf
