// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>

#include <ringcoll/sim/model.hpp>
#include <ringcoll/sim/tuning_file.hpp>

namespace ringcoll::inline v0::sim {

/// A machine that nothing is known of but its cores: the numbers are those that perf/sim_check fitted to a Zen 4 guest,
/// with its two ranks near each other, and to the kernel's loopback (docs/simulation.md). Ranks that share cores do not
/// wait long before they make room, so they have no patience here. RINGCOLL_TUNING names a file with better ones.
inline Model some_machine(int cores) {
  return {.call = 5,
          .step = 58,
          .memory = {{.working_set = 4096, .own = 0.0121, .slot = 0.0511},
                     {.working_set = 32 << 10, .own = 0.0095, .slot = 0.0168},
                     {.working_set = 256 << 10, .own = 0.0052, .slot = 0.0176},
                     {.working_set = 2 << 20, .own = 0.0057, .slot = 0.0168},
                     {.working_set = 16 << 20, .own = 0.0064, .slot = 0.041},
                     {.working_set = 128 << 20, .own = 0.0255, .slot = 0.0492}},
          .cores = cores,
          .switch_to = 1950,
          .intra = {.latency = 57.5, .message = 19},
          .inter = {.latency = 3890, .byte = 0.0788, .message = 989, .message_byte = 0.0414}};
}

/// The model in a tuning file. Throws Error(invalid_argument): what is wrong in which line, or why it cannot be read.
inline Model load_tuning(const std::string& path) {
  constexpr std::size_t most = 65'536;  // read_tuning takes no more
  const auto refuse = [&](int code) {
    throw Error(Errc::invalid_argument, "cannot read the tuning file " + path + ": " + std::strerror(code));
  };
  std::FILE* const file = std::fopen(path.c_str(), "re");
  if (!file) refuse(errno);
  std::string text(most + 1, '\0');
  errno = 0;
  text.resize(std::fread(text.data(), 1, text.size(), file));
  const int code = std::ferror(file) ? errno : 0;  // of a folder, say
  std::fclose(file);
  if (code != 0) refuse(code);
  return read_tuning(text, path);
}

}  // namespace ringcoll::inline v0::sim
