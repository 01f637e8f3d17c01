// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <unistd.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <ringcoll/detail/bounds.hpp>

namespace ringcoll::inline v0 {

/// One environment variable that ringcoll reads.
struct EnvironmentVariable {
  const char* name;
  const char* type;
  const char* fallback;  ///< what holds when it is not set
  const char* meaning;
};

/// All of them. A variable that is not here is a typing error, and ringcoll says so.
inline constexpr EnvironmentVariable environment_variables[] = {
    {"RINGCOLL_RANK", "integer", "the launcher's", "this process's rank, 0 … size-1; with RINGCOLL_SIZE"},
    {"RINGCOLL_SIZE", "integer", "the launcher's", "how many ranks there are"},
    {"RINGCOLL_LOCAL_RANK", "integer", "found out", "this rank's index on its node"},
    {"RINGCOLL_LOCAL_SIZE", "integer", "found out", "how many ranks this node has"},
    {"RINGCOLL_ADDRESS", "host:port or unix:name", "the launcher's", "where rank 0 meets the others"},
    {"RINGCOLL_JOB", "text", "the launcher's", "keeps jobs with the same secret apart; the same on all ranks"},
    {"RINGCOLL_SECRET_FILE", "path", "none", "the job's secret: a file of ours or root's, mode 0600"},
    {"RINGCOLL_SECRET", "text", "none", "the job's secret; readable by all processes of the user, so prefer the file"},
    {"RINGCOLL_INSECURE", "0 or 1", "0", "1: listen to other hosts although there is no secret"},
    {"RINGCOLL_IFNAME", "eth,ib or =eth0 or ^docker", "all", "network interfaces to use: prefixes, = exact, ^ all but"},
    {"RINGCOLL_HOSTID", "text", "none", "ranks with different ones act as if on different hosts (for tests)"},
    {"RINGCOLL_CONNECT_TIMEOUT", "seconds", "60", "deadline for connecting the ranks"},
    {"RINGCOLL_TIMEOUT", "seconds", "300", "deadline of one operation"},
    {"RINGCOLL_TRANSPORT", "shm, tcp or auto", "auto", "what carries the data between ranks"},
    {"RINGCOLL_ALGO", "ring or allreduce:ring,…", "chosen",
     "schedules to use where they can, for experiments; the same on all ranks"},
    {"RINGCOLL_TUNING", "path or off", "measured",
     "rank 0's model of the machine, which schedules are chosen by; off: by rules"},
    {"RINGCOLL_REPRODUCIBLE", "0 or 1", "0",
     "1: sums whose bits depend on nothing but the inputs and the number of ranks"},
    {"RINGCOLL_SIMD", "baseline, avx2, avx512", "the best", "vector instructions to use at most"},
    {"RINGCOLL_TESTS_SPLIT", "AND, OR, MOD or DIV n", "none",
     "ringcoll_perf: makes groups of the ranks, as nccl-tests"},
    {"RINGCOLL_TESTS_SPLIT_MASK", "hexadecimal", "none", "ringcoll_perf: the same by a mask"},
    {"RINGCOLL_TESTS_MIN_BW", "GB/s", "none", "ringcoll_perf: below 0.9 of this the exit code is 7"},
    {"RINGCOLL_DEBUG", "OFF, WARN or INFO", "WARN", "what is written to stderr"},
};

namespace detail {

/// How many single-character changes lead from one word to the other.
inline std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = std::exchange(row[j], least(least(row[j], row[j - 1]) + 1, change));
    }
  }
  return row[b.size()];
}

inline bool is_environment_variable(std::string_view name) {
  for (const EnvironmentVariable& variable : environment_variables)
    if (name == variable.name) return true;
  return false;
}

}  // namespace detail

/// The variable whose name is most like this one.
inline std::string_view nearest_environment_variable(std::string_view name) {
  const EnvironmentVariable* nearest = environment_variables;
  for (const EnvironmentVariable& variable : environment_variables)
    if (detail::edit_distance(name, variable.name) < detail::edit_distance(name, nearest->name)) nearest = &variable;
  return nearest->name;
}

/// One sentence for each variable named RINGCOLL_… that is not one of ours. `environment` ends with a null, as
/// `environ`.
inline std::vector<std::string> unknown_variables(const char* const* environment) {
  constexpr std::string_view prefix = "RINGCOLL_";
  constexpr std::size_t longest = 64;  // no variable of ours is longer, and a distance costs its square
  std::vector<std::string> warnings;
  for (; environment != nullptr && *environment != nullptr; ++environment) {
    const std::string_view entry(*environment);
    if (!entry.starts_with(prefix)) continue;
    const std::string_view name = entry.substr(0, detail::least(entry.find('='), longest));
    if (detail::is_environment_variable(name)) continue;
    warnings.push_back("environment variable " + std::string(name) +
                       " is not one of ringcoll's and has no effect; did you mean " +
                       std::string(nearest_environment_variable(name)) + "?");
  }
  return warnings;
}

inline std::vector<std::string> unknown_variables() { return unknown_variables(::environ); }

}  // namespace ringcoll::inline v0
