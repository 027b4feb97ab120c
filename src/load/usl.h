// The Universal Scalability Law (Gunther): with N requests in flight a server answers
// X(N) = gamma N / (1 + alpha (N - 1) + beta N (N - 1)). Alpha is what they wait for each other,
// beta what they cost each other. Where beta is not 0 there is a peak, and more load gives less.
#pragma once

#include <optional>
#include <vector>

namespace hf::load {

struct UslPoint {
  double concurrency = 0;  // N; more than 0
  double throughput = 0;   // X
};

struct UslFit {
  double alpha = 0;  // 0 or more, like beta
  double beta = 0;
  double gamma = 0;  // throughput of one
  double r_squared = 0;

  [[nodiscard]] double at(double concurrency) const;
  // N with the most throughput: sqrt((1 - alpha) / beta); nothing where it has no end.
  [[nodiscard]] std::optional<double> peak() const;
  // N where the lines of perfect scaling and of the limit of alpha meet, 1 / alpha.
  [[nodiscard]] std::optional<double> optimal() const;
  // Throughput that is never passed: at the peak, or gamma / alpha without one.
  [[nodiscard]] std::optional<double> limit() const;
};

// Least squares of X, with alpha and beta of at least 0: the same for the same points in any order.
// Nothing with fewer than four different N, with the largest less than twice the smallest, or where
// no fit exists: three parameters through three points, or through points that lie together, say
// nothing.
std::optional<UslFit> fit_usl(std::vector<UslPoint> points);

}  // namespace hf::load
