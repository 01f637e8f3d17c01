// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <limits>
#include <random>

#include "forms.hpp"

using namespace forms;

namespace {

constexpr float infinite = std::numeric_limits<float>::infinity(),
                not_a_number = std::numeric_limits<float>::quiet_NaN();

std::vector<float> normal_numbers(std::size_t count, unsigned seed, float scale = 1) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, scale);
  std::vector<float> numbers(count);
  for (float& number : numbers) number = normal(random);
  return numbers;
}

/// Bits of all kinds: subnormals, huge numbers, infinities, NaN.
std::vector<float> any_numbers(std::size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<float> numbers(count);
  for (float& number : numbers) number = std::bit_cast<float>(static_cast<std::uint32_t>(random()));
  return numbers;
}

const std::vector<std::size_t> counts{0,   1,   2,   7,   31,  32,  33,   63,   64,   65,
                                      255, 256, 257, 511, 512, 513, 4095, 4096, 4097, 9973};

/// What a codec may change an element by, in units of the largest magnitude of its block.
double allowed_error(const std::string& name) {
  if (name == "fp16") return 0x1p-11;
  if (name == "bf16") return 0x1p-8;
  if (name == "fp8_e4m3") return 0x1p-4;
  if (name == "fp8_e5m2") return 0x1p-3;
  if (name == "int8") return 0.5 / 127 * 1.0001;
  if (name == "int4") return 0.5 / 7 * 1.0001;
  return 1;
}

}  // namespace

TEST_CASE("every instruction set makes the same wire bytes, errors and elements") {
  for (const Subject& s : all()) {
    CAPTURE(s.name);
    for (std::size_t count : counts) {
      CAPTURE(count);
      for (unsigned kind = 0; kind < 3; ++kind) {
        const std::vector<float> in = kind == 0   ? normal_numbers(count, 1)
                                      : kind == 1 ? any_numbers(count, 2)
                                                  : normal_numbers(count, 3, 1e-41f);
        const std::vector<float> old_error = normal_numbers(count, 4, 0.1f);
        const auto plain = encode(s, Simd::baseline, in);
        std::vector<float> plain_error = old_error;
        const auto fed = encode(s, Simd::baseline, in, &plain_error);
        const auto decoded = decode(s, Simd::baseline, plain, count);
        for (Simd simd : simds()) {
          CAPTURE(name(simd));
          std::vector<float> error = old_error;
          CHECK(encode(s, simd, in) == plain);
          CHECK(encode(s, simd, in, &error) == fed);
          CHECK(same(error, plain_error));
          CHECK(same(decode(s, simd, plain, count), decoded));
        }
      }
    }
  }
}

TEST_CASE("a piece may be encoded and decoded in parts, at any address") {
  for (const Subject& s : all()) {
    CAPTURE(s.name);
    const std::size_t count = 3 * 4096 + 77;
    const std::vector<float> in = normal_numbers(count, 5);
    const auto whole = encode(s, chosen_simd(), in);
    const CodecKernels k = s.kernels(chosen_simd());
    std::vector<std::byte> room(whole.size() + 3);
    std::vector<float> out(count + 1);
    for (std::size_t offset : {0u, 1u, 3u}) {
      std::byte* const wire = room.data() + offset;
      for (std::size_t first = 0; first < count; first += 4096) {
        const std::size_t part = std::min<std::size_t>(4096, count - first);
        k.encode({wire, count, first, part, s.setting}, in.data() + first, nullptr);
      }
      CHECK(std::memcmp(wire, whole.data(), whole.size()) == 0);
      for (std::size_t first = 0; first < count; first += 4096) {
        const std::size_t part = std::min<std::size_t>(4096, count - first);
        k.decode({wire, count, first, part, s.setting}, out.data() + 1 + first);
      }
      CHECK(same({out.begin() + 1, out.end()}, decode(s, chosen_simd(), whole, count)));
    }
  }
}

TEST_CASE("with feedback, what is delivered and what is left add up to what was given") {
  for (const Subject& s : all()) {
    CAPTURE(s.name);
    for (std::size_t count : counts) {
      const std::vector<float> in = normal_numbers(count, 6), old_error = normal_numbers(count, 7);
      std::vector<float> error = old_error;
      const auto out = decode(s, chosen_simd(), encode(s, chosen_simd(), in, &error), count);
      std::size_t wrong = 0;
      for (std::size_t i = 0; i < count; ++i) {
        const float given = in[i] + old_error[i];
        // The subtraction rounds once, by half an ulp of the larger of the two.
        wrong +=
            !(std::abs(double{out[i]} + error[i] - given) <= 0x1p-23 * std::max(std::abs(out[i]), std::abs(given)));
      }
      CHECK(wrong == 0);
    }
  }
}

TEST_CASE("errors stay within what a codec promises") {
  for (const Subject& s : all()) {
    if (std::string_view(s.name).starts_with("topk") || std::string_view(s.name).starts_with("onebit")) continue;
    CAPTURE(s.name);
    const std::vector<float> in = normal_numbers(10000, 8);
    const auto out = decode(s, chosen_simd(), encode(s, chosen_simd(), in), in.size());
    const std::size_t block = s.elementwise ? 1 : s.block;
    for (std::size_t first = 0; first < in.size(); first += block) {
      double peak = s.elementwise ? 0x1p-6 : 0, worst = 0;  // below 2^-6 an fp8 is a subnormal
      for (std::size_t i = first; i < std::min(first + block, in.size()); ++i) {
        peak = std::max(peak, std::abs(double{in[i]}));
        worst = std::max(worst, std::abs(double{in[i]} - out[i]));
      }
      if (worst > peak * allowed_error(s.name)) FAIL("element ", first, ": ", worst, " of ", peak);
    }
  }
}

TEST_CASE("one bit an element is its sign times the mean magnitude of its block, or the mean of its sign") {
  const std::size_t count = 512 * 3 + 100;
  const std::vector<float> in = normal_numbers(count, 9);
  for (const bool two : {false, true}) {
    const Subject& s = all()[two ? 7 : 6];
    const auto out = decode(s, chosen_simd(), encode(s, chosen_simd(), in), count);
    for (std::size_t first = 0; first < count; first += 512) {
      const std::size_t last = std::min(first + 512, count);
      double high = 0, low = 0, highs = 0, lows = 0;
      for (std::size_t i = first; i < last; ++i) (in[i] < 0 ? low : high) += in[i], (in[i] < 0 ? lows : highs) += 1;
      const double mean = (high - low) / (highs + lows);
      for (std::size_t i = first; i < last; ++i) {
        const double expected = two ? (in[i] < 0 ? low / lows : high / highs) : in[i] < 0 ? -mean : mean;
        CHECK(out[i] == doctest::Approx(expected).epsilon(1e-6));
      }
    }
  }
}

TEST_CASE("topk keeps the largest elements as they are, and nothing else") {
  for (std::size_t i = 8; i < 11; ++i) {
    const Subject& s = all()[i];
    for (std::size_t count : {1u, 100u, 4096u, 5000u}) {
      std::vector<float> in = normal_numbers(count, 10);
      for (float& x : in) x = std::round(x * 50) / 50;  // so that many are equal
      const auto out = decode(s, chosen_simd(), encode(s, chosen_simd(), in), count);
      for (std::size_t first = 0; first < count; first += 4096) {
        const std::size_t length = std::min<std::size_t>(4096, count - first);
        const std::size_t keep = std::min<std::size_t>(length, (length * s.setting + 4095) / 4096);
        std::vector<std::size_t> places(length);
        for (std::size_t j = 0; j < length; ++j) places[j] = first + j;
        std::stable_sort(places.begin(), places.end(),
                         [&](std::size_t a, std::size_t b) { return std::abs(in[a]) > std::abs(in[b]); });
        for (std::size_t j = 0; j < length; ++j) CHECK(out[places[j]] == (j < keep ? in[places[j]] : 0.f));
      }
    }
  }
}

TEST_CASE("a topk message with places outside of its segment is harmless") {
  const Subject& s = all()[8];
  std::vector<std::byte> wire(s.kernels(chosen_simd()).wire_bytes(100, s.setting), std::byte{0xff});
  CHECK(same(decode(s, chosen_simd(), wire, 100), std::vector<float>(100, 0.f)));
}

TEST_CASE("a NaN or an infinity is delivered, and does not reach the error memory") {
  for (const Subject& s : all())
    for (const float bad : {not_a_number, infinite, -infinite}) {
      CAPTURE(s.name);
      CAPTURE(bad);
      std::vector<float> in = normal_numbers(600, 11);
      in[300] = bad;
      std::vector<float> error(600, 0.25f);
      const auto out = decode(s, chosen_simd(), encode(s, chosen_simd(), in, &error), 600);
      for (float e : error) CHECK(std::isfinite(e));
      CHECK(error[300] == 0.25f);
      CHECK_FALSE(std::isfinite(out[300]));
      if (std::string_view(s.name) != "fp8_e4m3") CHECK(std::isnan(out[300]) == std::isnan(bad));  // it has no infinity
      if (std::isinf(out[300])) CHECK((out[300] > 0) == (bad > 0));
      if (!std::string_view(s.name).starts_with("onebit"))
        for (std::size_t i = 0; i < 600; ++i)
          if (i != 300) CHECK(std::isfinite(out[i]));
    }
}

TEST_CASE("numbers at the edges of what a float can hold") {
  for (const Subject& s : all()) {
    CAPTURE(s.name);
    const float most = std::numeric_limits<float>::max(), least = std::numeric_limits<float>::denorm_min();
    for (const float x : {most, -most, least, -least, 0.f, -0.f, 0x1p-100f, 0x0.8p-100f}) {
      CAPTURE(x);
      std::vector<float> in(300, x), error(300, 0.f);
      const auto out = decode(s, chosen_simd(), encode(s, chosen_simd(), in, &error), in.size());
      for (std::size_t i = 0; i < in.size(); ++i) {
        CHECK(std::isfinite(error[i]));
        if (std::isfinite(out[i])) CHECK(std::abs(double{out[i]} + error[i] - x) <= std::abs(double{x}) * 0x1p-23);
      }
      const bool integer = std::string_view(s.name).starts_with("int");
      if (integer) CHECK(std::isfinite(out[0]));
      if (std::string_view(s.name).starts_with("onebit") && std::abs(x) == most) CHECK(std::isinf(out[0]));
    }
  }
}

TEST_CASE("wire bytes are at most what the codecs state") {
  const auto bytes = [](std::size_t i, std::size_t count) {
    return all()[i].kernels(Simd::baseline).wire_bytes(count, all()[i].setting);
  };
  const std::size_t million = 1 << 20;
  CHECK(bytes(0, million) == 2 * million);
  CHECK(bytes(2, million) == million);
  CHECK(bytes(4, million) == million + million / 64);
  CHECK(bytes(5, million) == million / 2 + million / 64);
  CHECK(bytes(6, million) * 30 < million * 4);
  CHECK(bytes(7, million) * 28 < million * 4);
  CHECK(bytes(8, million) == million / 4096 * 41 * 6);
  CHECK(bytes(11, million) == million * 4);
  for (std::size_t i = 0; i < all().size(); ++i) CHECK(bytes(i, 0) == 0);
}

// Relays and schedules that encode a sum twice rely on it. A NaN becomes the one that the codec writes, and stays it.
TEST_CASE("what an elementwise codec has encoded, it decodes and encodes to the same bytes: all of them") {
  for (const Subject& s : all()) {
    if (!s.elementwise) continue;
    CAPTURE(s.name);
    const std::size_t width = s.kernels(Simd::baseline).wire_bytes(1, 0), count = std::size_t{1} << (8 * width);
    std::vector<std::byte> wire(count * width);
    for (std::size_t i = 0; i < count; ++i) std::memcpy(wire.data() + i * width, &i, width);  // little-endian
    const auto decoded = decode(s, Simd::baseline, wire, count);
    const auto encoded = encode(s, Simd::baseline, decoded);
    for (Simd simd : simds()) {
      CHECK(same(decode(s, simd, wire, count), decoded));
      CHECK(encode(s, simd, decoded) == encoded);
      CHECK(encode(s, simd, decode(s, simd, encoded, count)) == encoded);
    }
    std::size_t changed = 0, differs = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const bool is = std::memcmp(encoded.data() + i * width, wire.data() + i * width, width) != 0;
      changed += is;
      differs += is && !std::isnan(decoded[i]);
    }
    CHECK(differs == 0);
    CHECK(changed < count / 2);
  }
}

// TEST_ALL_FLOATS=1 takes all 2^32 (minutes); otherwise every 4099th, each exponent and sign among them.
TEST_CASE("elementwise codecs round floats alike in every instruction set") {
  const bool every = std::getenv("TEST_ALL_FLOATS") != nullptr;
  const std::uint64_t stride = every ? 1 : 4099;
  const std::size_t batch = 1 << 16;
  for (const Subject& s : all()) {
    if (!s.elementwise) continue;
    CAPTURE(s.name);
    std::size_t different = 0;
    std::vector<float> in(batch);
    for (std::uint64_t bits = 0; bits < std::uint64_t{1} << 32;) {
      for (float& x : in) x = std::bit_cast<float>(static_cast<std::uint32_t>(bits)), bits += stride;
      const auto expected = encode(s, Simd::baseline, in);
      for (Simd simd : simds()) different += encode(s, simd, in) != expected;
    }
    CHECK(different == 0);
  }
}
