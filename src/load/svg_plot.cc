#include "load/svg_plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/html.h"

namespace hf::load {
namespace {

constexpr double kWidth = 860;
constexpr double kHeight = 300;
constexpr double kLeft = 74;
constexpr double kRight = 16;
constexpr double kTop = 30;
constexpr double kBottom = 46;

struct Range {
  double low = 0;
  double high = 1;
  Scale scale = Scale::linear;

  [[nodiscard]] double share(double value) const {
    if (scale == Scale::log) return std::log(value / low) / std::log(high / low);
    return (value - low) / (high - low);
  }
};

bool shows(double value, Scale scale) {
  return std::isfinite(value) && (scale == Scale::linear || value > 0);
}

Range range_of(const std::vector<double>& values, Scale scale, bool from_zero) {
  Range out;
  out.scale = scale;
  out.low = std::numeric_limits<double>::infinity();
  out.high = -out.low;
  for (const double value : values) {
    out.low = std::min(out.low, value);
    out.high = std::max(out.high, value);
  }
  if (scale == Scale::log) {
    out.low /= 1.15;
    out.high *= 1.3;
    if (out.high < 4 * out.low) out.high = 4 * out.low;
    return out;
  }
  if (from_zero) out.low = std::min(0.0, out.low);
  if (out.high <= out.low) out.high = out.low + 1;
  out.high += (out.high - out.low) * 0.06;
  return out;
}

struct Place {
  Range x;
  Range y;

  [[nodiscard]] double left(double value) const {
    return kLeft + x.share(value) * (kWidth - kLeft - kRight);
  }
  [[nodiscard]] double top(double value) const {
    return kHeight - kBottom - y.share(value) * (kHeight - kTop - kBottom);
  }
};

std::string axes(const Plot& plot, const Place& place) {
  std::string out;
  const auto ys =
      plot.y.ticks.empty() ? round_ticks(place.y.low, place.y.high, plot.y.scale) : plot.y.ticks;
  for (const double tick : ys) {
    if (tick < place.y.low || tick > place.y.high) continue;
    const double at = place.top(tick);
    out += fmt::format(
        "<line class=\"grid\" x1=\"{}\" x2=\"{}\" y1=\"{:.1f}\" y2=\"{:.1f}\"/>"
        "<text class=\"tick\" x=\"{}\" y=\"{:.1f}\" text-anchor=\"end\">{}</text>\n",
        kLeft, kWidth - kRight, at, at, kLeft - 8, at + 4, html_escaped(plot.y.label(tick)));
  }
  const auto xs =
      plot.x.ticks.empty() ? round_ticks(place.x.low, place.x.high, plot.x.scale) : plot.x.ticks;
  for (const double tick : xs) {
    if (tick < place.x.low || tick > place.x.high) continue;
    const double at = place.left(tick);
    out += fmt::format(
        "<line class=\"grid\" x1=\"{:.1f}\" x2=\"{:.1f}\" y1=\"{}\" y2=\"{}\"/>"
        "<text class=\"tick\" x=\"{:.1f}\" y=\"{}\" text-anchor=\"middle\">{}"
        "</text>\n",
        at, at, kTop, kHeight - kBottom, at, kHeight - kBottom + 18,
        html_escaped(plot.x.label(tick)));
  }
  out += fmt::format("<text class=\"axis\" x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>\n",
                     kWidth - kRight, kHeight - 8, html_escaped(plot.x.title));
  return out;
}

std::string series_svg(const PlotSeries& series, const Place& place) {
  std::string path;
  std::string dots;
  bool on = false;
  for (const PlotPoint& point : series.points) {
    if (!std::isfinite(point.x)) on = false;
    if (!shows(point.x, place.x.scale) || !shows(point.y, place.y.scale)) continue;
    const double x = place.left(point.x);
    const double y = place.top(point.y);
    path += fmt::format("{}{:.1f} {:.1f}", on ? "L" : "M", x, y);
    on = true;
    if (series.dots) {
      dots += fmt::format("<circle class=\"{} {}\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"4\"/>\n",
                          series.style, point.hollow ? "ring" : "dot", x, y);
    }
  }
  std::string out;
  if (series.line && !path.empty())
    out += fmt::format("<path class=\"{} line\" d=\"{}\"/>\n", series.style, path);
  return out + dots;
}

// The y axis' title, then the series by name, above the plot.
std::string legend(const Plot& plot) {
  std::string out = fmt::format("<text class=\"axis\" x=\"{}\" y=\"16\">{}</text>\n", 8,
                                html_escaped(plot.y.title));
  double at = kWidth - kRight;
  for (auto series = plot.series.rbegin(); series != plot.series.rend(); ++series) {
    if (series->name.empty()) continue;
    at -= 7.2 * static_cast<double>(series->name.size());
    out += fmt::format(
        "<text class=\"axis\" x=\"{:.1f}\" y=\"16\">{}</text>"
        "<rect class=\"{} key\" x=\"{:.1f}\" y=\"7\" width=\"14\" height=\"10\" "
        "rx=\"2\"/>\n",
        at, html_escaped(series->name), series->style, at - 20);
    at -= 38;
  }
  return out;
}

}  // namespace

std::vector<double> round_ticks(double low, double high, Scale scale) {
  std::vector<double> out;
  if (scale == Scale::log) {
    const bool wide = high / low > 2000;
    for (int power = static_cast<int>(std::floor(std::log10(low))); power < 15; ++power) {
      const double ten = std::pow(10.0, power);
      if (ten > high) break;
      for (const double step : {1.0, 2.0, 5.0}) {
        if (wide && step > 1) continue;
        if (step * ten >= low && step * ten <= high) out.push_back(step * ten);
      }
    }
    return out;
  }
  const double rough = (high - low) / 6;
  const double ten = std::pow(10.0, std::floor(std::log10(rough)));
  const double lead = rough / ten;
  const double step = ten * (lead < 1.5 ? 1 : lead < 3.5 ? 2 : lead < 7.5 ? 5 : 10);
  for (double at = std::ceil(low / step) * step; at <= high + step * 1e-9; at += step)
    out.push_back(std::abs(at) < step * 1e-9 ? 0 : at);
  return out;
}

std::string svg_of(const Plot& plot) {
  std::vector<double> xs;
  std::vector<double> ys;
  for (const PlotSeries& series : plot.series) {
    for (const PlotPoint& point : series.points) {
      if (!shows(point.x, plot.x.scale) || !shows(point.y, plot.y.scale)) continue;
      xs.push_back(point.x);
      ys.push_back(point.y);
    }
  }
  if (xs.empty()) return "<p class=\"none\">Nothing was measured that could be drawn here.</p>\n";
  for (const PlotLine& limit : plot.limits) {
    if (shows(limit.y, plot.y.scale)) ys.push_back(limit.y);
  }
  const Place place{range_of(xs, plot.x.scale, true), range_of(ys, plot.y.scale, true)};
  std::string out =
      fmt::format("<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{} over {}\">\n", kWidth,
                  kHeight, html_escaped(plot.y.title), html_escaped(plot.x.title));
  out += axes(plot, place) + legend(plot);
  for (const PlotLine& limit : plot.limits) {
    if (!shows(limit.y, plot.y.scale)) continue;
    const double at = place.top(limit.y);
    out += fmt::format(
        "<line class=\"limit\" x1=\"{}\" x2=\"{}\" y1=\"{:.1f}\" y2=\"{:.1f}\"/>"
        "<text class=\"limitname\" x=\"{}\" y=\"{:.1f}\">{}</text>\n",
        kLeft, kWidth - kRight, at, at, kLeft + 6, at - 5, html_escaped(limit.name));
  }
  for (const PlotSeries& series : plot.series)
    out += series_svg(series, place);
  for (const PlotMark& mark : plot.marks) {
    if (!shows(mark.x, plot.x.scale)) continue;
    const double at = place.left(mark.x);
    out += fmt::format(
        "<line class=\"mark\" x1=\"{:.1f}\" x2=\"{:.1f}\" y1=\"{}\" y2=\"{}\"/>"
        "<text class=\"markname\" x=\"{:.1f}\" y=\"{}\">{}</text>\n",
        at, at, kTop, kHeight - kBottom, at + 5, kTop + 12, html_escaped(mark.name));
  }
  return out + "</svg>\n";
}

}  // namespace hf::load
