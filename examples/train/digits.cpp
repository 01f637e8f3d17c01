// SPDX-License-Identifier: Apache-2.0
#include "digits.hpp"

#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>
#include <string_view>

namespace {

constexpr int darkest = 16;
constexpr int columns = Digit::pixels + 1;
constexpr std::size_t longest_line = 1000;  // several times what 65 numbers below 17 need

/// Reads lines, unpacking them where the file is gzipped.
class Lines {
 public:
  explicit Lines(const std::string& path) : path_(path), file_(gzopen(path.c_str(), "rb")) {
    if (!file_) throw BadDigits(path + ": cannot open: " + std::strerror(errno));
  }

  bool next(std::string& line) {
    ++number_;
    line.clear();
    int character;
    while ((character = gzgetc(file_.get())) != -1 && character != '\n') {
      line.push_back(static_cast<char>(character));
      if (line.size() > longest_line) fail("expected a line of 65 numbers, found one that does not end");
    }
    if (character == -1) check_end();
    return character == '\n' || !line.empty();
  }

  [[noreturn]] void fail(const std::string& what) const {
    throw BadDigits(path_ + ":" + std::to_string(number_) + ": " + what);
  }

 private:
  struct Close {
    void operator()(gzFile file) const { gzclose(file); }
  };

  /// The bytes have ended. Was that the end of the file?
  void check_end() const {
    int code = Z_OK;
    const char* text = gzerror(file_.get(), &code);
    if (code == Z_BUF_ERROR) fail("expected the rest of a gzip file, but it is cut off here");
    if (code == Z_ERRNO) fail(std::string("cannot read on: ") + std::strerror(errno));
    if (code != Z_OK && code != Z_STREAM_END) fail(std::string("expected gzip data, but it is damaged: ") + text);
  }

  std::string path_;
  std::unique_ptr<gzFile_s, Close> file_;
  int number_ = 0;
};

/// Takes the number in `column` (the first is 1) and the comma after it off the front of `rest`.
int take_number(std::string_view& rest, int column, int most, const Lines& lines) {
  const std::string_view text = rest.substr(0, rest.find(','));
  int value = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < 0 || value > most)
    lines.fail("column " + std::to_string(column) + ": expected " + (column == columns ? "a label" : "a pixel") +
               " from 0 to " + std::to_string(most) + ", found '" + std::string(text.substr(0, 20)) + "'");
  rest.remove_prefix(std::min(text.size() + 1, rest.size()));
  return value;
}

Digit parse(std::string_view line, const Lines& lines) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  const auto found = line.empty() ? 0 : 1 + std::ranges::count(line, ',');
  if (found != columns)
    lines.fail("expected " + std::to_string(columns) + " numbers, 64 pixels and a label, separated by commas, found " +
               std::to_string(found));

  Digit digit;
  int column = 0;
  for (float& pixel : digit.pixel) pixel = static_cast<float>(take_number(line, ++column, darkest, lines)) / darkest;
  digit.label = static_cast<std::size_t>(take_number(line, ++column, Digit::classes - 1, lines));
  return digit;
}

}  // namespace

Digits read_digits(const std::string& path) {
  constexpr std::size_t one_in = 5;
  Digits digits;
  Lines lines(path);
  std::string line;
  for (std::size_t i = 0; lines.next(line); ++i)
    (i % one_in == one_in - 1 ? digits.test : digits.training).push_back(parse(line, lines));
  if (digits.test.empty()) lines.fail("expected 5 or more images, the file ends before that");
  return digits;
}
