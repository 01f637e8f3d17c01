// SPDX-License-Identifier: Apache-2.0
#include "run.hpp"

namespace perf {

template Operation find_operation_of<std::int64_t>(ringcoll::OpId op);
template Operation find_operation_of<std::uint64_t>(ringcoll::OpId op);

}  // namespace perf
