// SPDX-License-Identifier: Apache-2.0
// Two panels over the size, log-log: time and busbw, a line for each algorithm. One file, without scripts; it follows
// the viewer's light or dark theme.
#include <algorithm>
#include <cmath>
#include <limits>

#include "../columns.hpp"
#include "forecast.hpp"

namespace perf {
namespace {

constexpr double panel_width = 440, panel_height = 320, left = 64, gap = 76, top = 72, bottom = 92;
constexpr double width = left + 2 * panel_width + gap + 24, height = top + panel_height + bottom;

// Colours that differ in lightness too; the second one of each pair is for dark backgrounds.
constexpr std::pair<const char*, const char*> colours[] = {
    {"#1d4ed8", "#7aa2ff"}, {"#c2410c", "#ff9a5c"}, {"#047857", "#4ade9f"}, {"#9d174d", "#ff8ac0"},
    {"#6d28d9", "#c4a7ff"}, {"#0e7490", "#5fd7f0"}, {"#854d0e", "#f2c94c"}, {"#475569", "#cbd5e1"}};

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '&') out += "&amp;";
    else if (c == '<') out += "&lt;";
    else if (c == '>') out += "&gt;";
    else out += c < ' ' ? ' ' : c;
  }
  return out;
}

std::string text_at(double x, double y, const char* style, const std::string& text) {
  return print("<text x=\"%.1f\" y=\"%.1f\" class=\"%s\">", x, y, style) + escaped(text) + "</text>\n";
}

std::string bytes_text(double bytes) {
  constexpr const char* units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  std::size_t unit = 0;
  for (; bytes >= 1024 && unit + 1 < std::size(units); ++unit) bytes /= 1024;
  return print("%.4g %s", bytes, units[unit]);
}

std::string time_text(double microseconds) {
  constexpr std::pair<const char*, double> units[] = {{"s", 1e6}, {"ms", 1e3}, {"us", 1}};
  for (const auto& [unit, scale] : units)
    if (microseconds >= scale * 0.999) return print("%.4g %s", microseconds / scale, unit);
  return print("%.4g ns", microseconds * 1e3);
}

std::string bandwidth_text(double gigabytes) { return print("%.4g", gigabytes); }

/// A logarithmic scale from values to places.
struct Scale {
  double low, high, from, to;

  double operator()(double value) const {
    return from + (std::log(value) - std::log(low)) / (std::log(high) - std::log(low)) * (to - from);
  }
};

/// Whole decades around the values.
Scale decades(double least, double most, double from, double to) {
  const double low = std::pow(10, std::floor(std::log10(least))), high = std::pow(10, std::ceil(std::log10(most)));
  return {low, high > low ? high : 10 * low, from, to};
}

class Chart {
 public:
  Chart(const SimConfig& config, const std::vector<Forecast>& rows) : config_(config), rows_(rows) {}

  std::string draw() const {
    const std::string title = std::string(info(config_.collective).name) +
                              ", predicted: " + std::to_string(config_.nodes) +
                              (config_.nodes == 1 ? " node" : " nodes") + ", " + std::to_string(config_.size()) +
                              " ranks, model " + config_.model_name;
    std::string svg = print(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" width=\"%.0f\" height=\"%.0f\" "
        "role=\"img\">\n",
        width, height, width, height);
    svg += "<title>" + escaped(title) + "</title>\n" + style();
    svg += print("<rect class=\"paper\" width=\"%.0f\" height=\"%.0f\"/>\n", width, height);
    svg += text_at(left, 32, "title", title);
    svg += panel(left, "time", [](const Forecast& row) { return row.out_of_place.time * 1e6; }, time_text);
    svg += panel(
        left + panel_width + gap, "busbw, GB/s", [](const Forecast& row) { return row.out_of_place.busbw; },
        bandwidth_text);
    return svg + legend() + "</svg>\n";
  }

 private:
  std::string style() const {
    std::string light, dark;
    for (std::size_t i = 0; i < std::size(colours); ++i) {
      light += print(".c%zu{stroke:%s;fill:%s}", i, colours[i].first, colours[i].first);
      dark += print(".c%zu{stroke:%s;fill:%s}", i, colours[i].second, colours[i].second);
    }
    return "<style>text{font:13px system-ui,sans-serif;fill:#1f2937}.title{font-size:16px;font-weight:600}"
           ".end{text-anchor:end}.middle{text-anchor:middle}.paper{fill:#fff}.grid{stroke:#e2e5ea}"
           ".line{fill:none;stroke-width:2;stroke-linejoin:round}" +
           light + "@media(prefers-color-scheme:dark){text{fill:#e5e7eb}.paper{fill:#14171c}.grid{stroke:#343a44}" +
           dark + "}.line{fill:none}</style>\n";
  }

  template <class Value>
  std::string panel(double x, const char* name, Value&& value, std::string (*value_text)(double)) const {
    double least = std::numeric_limits<double>::max(), most = 0, small = least, large = 0;
    for (const Forecast& row : rows_) {
      if (row.bytes == 0 || value(row) <= 0) continue;
      least = std::min(least, value(row)), most = std::max(most, value(row));
      small = std::min(small, static_cast<double>(row.bytes)), large = std::max(large, static_cast<double>(row.bytes));
    }
    std::string svg = text_at(x, top - 12, "name", name);
    if (most <= 0) return svg + text_at(x + panel_width / 2, top + panel_height / 2, "middle", "nothing to draw");
    const Scale across{small, large > small ? large : 2 * small, x, x + panel_width};
    const Scale up = decades(least, most, top + panel_height, top);

    for (double tick = up.low; tick <= up.high * 1.01; tick *= 10) {
      svg += print("<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>\n", x, x + panel_width,
                   up(tick), up(tick));
      svg += text_at(x - 8, up(tick) + 4, "end", value_text(tick));
    }
    const double apart = std::exp2(std::max(1.0, std::ceil(std::log2(across.high / across.low) / 6)));
    for (double tick = across.low; tick <= across.high * 1.01; tick *= apart) {
      svg += print("<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>\n", across(tick),
                   across(tick), top, top + panel_height);
      svg += text_at(across(tick), top + panel_height + 20, "middle", bytes_text(tick));
    }
    for (std::size_t i = 0; i < config_.algorithms.size(); ++i) {
      std::string points, dots;
      for (const Forecast& row : rows_) {
        if (row.algorithm != config_.algorithms[i] || row.bytes == 0 || value(row) <= 0) continue;
        const double px = across(static_cast<double>(row.bytes)), py = up(value(row));
        points += print("%.1f,%.1f ", px, py);
        dots += print("<circle class=\"c%zu\" cx=\"%.1f\" cy=\"%.1f\" r=\"2.5\"><title>", colour(i), px, py) +
                escaped(std::string(row.algorithm->name) + ", " + bytes_text(static_cast<double>(row.bytes)) + ": " +
                        value_text(value(row))) +
                "</title></circle>\n";
      }
      svg += print("<polyline class=\"line c%zu\" points=\"", colour(i)) + points + "\"/>\n" + dots;
    }
    return svg;
  }

  std::string legend() const {
    std::string svg;
    double x = left;
    for (std::size_t i = 0; i < config_.algorithms.size(); ++i) {
      const std::string name = config_.algorithms[i]->name;
      svg += print("<line class=\"line c%zu\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>\n", colour(i), x,
                   x + 22, height - 30, height - 30);
      svg += text_at(x + 28, height - 26, "name", name);
      x += 28 + 8 * static_cast<double>(name.size()) + 26;
    }
    return svg;
  }

  static std::size_t colour(std::size_t i) { return i % std::size(colours); }

  const SimConfig& config_;
  const std::vector<Forecast>& rows_;
};

}  // namespace

std::string forecast_svg(const SimConfig& config, const std::vector<Forecast>& rows) {
  return Chart(config, rows).draw();
}

}  // namespace perf
