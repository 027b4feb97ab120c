#include "app/heartbeat.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace hf::app {
namespace {

constexpr Duration kStatusEvery = Duration::seconds(5);

}  // namespace

Heartbeat::Heartbeat(boost::asio::io_context& io, adapters::ServiceManager& manager,
                     std::function<std::string()> status)
    : manager_(manager), status_(std::move(status)), every_(kStatusEvery), timer_(io) {
  // Two may be lost before the third is missed.
  if (manager_.watchdog()) every_.ns = std::min(every_.ns, manager_.watchdog()->ns / 3);
}

void Heartbeat::begin() {
  if (!manager_.there()) return;
  manager_.ready();
  beat();
}

void Heartbeat::beat() {
  manager_.alive();
  std::string status = status_();
  if (status != told_) {
    manager_.status(status);
    told_ = std::move(status);
  }
  timer_.expires_after(std::chrono::nanoseconds(every_.ns));
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) beat();
  });
}

}  // namespace hf::app
