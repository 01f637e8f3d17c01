// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include <ringcoll/topology/graph.hpp>

#include "facts.hpp"

namespace info {

enum class Weight {
  problem,  ///< something will not work
  slow,     ///< it works, but could be faster or steadier
  note,     ///< good to know
};

constexpr const char* name(Weight weight) {
  return weight == Weight::problem ? "problem" : weight == Weight::slow ? "slow" : "note";
}

/// One thing that a user may want to change.
struct Finding {
  Weight weight = Weight::note;
  std::string subject;  ///< one word: "memlock"
  std::string what;     ///< a sentence: what is so, and what follows
  std::string hint;     ///< what to do
  std::string command;  ///< what to type; empty: nothing
};

/// The worst first. A pure function of what was gathered.
std::vector<Finding> find_problems(const Facts& facts, const ringcoll::topology::Graph& graph,
                                   const std::vector<std::string>& unknown_variables);

/// "23.4 GiB", "4 CPUs" need no more digits than this.
std::string bytes_text(double bytes);

}  // namespace info
