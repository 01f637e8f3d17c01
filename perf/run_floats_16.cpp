// SPDX-License-Identifier: Apache-2.0
#include "run.hpp"

namespace perf {

template Operation find_operation_of<ringcoll::float16>(ringcoll::OpId op);
template Operation find_operation_of<ringcoll::bfloat16>(ringcoll::OpId op);

}  // namespace perf
