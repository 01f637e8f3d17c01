// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace info {

/// Every variable of ringcoll's: as a table, or as JSON. What is secret is not shown.
std::string variables_text();
std::string variables_json();

}  // namespace info
