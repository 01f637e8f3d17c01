// SPDX-License-Identifier: Apache-2.0
#include "columns.hpp"
#include "panels.hpp"

namespace info {

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '&') out += "&amp;";
    else if (c == '<') out += "&lt;";
    else if (c == '>') out += "&gt;";
    else if (c == '"') out += "&quot;";
    else out += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
  }
  return out;
}

std::string box(const Rect& rect, const std::string& style, double radius) {
  return perf::print("<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" rx=\"%.1f\" class=\"%s\"/>\n", rect.x,
                     rect.y, rect.w, rect.h, radius, style.c_str());
}

std::string text_at(double x, double y, const std::string& style, const std::string& text) {
  return perf::print("<text x=\"%.1f\" y=\"%.1f\" class=\"%s\">", x, y, style.c_str()) + escaped(text) + "</text>\n";
}

std::string line(double x1, double y1, double x2, double y2, const std::string& style) {
  return perf::print("<path d=\"M%.1f %.1fL%.1f %.1f\" class=\"%s\"/>\n", x1, y1, x2, y2, style.c_str());
}

std::string curve(double x1, double y1, double x2, double y2, double bend, const std::string& style) {
  return perf::print("<path d=\"M%.1f %.1fC%.1f %.1f %.1f %.1f %.1f %.1f\" class=\"%s\"/>\n", x1, y1, x1, y1 + bend, x2,
                     y2 + bend, x2, y2, style.c_str());
}

std::string shortened(const std::string& text, std::size_t most) {
  if (text.size() <= most) return text;
  return text.substr(0, most / 2) + "…" + text.substr(text.size() - (most - most / 2 - 1));
}

std::string speed_text(double gigabytes_per_second) { return perf::print("%.4g Gbit/s", gigabytes_per_second * 8); }

}  // namespace info
