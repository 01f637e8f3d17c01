// SPDX-License-Identifier: Apache-2.0
#include "run.hpp"

namespace perf {

template Operation find_operation_of<ringcoll::float8_e4m3>(ringcoll::OpId op);
template Operation find_operation_of<ringcoll::float8_e5m2>(ringcoll::OpId op);

}  // namespace perf
