// SPDX-License-Identifier: Apache-2.0
/// What a machine is made of, and the orders, trees and leaders that suit it.
#pragma once

#include <ringcoll/topology/affinity.hpp>
#include <ringcoll/topology/cost.hpp>
#include <ringcoll/topology/graph.hpp>
#include <ringcoll/topology/layout.hpp>
#include <ringcoll/topology/ring.hpp>
#include <ringcoll/topology/seat.hpp>
#include <ringcoll/topology/sysfs.hpp>
#include <ringcoll/topology/text.hpp>
#include <ringcoll/topology/tree.hpp>
