// SPDX-License-Identifier: Apache-2.0
// Made by perf/sim_check on 2026-11-25: AMD EPYC (Zen 4 class, virtual machine), 2 cores.
#include "presets.hpp"

#include <algorithm>

namespace perf {
namespace {

constexpr Preset table[] = {
    {"shm", "2 ranks of a node, one a core", R"(version = 1
inter.latency = 3890
inter.byte = 0.0788
inter.message = 989
inter.message_byte = 0.0414
call = 5.36
step = 57.9
intra.latency = 57.5
intra.message = 19
nic.byte = 0.08
oversubscription = 1
nodes_per_machine = 1
nics = 1
memory.4096.own = 0.0121
memory.4096.slot = 0.0511
memory.32768.own = 0.00947
memory.32768.slot = 0.0168
memory.262144.own = 0.0052
memory.262144.slot = 0.0176
memory.2097152.own = 0.00567
memory.2097152.slot = 0.0168
memory.16777216.own = 0.00637
memory.16777216.slot = 0.041
memory.134217728.own = 0.0255
memory.134217728.slot = 0.0492
)"},
    {"crowded", "4 ranks of a node on 2 cores", R"(version = 1
inter.latency = 3890
inter.byte = 0.0788
inter.message = 989
inter.message_byte = 0.0414
call = 14
step = 179
switch = 1950
patience = 1120
intra.latency = 20.3
intra.message = 44.2
oversubscription = 1
cores = 2
nodes_per_machine = 1
nics = 1
memory.4096.own = 0.0166
memory.4096.slot = 0.0125
memory.32768.own = 0.0293
memory.32768.slot = 0.00411
memory.262144.own = 0.0315
memory.262144.slot = 0.00341
memory.2097152.own = 0.0332
memory.2097152.slot = 0.00461
memory.16777216.own = 0.0215
memory.16777216.slot = 0.0399
memory.134217728.own = 0.0438
memory.134217728.slot = 0.0134
)"},
    {"tcp", "2 nodes on one machine, TCP over loopback", R"(version = 1
intra.latency = 57.5
intra.message = 19
call = 83.4
step = 11.4
inter.latency = 3890
inter.byte = 0.0788
inter.message = 989
inter.message_byte = 0.0414
oversubscription = 1
nodes_per_machine = 1
nics = 1
memory.4096.own = 0.00667
memory.4096.slot = 0.0241
memory.32768.own = 0.00319
memory.32768.slot = 0.00885
memory.262144.own = 0.0156
memory.262144.slot = 0.0429
memory.2097152.own = 0.0137
memory.2097152.slot = 0.0332
memory.16777216.own = 0.0121
memory.16777216.slot = 0.121
memory.134217728.own = 0.0407
memory.134217728.slot = 0.0584
)"},
    {"hosts", "4 nodes on a machine of 2 cores, TCP over 1 Gbit/s", R"(version = 1
intra.latency = 57.5
intra.message = 19
call = 45.6
step = 15.6
switch = 1910
patience = 14600
inter.latency = 2910
inter.message = 12800
inter.message_byte = 0.0287
nic.byte = 8.38
nic.burst = 262144
oversubscription = 1
cores = 2
nodes_per_machine = 4
nics = 1
memory.4096.own = 0.019
memory.4096.slot = 0.11
memory.32768.own = 0.0275
memory.32768.slot = 0.0905
memory.262144.own = 0.01
memory.262144.slot = 0.0239
memory.2097152.own = 0.219
memory.2097152.slot = 0.508
memory.16777216.own = 0.223
memory.16777216.slot = 0.333
memory.134217728.own = 0.446
memory.134217728.slot = 0.322
)"},
};

}  // namespace

std::span<const Preset> presets() { return table; }

const Preset* find_preset(std::string_view name) {
  const auto found = std::find_if(std::begin(table), std::end(table), [&](const Preset& p) { return p.name == name; });
  return found == std::end(table) ? nullptr : found;
}

}  // namespace perf
