// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ringcoll/bootstrap/rendezvous.hpp>
