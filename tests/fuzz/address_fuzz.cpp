// SPDX-License-Identifier: Apache-2.0
// What an authenticated but broken peer may send while the ranks meet.
#if RINGCOLL_WITH_BOOTSTRAP
#include <ringcoll/bootstrap/join.hpp>
#include <ringcoll/bootstrap/unique_id.hpp>

#include <cstdint>
#include <cstdlib>

using namespace ringcoll::bootstrap;

namespace {

template <class F>
void attempt(const F& parse) {
  try {
    parse();
  } catch (const ringcoll::Error&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t bytes) {
  const auto input = std::as_bytes(std::span(data, bytes));
  attempt([&] {
    const Address address = Address::from_bytes(input);
    // What is read can be written, and is the same again.
    if (Address::from_bytes(address.to_bytes()) != address) std::abort();
    for (const InetAddress& a : address.tcp) a.to_string();
  });
  attempt([&] { Join::from_bytes(input); });
  attempt([&] {
    const int size = bytes > 0 ? data[0] % 8 + 1 : 1;
    const auto [root, table] = read_table(input.subspan(bytes > 0), size);
    for (int rank = 0; rank < size; ++rank) table[rank].process();
  });
  attempt([&] { throw_error(input); });
  attempt([&] { UniqueId::from_bytes(input); });
  attempt([&] { UniqueId::parse({reinterpret_cast<const char*>(data), bytes}); });
  return 0;
}
#else
#include <cstddef>
#include <cstdint>
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t*, std::size_t) { return 0; }
#endif
