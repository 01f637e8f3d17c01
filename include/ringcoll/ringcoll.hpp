// SPDX-License-Identifier: Apache-2.0
#pragma once

/// All of ringcoll's core. Programs may include just what they use: <ringcoll/allreduce.hpp> and so on.

#include <ringcoll/allgather.hpp>
#include <ringcoll/allreduce.hpp>
#include <ringcoll/alltoall.hpp>
#include <ringcoll/barrier.hpp>
#include <ringcoll/broadcast.hpp>
#include <ringcoll/connect.hpp>
#include <ringcoll/gather.hpp>
#include <ringcoll/local.hpp>
#include <ringcoll/point_to_point.hpp>
#include <ringcoll/reduce.hpp>
#include <ringcoll/reduce_scatter.hpp>
#include <ringcoll/scatter.hpp>
#include <ringcoll/split.hpp>
#include <ringcoll/version.hpp>
