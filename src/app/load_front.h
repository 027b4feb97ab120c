// Watches a Holdfast over its admin API while it is under load.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "app/admin_client.h"
#include "load/front.h"

namespace hf::app {

// Looks at /metrics twice a second from a thread of its own: a Holdfast that is overloaded answers
// late here too, and the load does not wait for it.
class LoadFront {
 public:
  // Looks once before it returns. Errors are for people: no admin API, or not let in.
  static Result<std::unique_ptr<LoadFront>> begin(const AdminHints& hints);
  ~LoadFront();
  LoadFront(const LoadFront&) = delete;
  LoadFront& operator=(const LoadFront&) = delete;

  [[nodiscard]] std::optional<load::FrontFinding> finding(Instant from, Instant to,
                                                          load::FrontQuestion question) const;
  // Requests a second from the start of that process until the load began.
  [[nodiscard]] double traffic() const { return traffic_; }

 private:
  explicit LoadFront(AdminPlace place) : place_(std::move(place)) {}
  Result<void> look();
  void watch();

  AdminPlace place_;
  load::FrontLimits limits_;
  double traffic_ = 0;
  mutable std::mutex mutex_;
  std::vector<load::FrontSample> samples_;
  std::atomic<bool> ended_ = false;
  std::thread thread_;
};

}  // namespace hf::app
