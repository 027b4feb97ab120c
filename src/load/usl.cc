#include "load/usl.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace hf::load {
namespace {

constexpr int kParameters = 3;
using Vector = std::array<double, kParameters>;
using Matrix = std::array<Vector, kParameters>;
// Which of gamma, alpha and beta are free; the others are 0.
using Free = std::array<bool, kParameters>;

double divisor(const Vector& at, double n) {
  return 1 + at[1] * (n - 1) + at[2] * n * (n - 1);
}

double value(const Vector& at, double n) {
  return at[0] * n / divisor(at, n);
}

double squares(const Vector& at, const std::vector<UslPoint>& points) {
  double sum = 0;
  for (const UslPoint& point : points) {
    const double off = point.throughput - value(at, point.concurrency);
    sum += off * off;
  }
  return sum;
}

// Gauss elimination with pivots; false: singular.
bool solve(Matrix m, Vector& x) {
  for (int i = 0; i < kParameters; ++i) {
    int best = i;
    for (int row = i + 1; row < kParameters; ++row) {
      if (std::abs(m[row][i]) > std::abs(m[best][i])) best = row;
    }
    if (std::abs(m[best][i]) < 1e-300) return false;
    std::swap(m[i], m[best]);
    std::swap(x[i], x[best]);
    for (int row = 0; row < kParameters; ++row) {
      if (row == i) continue;
      const double factor = m[row][i] / m[i][i];
      for (int column = i; column < kParameters; ++column)
        m[row][column] -= factor * m[i][column];
      x[row] -= factor * x[i];
    }
  }
  for (int i = 0; i < kParameters; ++i)
    x[i] /= m[i][i];
  return true;
}

Vector slope_at(const Vector& at, double n) {
  const double d = divisor(at, n);
  const double by_d = -at[0] * n / (d * d);
  return {n / d, by_d * (n - 1), by_d * n * (n - 1)};
}

// One step of Levenberg and Marquardt over the free parameters; false: no way.
bool step(const std::vector<UslPoint>& points, const Free& free, double damping, Vector& at) {
  Matrix normal{};
  Vector right{};
  for (const UslPoint& point : points) {
    const Vector slope = slope_at(at, point.concurrency);
    const double off = point.throughput - value(at, point.concurrency);
    for (int i = 0; i < kParameters; ++i) {
      for (int k = 0; k < kParameters; ++k)
        normal[i][k] += slope[i] * slope[k];
      right[i] += slope[i] * off;
    }
  }
  for (int i = 0; i < kParameters; ++i) {
    if (free[i]) {
      normal[i][i] *= 1 + damping;
      continue;
    }
    for (int k = 0; k < kParameters; ++k)
      normal[i][k] = normal[k][i] = 0;
    normal[i][i] = 1;
    right[i] = 0;
  }
  if (!solve(normal, right)) return false;
  for (int i = 0; i < kParameters; ++i)
    at[i] = std::max(0.0, at[i] + right[i]);
  return at[0] > 0;
}

Vector minimum(const std::vector<UslPoint>& points, const Free& free, Vector at) {
  double best = squares(at, points);
  double damping = 1e-3;
  for (int round = 0; round < 500 && damping < 1e12; ++round) {
    Vector next = at;
    if (!step(points, free, damping, next)) break;
    const double sum = squares(next, points);
    if (sum <= best) {
      const bool still = best - sum <= 1e-15 * best;
      at = next;
      best = sum;
      damping = std::max(1e-12, damping / 10);
      if (still) break;
    } else {
      damping *= 10;
    }
  }
  return at;
}

bool enough(const std::vector<UslPoint>& points) {
  std::size_t different = 0;
  double last = 0;
  for (const UslPoint& point : points) {
    if (!(point.concurrency > 0) || !(point.throughput > 0) || !std::isfinite(point.concurrency) ||
        !std::isfinite(point.throughput)) {
      return false;
    }
    different += point.concurrency > last * 1.001 ? 1U : 0U;
    last = point.concurrency;
  }
  return different >= 4 && points.back().concurrency >= 2 * points.front().concurrency;
}

}  // namespace

double UslFit::at(double concurrency) const {
  return value({gamma, alpha, beta}, concurrency);
}

std::optional<double> UslFit::peak() const {
  if (beta <= 0 || alpha >= 1) return std::nullopt;
  return std::sqrt((1 - alpha) / beta);
}

std::optional<double> UslFit::optimal() const {
  if (alpha <= 0) return std::nullopt;
  return 1 / alpha;
}

std::optional<double> UslFit::limit() const {
  if (const auto n = peak()) return at(*n);
  if (alpha > 0) return gamma / alpha;
  return std::nullopt;
}

std::optional<UslFit> fit_usl(std::vector<UslPoint> points) {
  std::sort(points.begin(), points.end(), [](const UslPoint& a, const UslPoint& b) {
    return a.concurrency != b.concurrency ? a.concurrency < b.concurrency
                                          : a.throughput < b.throughput;
  });
  if (!enough(points)) return std::nullopt;
  double gamma = 0;
  double mean = 0;
  for (const UslPoint& point : points) {
    gamma = std::max(gamma, point.throughput / point.concurrency);
    mean += point.throughput / static_cast<double>(points.size());
  }
  // The best of each set of parameters that are not held at 0 by their bound, from several starts:
  // the sum of squares has more than one valley.
  Vector best{};
  double least = std::numeric_limits<double>::infinity();
  for (const Free& free : {Free{true, true, true}, Free{true, true, false}, Free{true, false, true},
                           Free{true, false, false}}) {
    for (const double start : {1e-4, 1e-2, 0.5}) {
      const Vector at =
          minimum(points, free, {gamma, free[1] ? start : 0, free[2] ? start * start : 0});
      const double sum = squares(at, points);
      if (!std::isfinite(sum) || sum >= least * (1 - 1e-9)) continue;
      least = sum;
      best = at;
    }
  }
  if (!std::isfinite(least)) return std::nullopt;
  double all = 0;
  for (const UslPoint& point : points)
    all += (point.throughput - mean) * (point.throughput - mean);
  UslFit fit;
  fit.gamma = best[0];
  fit.alpha = best[1];
  fit.beta = best[2];
  fit.r_squared = all > 0 ? 1 - least / all : 1;
  return fit;
}

}  // namespace hf::load
