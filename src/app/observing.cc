#include "app/observing.h"

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <optional>
#include <utility>

#include "app/logging.h"
#include "app/observed_files.h"
#include "call/intake.h"
#include "call/relayed.h"

namespace hf::app {
namespace {

constexpr std::chrono::seconds kEvery{3};
constexpr Duration kTellAgain = Duration::minutes(10);
constexpr Duration kPruneEvery = Duration::hours(1);

}  // namespace

// Files are written and read by one thread of their own: a slow disk must not hold up a call.
class Observing::Impl : public std::enable_shared_from_this<Observing::Impl> {
 public:
  explicit Impl(ObservingParts parts)
      : parts_(std::move(parts)),
        timer_(*parts_.io),
        files_(observed_folder(parts_.settings->journal.path)),
        relay_(relay_parts()) {}

  runtime::Relay& relay() { return relay_; }
  const control::ObservedCounts& counts() const { return book_.counts(); }

  void begin() {
    prune();
    arm();
  }

  void end() {
    if (ended_) return;
    ended_ = true;
    timer_.cancel();
    disk_.join();
    // The disk's thread is gone, and nobody's call waits any more.
    const WallTime now = parts_.clock->read().wall;
    book_.forgotten(relay_.observer().forgotten(), now);
    if (book_.empty()) return;
    const auto written = files_.append(book_.take(), now);
    if (!written.ok()) {
      log_event(adapters::LogLevel::warning, "observed_not_written", written.error().context);
    }
  }

  void sum_up(WallTime since, const std::string& route, Answer answer) {
    flush();
    const WallTime now = parts_.clock->read().wall;
    boost::asio::post(disk_, [self = shared_from_this(), since, route, now,
                              answer = std::move(answer)]() mutable {
      auto sum = self->files_.read(since);
      Result<std::string> out =
          sum.ok() ? Result<std::string>(sum->json(since, now, route, self->parts_.settings.get()))
                   : Result<std::string>(sum.take_error());
      boost::asio::post(*self->parts_.io,
                        [self, answer = std::move(answer), out = std::move(out)]() mutable {
                          if (!self->ended_) answer(std::move(out));
                        });
    });
  }

 private:
  runtime::RelayParts relay_parts() {
    runtime::RelayParts out;
    out.upstream = parts_.upstream;
    out.clients = parts_.server;
    out.clock = parts_.clock;
    out.calls = parts_.driver;
    out.attempts = parts_.driver;
    out.settings = std::make_shared<const call::Settings>(call::acting(*parts_.settings));
    call::WebhookDoor door = parts_.door;
    door.refused = nullptr;
    door.warn = nullptr;
    out.intake = std::make_shared<const call::Intake>(out.settings, *parts_.hasher, door);
    out.seed = parts_.seed;
    out.ended = [this](const runtime::Passage& passage, const std::vector<engine::Sighting>& seen) {
      book_.add(passage, seen, parts_.clock->read().wall);
    };
    return out;
  }

  void arm() {
    timer_.expires_after(kEvery);
    timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
      const auto self = weak.lock();
      if (error || !self) return;
      self->flush();
      self->prune();
      self->arm();
    });
  }

  void flush() {
    if (ended_) return;
    const WallTime now = parts_.clock->read().wall;
    book_.forgotten(relay_.observer().forgotten(), now);
    if (book_.empty() || writing_) return;
    writing_ = true;
    boost::asio::post(disk_, [self = shared_from_this(), sum = book_.take(), now]() mutable {
      auto written = self->files_.append(sum, now);
      boost::asio::post(*self->parts_.io,
                        [self, sum = std::move(sum), written = std::move(written)]() mutable {
                          self->written(sum, written);
                        });
    });
  }

  void written(const control::ObservedSum& sum, const Result<void>& result) {
    writing_ = false;
    if (result.ok()) return;
    book_.give_back(sum);
    const Instant now = parts_.clock->read().mono;
    if (told_at_ && now - *told_at_ < kTellAgain) return;
    told_at_ = now;
    log_event(adapters::LogLevel::warning, "observed_not_written", result.error().context);
  }

  void prune() {
    const Now now = parts_.clock->read();
    if (pruned_at_ && now.mono - *pruned_at_ < kPruneEvery) return;
    pruned_at_ = now.mono;
    boost::asio::post(disk_,
                      [self = shared_from_this(), wall = now.wall] { self->files_.prune(wall); });
  }

  ObservingParts parts_;
  boost::asio::steady_timer timer_;
  ObservedFiles files_;  // of the disk's thread
  control::ObservedBook book_;
  runtime::Relay relay_;
  boost::asio::thread_pool disk_{1};
  bool writing_ = false;
  bool ended_ = false;
  std::optional<Instant> told_at_;
  std::optional<Instant> pruned_at_;
};

Observing::Observing(ObservingParts parts) : impl_(std::make_shared<Impl>(std::move(parts))) {}
// Its thread must not be the last to let go of it.
Observing::~Observing() {
  impl_->end();
}
runtime::Relay& Observing::relay() {
  return impl_->relay();
}
void Observing::begin() {
  impl_->begin();
}
void Observing::end() {
  impl_->end();
}
const control::ObservedCounts& Observing::counts() const {
  return impl_->counts();
}
void Observing::sum_up(WallTime since, const std::string& route, Answer answer) {
  impl_->sum_up(since, route, std::move(answer));
}

}  // namespace hf::app
