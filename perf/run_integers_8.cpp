// SPDX-License-Identifier: Apache-2.0
#include "run.hpp"

namespace perf {

template Operation find_operation_of<std::int8_t>(ringcoll::OpId op);
template Operation find_operation_of<std::uint8_t>(ringcoll::OpId op);

}  // namespace perf
