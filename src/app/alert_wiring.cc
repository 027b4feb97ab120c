#include "app/alert_wiring.h"

#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <optional>
#include <utility>

#include "adapters/http/upstream.h"
#include "adapters/system/small_file.h"
#include "app/logging.h"

namespace hf::app {
namespace {

constexpr std::size_t kMemoryMax = 1024 * 1024;
constexpr std::chrono::milliseconds kLook{1000};

void log_notice(const control::Notice& notice) {
  const bool over = notice.what == control::Notice::What::over;
  adapters::LogLine line;
  line.level = over                                               ? adapters::LogLevel::info
               : control::is_critical(notice.alert.finding.cause) ? adapters::LogLevel::error
                                                                  : adapters::LogLevel::warning;
  line.what = over ? "alert_over" : "alert";
  line.upstream = notice.alert.finding.upstream;
  line.rule = std::string(to_string(notice.alert.finding.cause));
  line.detail = notice_text(notice);
  the_log().write(line);
}

void complain(const std::string& what) {
  log_event(adapters::LogLevel::warning, "alert_undelivered", what);
}

}  // namespace

class AlertWiring::Impl {
 public:
  Impl(boost::asio::io_context& io, runtime::Driver& driver, ports::Clock& clock,
       adapters::RocksdbJournal* journal, std::shared_ptr<const call::Settings> settings)
      : journal_(journal), settings_(std::move(settings)), mail_(io, {}), timer_(io) {
    control::AlertParts parts;
    parts.driver = &driver;
    parts.clock = &clock;
    parts.mail = &mail_;
    parts.settings = settings_;
    parts.journal = [this] { return standing(); };
    parts.log = log_notice;
    parts.complain = complain;
    parts.remember = [this](const std::string& memory) { remember(memory); };
    alerts_.emplace(std::move(parts), recall());
    mail_.set_events(&alerts_->mail_events());
    tick();
  }

  [[nodiscard]] const control::Alerts& alerts() const { return *alerts_; }

 private:
  [[nodiscard]] control::JournalStanding standing() const {
    if (journal_ == nullptr) return {};
    if (const auto why = journal_->broken()) return {true, "it is broken: " + *why};
    if (!journal_->metrics().accepting) return {true, "the disk or journal.max_bytes is full"};
    return {};
  }
  [[nodiscard]] std::string path() const { return settings_->journal.path + "/alerts.told"; }
  // Without a journal there is no folder to keep it in.
  std::string recall() const {
    if (journal_ == nullptr) return {};
    auto text = adapters::read_small_file(path(), kMemoryMax);
    if (text.ok()) return *std::move(text);
    complain(text.error().context + "; notices may come twice");
    return {};
  }
  void remember(const std::string& memory) const {
    if (journal_ == nullptr) return;
    const auto kept = adapters::replace_small_file(path(), memory);
    if (!kept.ok()) complain(kept.error().context + "; after a restart notices may come twice");
  }
  void tick() {
    timer_.expires_after(kLook);
    timer_.async_wait([this](const boost::system::error_code& error) {
      if (error) return;
      alerts_->look();
      tick();
    });
  }

  adapters::RocksdbJournal* journal_;
  std::shared_ptr<const call::Settings> settings_;
  adapters::HttpUpstream mail_;
  boost::asio::steady_timer timer_;
  std::optional<control::Alerts> alerts_;
};

AlertWiring::AlertWiring(boost::asio::io_context& io, runtime::Driver& driver, ports::Clock& clock,
                         adapters::RocksdbJournal* journal,
                         std::shared_ptr<const call::Settings> settings)
    : impl_(std::make_unique<Impl>(io, driver, clock, journal, std::move(settings))) {}
AlertWiring::~AlertWiring() = default;
const control::Alerts& AlertWiring::alerts() const {
  return impl_->alerts();
}

}  // namespace hf::app
