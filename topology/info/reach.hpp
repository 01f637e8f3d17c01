// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace info {

/// What came of one address.
struct Attempt {
  std::string address;  ///< "10.0.0.7:4100"
  std::string from;     ///< our own address on the way there; empty: none was found
  int code = 0;         ///< errno; 0: it answered
  std::string what;     ///< the code's text, or how long it took
};

struct Reach {
  bool reached = false;
  std::vector<Attempt> attempts;
  std::string next_step;  ///< a sentence
  std::string command;    ///< what to type; may be empty
};

/// Tries each address of host:port in turn, each for so many seconds, until one answers. Throws usage_error if the text
/// is no host:port.
Reach try_to_reach(const std::string& host_port, double seconds);

std::string reach_text(const std::string& host_port, const Reach& reach);
std::string reach_json(const std::string& host_port, const Reach& reach);

}  // namespace info
