// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include <ringcoll/communicator.hpp>
#include <ringcoll/detail/bounds.hpp>
#include <ringcoll/work.hpp>

namespace ringcoll::inline v0 {

/// A contiguous range of elements: an array, a vector, a span.
template <class R>
concept Buffer = requires(R& range) { std::span(range); } &&
                 Element<std::remove_cv_t<typename decltype(std::span(std::declval<R&>()))::element_type>>;

/// A buffer that can be written to.
template <class R>
concept OutBuffer = Buffer<R> && !std::is_const_v<typename decltype(std::span(std::declval<R&>()))::element_type>;

namespace detail {

template <class R>
using ElementOf = std::remove_cv_t<typename decltype(std::span(std::declval<R&>()))::element_type>;

/// A call as the public functions see it: everything but the choice of a schedule.
struct Request {
  Collective collective = Collective::barrier;
  DataType type = DataType::other;
  std::size_t element_bytes = 1;
  OpId op_id = OpId::absent;
  Kernel kernel = nullptr;
  const void* op = nullptr;
  bool reduces = false, commutative = true;
  int root = none;
  std::size_t count = 0;     ///< for the signature; 0 where ranks know only their own part
  std::size_t bytes = 0;     ///< of the whole, for the choice; the same on all ranks
  Layout in = {}, out = {};  ///< per_chunk 0: cut evenly into as many chunks as the schedule wants
  int peer = none;           ///< point to point
  bool sends = false;
};

[[noreturn]] inline void throw_invalid(Collective collective, const std::string& what) {
  throw Error(Errc::invalid_argument, std::string(name(collective)) + ": " + what);
}

inline std::byte* bytes_of(const void* data) { return static_cast<std::byte*>(const_cast<void*>(data)); }

inline void check_root(Collective collective, int root, int size) {
  if (root < 0 || root >= size)
    throw_invalid(collective,
                  "root " + std::to_string(root) + " is not a rank; ranks are 0 … " + std::to_string(size - 1));
}

/// `part` elements from each of `size` ranks.
inline std::size_t whole_of(Collective collective, std::size_t part, int size) {
  std::size_t whole = 0;
  if (__builtin_mul_overflow(part, static_cast<std::size_t>(size), &whole) || whole >> Signature::count_bits != 0)
    throw_invalid(collective, std::to_string(part) + " elements from each of " + std::to_string(size) +
                                  " ranks are more than one call can take, 2^40 - 1; was the number negative?");
  return whole;
}

/// `part` × `size` must be `whole`, in elements.
inline void check_parts(Collective collective, const char* part_name, std::size_t part, const char* whole_name,
                        std::size_t whole, int size) {
  std::size_t product = 0;
  if (__builtin_mul_overflow(part, static_cast<std::size_t>(size), &product) || product != whole)
    throw_invalid(collective, std::string(whole_name) + " has " + std::to_string(whole) + " elements; with " +
                                  std::to_string(size) + " ranks and " + std::to_string(part) + " elements in " +
                                  part_name + " it must have " + std::to_string(size) + " times as many as " +
                                  part_name);
}

inline void check_same(Collective collective, std::size_t in, std::size_t out) {
  if (in != out)
    throw_invalid(collective, "in has " + std::to_string(in) + " elements and out has " + std::to_string(out) +
                                  "; they must be equally long");
}

/// What the counts add up to must be what the buffer has.
inline void check_total(Collective collective, const char* counts_name, std::size_t total, const char* buffer_name,
                        std::size_t count) {
  if (total != count)
    throw_invalid(collective, std::string(counts_name) + " says " + std::to_string(total) + " elements and " +
                                  buffer_name + " has " + std::to_string(count) + "; they must agree");
}

/// in and out may be separate, or the shorter one, `part`, lies at `in_place`, its own place in the other; nothing
/// between.
inline void check_overlap(Collective collective, const void* part, std::size_t part_bytes, const void* whole,
                          std::size_t whole_bytes, const void* in_place) {
  if (part_bytes == 0 || whole_bytes == 0 || part == in_place) return;
  const auto a = reinterpret_cast<std::uintptr_t>(part), b = reinterpret_cast<std::uintptr_t>(whole);
  if (a < b + whole_bytes && b < a + part_bytes)
    throw_invalid(collective,
                  "in and out overlap without being in place; use separate buffers, or exactly the in-place "
                  "form of this collective");
}

/// The v variants: chunk i of a buffer is counts[i] long, one behind the other.
inline std::vector<std::size_t> offsets_of(Collective collective, const char* counts_name,
                                           std::span<const std::size_t> counts, int size) {
  if (counts.size() != static_cast<std::size_t>(size))
    throw_invalid(collective, std::string(counts_name) + " has " + std::to_string(counts.size()) +
                                  " entries; it needs one a rank, " + std::to_string(size));
  std::vector<std::size_t> offsets(counts.size() + 1, 0);
  for (std::size_t i = 0; i < counts.size(); ++i)
    if (__builtin_add_overflow(offsets[i], counts[i], &offsets[i + 1]) ||
        counts[i] > static_cast<std::size_t>(PTRDIFF_MAX))
      throw_invalid(collective, std::string(counts_name) + "[" + std::to_string(i) +
                                    "] = " + std::to_string(counts[i]) +
                                    " is too large, or was negative before it became a size_t");
  return offsets;
}

/// RINGCOLL_REPRODUCIBLE=1.
inline bool always_reproducible() {
  static const bool always = [] {
    const char* const text = std::getenv("RINGCOLL_REPRODUCIBLE");
    if (!text || *text == 0 || std::strcmp(text, "0") == 0) return false;
    if (std::strcmp(text, "1") == 0) return true;
    throw Error(Errc::invalid_argument, "RINGCOLL_REPRODUCIBLE=" + std::string(text) + ": expected 0 or 1");
  }();
  return always;
}

/// Fits the request into a choice.
inline Call make_call(Member& member, const Request& request, const Options& options) {
  AnyTransport& transport = member.transport();
  const int size = member.size();
  if (request.count >> Signature::count_bits != 0)
    throw_invalid(request.collective,
                  std::to_string(request.count) + " elements are more than one call can take, 2^40 - 1");
  Question question{.collective = request.collective,
                    .size = size,
                    .root = request.root == none ? 0 : request.root,
                    .bytes = request.bytes,
                    .element_bytes = request.element_bytes,
                    .commutative = request.commutative,
                    .reproducible = request.reduces && (options.reproducible || always_reproducible()),
                    .placement = &member.placement(),
                    .frame_bytes = transport.frame_bytes(),
                    .slots = transport.slots()};
  Choice choice;
  if (request.peer == none) choice = member.choose(question, options.schedule);
  else if (request.sends) choice = detail::choice(AnySchedule(SendTo{request.peer}, "send"), Family::direct, question);
  else choice = detail::choice(AnySchedule(ReceiveFrom{request.peer}, "receive"), Family::direct, question);

  Call call{.schedule = choice.schedule,
            .signature = {.collective = request.collective,
                          .type = request.type,
                          .op = request.op_id,
                          .schedule = static_cast<std::uint8_t>(choice.family),
                          .sequence = 0,
                          .count = request.count,
                          .root = request.root == none ? Signature::no_root : static_cast<std::uint32_t>(request.root)},
            .rank = member.rank(),
            .size = size,
            .in = request.in,
            .out = request.out,
            .kernel = request.kernel,
            .op = request.op,
            .reduces = request.reduces,
            .element_bytes = request.element_bytes,
            .window = choice.window};
  call.frame_elements =
      choice.frame_bytes / request.element_bytes / static_cast<std::size_t>(choice.schedule.most_parts());
  if (call.frame_elements == 0)
    throw_invalid(request.collective, "elements of " + std::to_string(request.element_bytes) +
                                          " bytes are longer than a message, " + std::to_string(choice.frame_bytes) +
                                          " bytes");
  call.cut();
  return call;
}

inline CallShape shape_of(const Request& request, const Options& options) {
  return {.kernel = request.kernel,
          .element_bytes = request.element_bytes,
          .count = request.count,
          .bytes = request.bytes,
          .in = {request.in.count, request.in.per_chunk, request.in.only},
          .out = {request.out.count, request.out.per_chunk, request.out.only},
          .root = request.root,
          .peer = request.peer,
          .schedule = options.schedule,
          .collective = request.collective,
          .type = request.type,
          .op = request.op_id,
          .commutative = request.commutative,
          .sends = request.sends,
          .reproducible = options.reproducible};
}

/// The call for a request, which stays the communicator's until its next call.
inline Call& call_for(Member& member, const Request& request, const Options& options) {
  const CallShape shape = shape_of(request, options);
  CallCache::Entry& entry = member.calls().at(shape);
  if (!entry.known || request.in.offsets || request.out.offsets || !(entry.shape == shape)) {
    entry.known = false;  // until it is complete
    entry.call = make_call(member, request, options);
    entry.shape = shape;
    entry.known = !request.in.offsets && !request.out.offsets;
  }
  entry.call.in.base = request.in.base;
  entry.call.out.base = request.out.base;
  entry.call.op = request.op;
  return entry.call;
}

inline void run(const Communicator& comm, const Request& request, const Options& options) {
  Member& member = comm.member();
  member.run(call_for(member, request, options), options.deadline, request.sends ? request.peer : none,
             request.sends ? none : request.peer);
}

/// Puts the request under way. The request may point to what the operation owns.
inline Work start(const Communicator& comm, const Request& request, const Options& options,
                  std::shared_ptr<Operation> operation) {
  Member& member = comm.member();
  operation->call = make_call(member, request, options);
  member.start(operation, options.deadline, request.sends ? request.peer : none, request.sends ? none : request.peer);
  return Work(comm.shared_member(), std::move(operation));
}

/// ... and sees to it that it advances although nobody waits for it.
inline Work start_background(const Communicator& comm, const Request& request, const Options& options,
                             std::shared_ptr<Operation> operation) {
  Work work = start(comm, request, options, std::move(operation));
  comm.member().start_thread();
  return work;
}

}  // namespace detail
}  // namespace ringcoll::inline v0
