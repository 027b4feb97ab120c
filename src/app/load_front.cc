#include "app/load_front.h"

#include <time.h>

#include "adapters/load/generator.h"
#include "adapters/system/clock.h"
#include "app/admin_talk.h"
#include "config/load.h"

namespace hf::app {
namespace {

constexpr Duration kPatience = Duration::seconds(3);
constexpr std::int64_t kBetween = 500'000'000;
// Four hours of looks; what is later is not looked at.
constexpr std::size_t kMostSamples = 30'000;

load::FrontLimits limits_of(const std::string& config) {
  load::FrontLimits out;
  if (config.empty()) return out;
  const config::Loaded loaded = config::load_file(config);
  if (!loaded.settings) return out;
  for (const auto& [name, upstream] : loaded.settings->upstreams) {
    load::FrontLimits::Of& of = out.upstreams[name];
    of.concurrency = upstream->concurrency;
    if (upstream->rate) {
      of.rate = static_cast<double>(upstream->rate->count) * 1e9 /
                static_cast<double>(upstream->rate->per.ns);
    }
  }
  return out;
}

}  // namespace

Result<std::unique_ptr<LoadFront>> LoadFront::begin(const AdminHints& hints) {
  HF_TRY(AdminPlace place, find_admin(hints));
  std::unique_ptr<LoadFront> out(new LoadFront(std::move(place)));
  out->limits_ = limits_of(hints.config);
  HF_TRY_VOID(out->look());
  const load::FrontSample& first = out->samples_.front();
  const double now =
      static_cast<double>(adapters::SystemClock().read().wall.ms) / 1000 - first.started;
  if (first.started > 0 && now > 0) out->traffic_ = first.requests / now;
  out->thread_ = std::thread([raw = out.get()] { raw->watch(); });
  return out;
}

LoadFront::~LoadFront() {
  ended_ = true;
  if (thread_.joinable()) thread_.join();
}

Result<void> LoadFront::look() {
  HF_TRY(const AdminAnswer answer,
         good_answer(ask_admin(place_, "GET", "/metrics", {}, kPatience)));
  auto sample = load::read_front(answer.body, adapters::LoadGenerator::now());
  if (!sample.ok()) return sample.take_error().in(place_.address);
  const std::lock_guard lock(mutex_);
  if (samples_.size() < kMostSamples) samples_.push_back(std::move(*sample));
  return {};
}

void LoadFront::watch() {
  while (!ended_) {
    // sleep: between two looks
    const timespec wait{0, kBetween};
    ::nanosleep(&wait, nullptr);
    // One that fails is one look less; what there is tells enough.
    if (!ended_) static_cast<void>(look().ok());
  }
}

std::optional<load::FrontFinding> LoadFront::finding(Instant from, Instant to) const {
  const std::lock_guard lock(mutex_);
  return load::front_finding(samples_, from, to, limits_);
}

}  // namespace hf::app
