// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ringcoll/connect.hpp>

#include <functional>

/// Runs `rank_main` in `size` forked processes, each with what it needs to connect to the others, and waits for them.
/// What a launcher does, for one machine. Returns the highest exit code; that of a rank which a signal ended is 1.
int fork_ranks(int size, const std::function<int(const ringcoll::ConnectOptions&)>& rank_main);
