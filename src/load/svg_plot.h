// A plot as SVG text, without anything from elsewhere: axes with round ticks, lines, points.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace hf::load {

struct PlotPoint {
  double x = 0;
  double y = 0;
  bool hollow = false;  // drawn as a ring: a step that broke
};

struct PlotSeries {
  std::string name;
  std::string style;  // a class of the page's style sheet: "s1", "s2", ...
  std::vector<PlotPoint> points;
  bool line = true;
  bool dots = false;
};

enum class Scale : unsigned char { linear, log };

struct PlotAxis {
  std::string title;
  Scale scale = Scale::linear;
  std::function<std::string(double)> label;  // of a tick
  // Own ticks instead of round ones; empty: round ones.
  std::vector<double> ticks;
};

struct PlotLine {  // across the plot
  double y = 0;
  std::string name;
};

struct PlotMark {  // from top to bottom: something begins there
  double x = 0;
  std::string name;
};

struct Plot {
  PlotAxis x;
  PlotAxis y;
  std::vector<PlotSeries> series;
  std::vector<PlotLine> limits;
  std::vector<PlotMark> marks;
};

// Points that an axis cannot show (not finite; 0 or less on a log scale) are left out; where x is
// not finite, the line is interrupted. Without any that can be shown, a sentence instead of a plot.
std::string svg_of(const Plot& plot);

// Round values over a range, three to eight of them; powers of ten with 2 and 5 on a log scale.
std::vector<double> round_ticks(double low, double high, Scale scale);

}  // namespace hf::load
