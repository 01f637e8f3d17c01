// SPDX-License-Identifier: Apache-2.0
#include <ringcoll/signature.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cstdint>
#include <random>
#include <set>
#include <string>
#include <utility>

using namespace ringcoll;

namespace {

Signature through_words(const Signature& signature) {
  const std::array<std::uint64_t, 2> packed = signature.pack();
  const std::uint64_t words[2] = {packed[0], packed[1]};
  return Signature::unpack(words);
}

bool same(const Signature& a, const Signature& b) {
  return a.collective == b.collective && a.type == b.type && a.op == b.op && a.schedule == b.schedule &&
         a.sequence == b.sequence && a.count == b.count && a.root == b.root;
}

constexpr std::uint64_t largest_count = (std::uint64_t{1} << Signature::count_bits) - 1;

}  // namespace

TEST_CASE("a signature comes out of its two words as it went in") {
  CHECK(same(through_words({}), {}));
  const Signature largest{.collective = Collective::split,
                          .type = DataType::other,
                          .op = OpId::absent,
                          .schedule = 255,
                          .sequence = 0xffffffff,
                          .count = largest_count,
                          .root = Signature::no_root};
  CHECK(same(through_words(largest), largest));
  std::mt19937_64 random(7);
  for (int turn = 0; turn < 10'000; ++turn) {
    const Signature s{.collective = static_cast<Collective>(random() % 11),
                      .type = static_cast<DataType>(random() % 16),
                      .op = static_cast<OpId>(random() % 14),
                      .schedule = static_cast<std::uint8_t>(random()),
                      .sequence = static_cast<std::uint32_t>(random()),
                      .count = random() & largest_count,
                      .root = static_cast<std::uint32_t>(random()) & Signature::no_root};
    REQUIRE(same(through_words(s), s));
  }
}

TEST_CASE("each field has bits of its own: signatures that differ in one have different words") {
  const Signature plain{.collective = Collective::allreduce,
                        .type = DataType::int8,
                        .op = OpId::sum,
                        .schedule = 1,
                        .sequence = 1,
                        .count = 1,
                        .root = 1};
  std::set<std::array<std::uint64_t, 2>> words = {plain.pack()};
  for (const unsigned value : {0u, 2u, 4u, 5u, 8u, 9u}) {
    Signature s = plain;
    s.collective = static_cast<Collective>(value);
    if (s.collective != plain.collective) CHECK(words.insert(s.pack()).second);
    s = plain, s.type = static_cast<DataType>(value);
    if (s.type != plain.type) CHECK(words.insert(s.pack()).second);
    s = plain, s.op = static_cast<OpId>(value);
    if (s.op != plain.op) CHECK(words.insert(s.pack()).second);
    s = plain, s.schedule = static_cast<std::uint8_t>(value);
    CHECK(words.insert(s.pack()).second);
    s = plain, s.sequence = value;
    CHECK(words.insert(s.pack()).second);
    s = plain, s.count = value;
    CHECK(words.insert(s.pack()).second);
    s = plain, s.root = value;
    CHECK(words.insert(s.pack()).second);
  }
}

TEST_CASE("a description names all that a user can have got wrong") {
  CHECK(
      Signature{
          .collective = Collective::allreduce, .type = DataType::float32, .op = OpId::sum, .sequence = 7, .count = 1024}
          .describe() == "allreduce #7 of 1024 float (sum)");
  CHECK(Signature{.collective = Collective::broadcast, .type = DataType::int64, .sequence = 1, .count = 3, .root = 2}
            .describe() == "broadcast #1 of 3 int64 with root 2");
  CHECK(Signature{.collective = Collective::barrier, .sequence = 12}.describe() == "barrier #12");
  CHECK(Signature{.collective = Collective::point_to_point, .type = DataType::boolean, .count = 5}.describe() ==
        "send/recv of 5 bool");
  CHECK(Signature{
            .collective = Collective::reduce, .type = DataType::bfloat16, .op = OpId::premul_sum, .count = 1, .root = 0}
            .describe() == "reduce of 1 bfloat16 (mulsum) with root 0");
}

TEST_CASE("what a hostile peer sends can be described too") {
  std::mt19937_64 random(8);
  for (int turn = 0; turn < 10'000; ++turn) {
    const std::uint64_t words[2] = {random(), random()};
    CHECK(Signature::unpack(words).describe().size() > 5);
  }
}

TEST_CASE("every collective has a name of its own") {
  std::set<std::string> names;
  for (int i = 0; i <= static_cast<int>(Collective::split); ++i)
    CHECK(names.insert(name(static_cast<Collective>(i))).second);
  CHECK(!names.contains("an unknown collective"));
  CHECK(name(static_cast<Collective>(99)) == std::string("an unknown collective"));
}
