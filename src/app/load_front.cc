#include "app/load_front.h"

#include <time.h>

#include <boost/json.hpp>

#include "adapters/load/generator.h"
#include "adapters/system/clock.h"
#include "app/admin_talk.h"
#include "app/json_view.h"
#include "config/load.h"

namespace hf::app {
namespace {

namespace json = boost::json;

constexpr Duration kPatience = Duration::seconds(3);
constexpr std::int64_t kBetween = 500'000'000;
// Four hours of looks; what is later is not looked at.
constexpr std::size_t kMostSamples = 30'000;

void read_rates(const std::string& config, load::FrontLimits& out) {
  if (config.empty()) return;
  const config::Loaded loaded = config::load_file(config);
  if (!loaded.settings) return;
  for (const auto& [name, upstream] : loaded.settings->upstreams) {
    if (!upstream->rate) continue;
    out.rates[name] = static_cast<double>(upstream->rate->count) * 1e9 /
                      static_cast<double>(upstream->rate->per.ns);
  }
}

// What limits per client are for, which their counters do not tell. Without an answer they are
// named all the same.
void read_client_limits(const AdminPlace& place, load::FrontLimits& out) {
  const auto answer =
      read_answer(good_answer(ask_admin(place, "GET", "/v1/limits", {}, kPatience)));
  const json::array* limits = answer.ok() ? list_of(*answer, "limits") : nullptr;
  if (limits == nullptr) return;
  for (const json::value& value : *limits) {
    const json::object* one = value.if_object();
    if (one == nullptr) continue;
    load::FrontLimits::Client& client = out.clients[text_of(*one, "name")];
    client.observes = text_of(*one, "mode") == "observe";
    const json::value* rate = one->if_contains("rate");
    if (rate != nullptr && rate->is_string()) client.rate = rate->get_string();
    const json::array* by = list_of(*one, "by");
    if (by == nullptr) continue;
    for (const json::value& part : *by) {
      if (part.is_string()) client.by.emplace_back(part.get_string());
    }
  }
}

}  // namespace

Result<std::unique_ptr<LoadFront>> LoadFront::begin(const AdminHints& hints) {
  HF_TRY(AdminPlace place, find_admin(hints));
  std::unique_ptr<LoadFront> out(new LoadFront(std::move(place)));
  read_rates(hints.config, out->limits_);
  read_client_limits(out->place_, out->limits_);
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

std::optional<load::FrontFinding> LoadFront::finding(Instant from, Instant to,
                                                     load::FrontQuestion question) const {
  const std::lock_guard lock(mutex_);
  return load::front_finding(samples_, from, to, limits_, question);
}

}  // namespace hf::app
