// SPDX-License-Identifier: Apache-2.0
#include "run.hpp"

namespace perf {

template Operation find_operation_of<float>(ringcoll::OpId op);
template Operation find_operation_of<double>(ringcoll::OpId op);

}  // namespace perf
