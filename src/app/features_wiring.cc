#include "app/features_wiring.h"

#include <fmt/format.h>

#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <map>
#include <string>
#include <utility>

#include "adapters/http/control_server.h"
#include "adapters/http/upstream_secret.h"
#include "adapters/system/clock.h"
#include "adapters/system/small_file.h"
#include "app/logging.h"
#include "base/quantity.h"
#include "control/features_view.h"
#include "control/ofrep.h"
#include "control/pressure.h"

namespace hf::app {
namespace {

constexpr std::chrono::milliseconds kLook{100};
constexpr int kLooksABreath = 150;  // 15 s: proxies on the way close what is silent for a minute
constexpr std::size_t kWordsMax = 256 * 1024;
constexpr int kListenersMax = 10'000;

adapters::ControlLimits limits() {
  adapters::ControlLimits out;
  out.connections = kListenersMax;
  out.read = Duration::seconds(75);  // idle time included: SDKs keep connections
  return out;
}

}  // namespace

class FeaturesWiring::Impl {
 public:
  Impl(boost::asio::io_context& io, runtime::Driver& driver, ports::Clock& clock,
       std::shared_ptr<const call::Settings> settings)
      : driver_(driver),
        clock_(clock),
        settings_(std::move(settings)),
        features_(settings_->features),
        ofrep_(features_, options()),
        server_(
            io,
            [this](const ports::ControlRequest& request, const ports::ControlRespond& respond) {
              ofrep_.handle(request, respond);
            },
            limits()),
        timer_(io) {
    const auto text = adapters::read_small_file(path(), kWordsMax);
    if (!text.ok()) return;
    const auto taken = control::take_words(features_, *text, clock_.read().wall);
    if (taken > 0) {
      log_event(adapters::LogLevel::info, "feature_words",
                fmt::format("{} features are set by hand, as before the restart", taken));
    }
  }

  Result<std::uint16_t> listen(const adapters::PassedSocket* passed) {
    HF_TRY(const auto port, server_.listen(settings_->features.listen, passed));
    look();
    return port;
  }

  const traffic::Features& features() const { return features_; }

  Result<std::string> set(const std::string& name, const std::string& body) {
    HF_TRY(auto word, control::parse_word(body, clock_.read().wall));
    const std::string said = fmt::format("{} {} until {}: {}", name, word.on ? "on" : "off",
                                         format_rfc3339(word.until), word.reason);
    if (!features_.set(name, std::move(word))) return unknown(name);
    keep();
    ofrep_.changed();
    log_event(adapters::LogLevel::warning, "feature_set", said);
    return said;
  }

  Result<std::string> release(const std::string& name) {
    if (!features_.find(name)) return unknown(name);
    if (!features_.release(name)) {
      return fail(ErrorKind::not_found, fmt::format("nothing was said of {} by hand", name));
    }
    keep();
    ofrep_.changed();
    log_event(adapters::LogLevel::info, "feature_released", name);
    return fmt::format("{} follows the load again", name);
  }

 private:
  static Error unknown(const std::string& name) {
    return {ErrorKind::not_found, fmt::format("no feature '{}' is configured", name)};
  }

  [[nodiscard]] std::string path() const { return settings_->journal.path + "/features"; }

  control::OfrepOptions options() {
    control::OfrepOptions out;
    out.origins = settings_->features.origins;
    out.epoch = fmt::format("{:x}", clock_.read().wall.ms);
    if (!settings_->features.token.empty()) {
      out.token = [this] {
        auto token = secrets_.resolve(settings_->features.token);
        // A token that cannot be had lets nobody in.
        return token.ok() ? std::move(*token) : unguessable_;
      };
    }
    return out;
  }

  void keep() {
    const auto kept = adapters::replace_small_file(path(), control::words_text(features_));
    if (kept.ok()) return;
    log_event(adapters::LogLevel::error, "feature_words",
              "what was said of features is not kept over a restart: " + kept.error().context);
  }

  void look() {
    const int before = features_.level();
    const auto words = features_.words();
    const bool changed = features_.observe(
        control::pressure_of(driver_.stats(), settings_->features), clock_.read());
    if (changed) {
      if (features_.level() != before) tell(features_.level() > before);
      tell_of_ended(words);
      if (features_.words().size() != words.size()) keep();
      ofrep_.changed();
    }
    if (++looks_ % kLooksABreath == 0) ofrep_.breathe();
    timer_.expires_after(kLook);
    timer_.async_wait([this](const boost::system::error_code& error) {
      if (!error) look();
    });
  }

  // A word that is over changes what pages show, although nobody did anything.
  void tell_of_ended(const std::map<std::string, traffic::Override, std::less<>>& before) const {
    for (const auto& [name, word] : before) {
      if (features_.words().contains(name)) continue;
      log_event(adapters::LogLevel::info, "feature_word_over",
                fmt::format("{} follows the load again; it was {} by hand: {}", name,
                            word.on ? "on" : "off", word.reason));
    }
  }

  void tell(bool dimmed) const {
    const auto level = static_cast<std::size_t>(features_.level());
    const traffic::Pressure& pressure = features_.pressure();
    const auto& flag = settings_->features.flags[dimmed ? level - 1 : level];
    log_event(adapters::LogLevel::warning, dimmed ? "feature_off" : "feature_on",
              fmt::format("{}: upstream {}, rule {}, measured {} us, threshold {} us", flag.name,
                          pressure.upstream, pressure.rule, pressure.measured, pressure.threshold));
  }

  runtime::Driver& driver_;
  ports::Clock& clock_;
  std::shared_ptr<const call::Settings> settings_;
  adapters::SecretResolver secrets_;
  std::string unguessable_ =
      fmt::format("{:016x}{:016x}", adapters::random_u64(), adapters::random_u64());
  traffic::Features features_;
  control::Ofrep ofrep_;
  adapters::ControlServer server_;
  boost::asio::steady_timer timer_;
  int looks_ = 0;
};

FeaturesWiring::FeaturesWiring(boost::asio::io_context& io, runtime::Driver& driver,
                               ports::Clock& clock, std::shared_ptr<const call::Settings> settings)
    : impl_(std::make_unique<Impl>(io, driver, clock, std::move(settings))) {}
FeaturesWiring::~FeaturesWiring() = default;
Result<std::uint16_t> FeaturesWiring::listen(const adapters::PassedSocket* passed) {
  return impl_->listen(passed);
}
const traffic::Features& FeaturesWiring::features() const {
  return impl_->features();
}
std::string FeaturesWiring::json() const {
  return control::features_json(impl_->features());
}
Result<std::string> FeaturesWiring::set(const std::string& name, const std::string& body) {
  return impl_->set(name, body);
}
Result<std::string> FeaturesWiring::release(const std::string& name) {
  return impl_->release(name);
}

}  // namespace hf::app
