// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include <ringcoll/topology/layout.hpp>

#include "facts.hpp"
#include "findings.hpp"
#include "source.hpp"

namespace info {

/// Everything that the report is made of.
struct Report {
  const Facts& facts;
  const Machine& machine;
  const ringcoll::topology::Layout& layout;
  const std::vector<Finding>& findings;
};

std::string report_text(const Report& report);
std::string report_json(const Report& report);

/// The machine and all that is chosen for it, as JSON.
std::string machine_json(const ringcoll::topology::Graph& graph, const ringcoll::topology::Layout& layout);

}  // namespace info
