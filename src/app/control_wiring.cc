#include "app/control_wiring.h"

#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <optional>
#include <utility>

#include "adapters/http/control_server.h"
#include "adapters/telemetry/process.h"
#include "app/alert_wiring.h"
#include "app/features_wiring.h"
#include "app/limits_wiring.h"
#include "app/logging.h"
#include "app/observed_files.h"
#include "app/observing.h"
#include "app/operation_files.h"
#include "app/stale_wiring.h"
#include "control/admin.h"
#include "control/autoscale.h"
#include "control/features_view.h"
#include "control/health.h"
#include "control/limits_view.h"

namespace hf::app {
namespace {

control::JournalFacts facts_of(const adapters::JournalMetrics& metrics, WallTime now) {
  control::JournalFacts facts;
  facts.commits = metrics.commits;
  facts.conflicts = metrics.conflicts;
  facts.failures = metrics.failures;
  facts.reads = metrics.reads;
  facts.sync_micros = metrics.sync_micros;
  facts.sync_bounds_micros.assign(adapters::JournalMetrics::kSyncBounds.begin(),
                                  adapters::JournalMetrics::kSyncBounds.end());
  facts.sync_counts.assign(metrics.sync_buckets.begin(), metrics.sync_buckets.end());
  facts.bytes_written = metrics.bytes_written;
  facts.database_bytes = metrics.database_bytes;
  facts.disk_free_bytes = metrics.disk_free_bytes;
  facts.retired = metrics.retired;
  facts.evicted = metrics.evicted;
  facts.queued = metrics.queued;
  facts.accepting = metrics.accepting;
  for (const call::State state :
       {call::State::waiting, call::State::sending, call::State::unknown, call::State::open}) {
    control::JournalFacts::Standing group;
    group.state = std::string(call::to_string(state));
    const auto found = metrics.standing.find(state);
    if (found != metrics.standing.end()) {
      group.calls = found->second.calls;
      const Duration age = now - found->second.oldest.value_or(now);
      group.oldest_seconds = static_cast<std::uint64_t>(age.ceil_seconds());
    }
    facts.standing.push_back(std::move(group));
  }
  return facts;
}

constexpr std::size_t kClientsShown = 20;

control::ClientFacts facts_of(const policy::Busiest::Top& top) {
  control::ClientFacts facts;
  facts.over = top.over;
  for (const policy::Busiest::Client& one : top.clients)
    facts.busiest.push_back({format_ip(one.who), one.asked, one.refused});
  return facts;
}

control::ServerFacts facts_of(const adapters::ServerCounters& counters, std::uint64_t limit) {
  control::ServerFacts facts;
  facts.connections = counters.connections;
  facts.accepted = counters.accepted;
  facts.refused_connections = counters.refused_connections;
  facts.refused_buffers = counters.refused_buffers;
  facts.problems = counters.problems;
  facts.requests = counters.requests;
  facts.malformed = counters.malformed;
  facts.answers = counters.answers;
  facts.cut_answers = counters.cut_answers;
  facts.gone = counters.gone;
  facts.timed_out = counters.timed_out;
  facts.handshakes_failed = counters.handshakes_failed;
  facts.buffered_bytes = counters.buffered_bytes;
  facts.buffer_limit_bytes = limit;
  return facts;
}

control::OutgoingFacts facts_of(const adapters::HttpUpstream& upstream) {
  const adapters::UpstreamCounters counters = upstream.counters();
  control::OutgoingFacts facts;
  for (const auto& one : upstream.certificates())
    facts.certificates.push_back({one.upstream, one.certificate.not_after});
  for (auto& one : upstream.addresses())
    facts.addresses.push_back({one.upstream, one.url, std::move(one.facts)});
  for (auto& one : upstream.proxies())
    facts.proxies.push_back({one.upstream, one.proxy, std::move(one.results)});
  facts.active = counters.active;
  facts.idle = counters.idle;
  facts.connected = counters.connected;
  facts.connect_failed = counters.connect_failed;
  facts.redialled = counters.redialled;
  facts.lookups = counters.lookups;
  facts.secret_failures = counters.secret_failures;
  facts.reused = counters.pool.reused;
  facts.dropped_idle = counters.pool.dropped_idle;
  facts.dropped_poll = counters.pool.dropped_poll;
  facts.dropped_stale = counters.pool.dropped_stale;
  return facts;
}

control::AlertCounts facts_of(const control::Alerts& alerts) {
  control::AlertCounts facts;
  for (const control::Alert& alert : alerts.active()) {
    facts.active.push_back({std::string(to_string(alert.finding.cause)), alert.finding.upstream});
  }
  for (const control::MailCounts& box : alerts.mail())
    facts.notices.push_back({box.target, box.sent, box.failed, box.dropped});
  return facts;
}

control::ProcessFacts process_facts() {
  const adapters::ProcessReading reading = adapters::read_process();
  control::ProcessFacts facts;
  facts.version = HOLDFAST_VERSION;
  facts.started = reading.started;
  facts.resident_bytes = reading.resident_bytes;
  facts.open_fds = reading.open_fds;
  facts.max_fds = reading.max_fds;
  facts.cpu_micros = reading.cpu_micros;
  facts.log_lines_left_out = the_log().left_out();
  return facts;
}

}  // namespace

class ControlWiring::Impl {
 public:
  Impl(ControlParts parts, std::shared_ptr<const call::Settings> settings)
      : parts_(std::move(parts)),
        settings_(std::move(settings)),
        sample_(*parts_.io),
        alerts_(*parts_.io, *parts_.driver, *parts_.clock, parts_.journal, settings_) {}

  // What is read without a look at the whole process.
  control::Facts condition() const {
    control::Facts facts;
    facts.draining = draining_;
    if (parts_.journal != nullptr) {
      facts.journal = facts_of(parts_.journal->metrics(), parts_.clock->read().wall);
      facts.journal->max_bytes = settings_->journal.max_bytes;
      facts.journal->broken = parts_.journal->broken().has_value();
      facts.journal->fresh = parts_.fresh;
    }
    return facts;
  }

  control::Facts facts() const {
    control::Facts facts = condition();
    facts.process = process_facts();
    facts.server = facts_of(parts_.server->counters(), settings_->buffers);
    facts.clients = facts_of(parts_.server->busiest(kClientsShown));
    facts.outgoing = facts_of(*parts_.upstream);
    facts.alerts = facts_of(alerts_.alerts());
    if (parts_.observing != nullptr) facts.observed = parts_.observing->counts();
    for (const auto& [name, demand] : autoscale_.all())
      facts.demand_permille[name] = demand.demand_permille;
    if (parts_.limits != nullptr) facts.limits = control::limit_facts(parts_.limits->limiter());
    if (parts_.stale != nullptr) facts.stale = parts_.stale->facts();
    if (parts_.features != nullptr) {
      facts.features = control::feature_facts(parts_.features->features());
    }
    return facts;
  }

  Result<std::uint16_t> listen_admin(const std::string& address,
                                     const adapters::PassedSocket* passed) {
    control::AdminOptions options;
    options.token = parts_.token;
    options.listen = address;
    options.settings = settings_;
    options.facts = [this] { return facts(); };
    options.hasher = parts_.hasher;
    options.now = [this] { return parts_.clock->read().wall; };
    options.alerts = [this] { return alerts_.alerts().json(); };
    options.traffic = traffic();
    options.fresh_id = parts_.fresh_id;
    options.log = [](std::string_view what, const std::string& detail) {
      log_event(adapters::LogLevel::info, what, detail);
    };
    options.observed = [this](WallTime since, const std::string& route,
                              const control::ObservedAnswer& answer) {
      sum_up_observed(since, route, answer);
    };
    options.sealer = parts_.sealer;
    if (parts_.sealer) {
      options.operations =
          operation_files(settings_->journal.path + "/operations", *parts_.sealer, *parts_.clock);
    }
    admin_.emplace(*parts_.driver, std::move(options));
    admin_server_.emplace(*parts_.io, [this](const ports::ControlRequest& request,
                                             const ports::ControlRespond& respond) {
      admin_->handle(request, respond);
    });
    return admin_server_->listen(address, passed);
  }

  Result<std::uint16_t> listen_health(const std::string& address,
                                      const adapters::PassedSocket* passed) {
    health_.emplace(
        *parts_.driver, [this] { return facts(); }, autoscale_);
    health_server_.emplace(*parts_.io, [this](const ports::ControlRequest& request,
                                              const ports::ControlRespond& respond) {
      health_->handle(request, respond);
    });
    return health_server_->listen(address, passed);
  }

  control::TrafficAdmin traffic() {
    control::TrafficAdmin out;
    out.autoscale = [this] { return control::autoscale_json(autoscale_); };
    if (parts_.limits != nullptr) {
      out.limits = [this] { return parts_.limits->json(); };
      out.lift = [this](std::string_view limit, std::string_view client) {
        return parts_.limits->limiter().lift(limit, client);
      };
    }
    if (parts_.features != nullptr) {
      out.features = [this] { return parts_.features->json(); };
      out.set_feature = [this](const std::string& name, const std::string& body) {
        return parts_.features->set(name, body);
      };
      out.release_feature = [this](const std::string& name) {
        return parts_.features->release(name);
      };
    }
    return out;
  }

  void set_draining() { draining_ = true; }

  void sample() {
    autoscale_.sample(parts_.driver->stats(), parts_.clock->read().mono);
    sample_.expires_after(std::chrono::seconds(1));
    sample_.async_wait([this](const boost::system::error_code& error) {
      if (!error) sample();
    });
  }

 private:
  // Without a route that observes there is still what earlier ones saw.
  void sum_up_observed(WallTime since, const std::string& route,
                       const control::ObservedAnswer& answer) const {
    if (parts_.observing != nullptr) return parts_.observing->sum_up(since, route, answer);
    const ObservedFiles files(observed_folder(settings_->journal.path));
    const auto sum = files.read(since);
    if (!sum.ok()) return answer(Error(sum.error()));
    answer(sum->json(since, parts_.clock->read().wall, route, settings_.get()));
  }

  ControlParts parts_;
  std::shared_ptr<const call::Settings> settings_;
  boost::asio::steady_timer sample_;
  control::Autoscale autoscale_;
  AlertWiring alerts_;
  bool draining_ = false;
  std::optional<control::Admin> admin_;
  std::optional<control::Health> health_;
  std::optional<adapters::ControlServer> admin_server_;
  std::optional<adapters::ControlServer> health_server_;
};

ControlWiring::ControlWiring(ControlParts parts, std::shared_ptr<const call::Settings> settings)
    : impl_(std::make_unique<Impl>(std::move(parts), std::move(settings))) {
  impl_->sample();
}
ControlWiring::~ControlWiring() = default;
Result<std::uint16_t> ControlWiring::listen_admin(const std::string& address,
                                                  const adapters::PassedSocket* passed) {
  return impl_->listen_admin(address, passed);
}
Result<std::uint16_t> ControlWiring::listen_health(const std::string& address,
                                                   const adapters::PassedSocket* passed) {
  return impl_->listen_health(address, passed);
}
std::string ControlWiring::status_line() const {
  return control::status_line(impl_->condition());
}
void ControlWiring::set_draining() {
  impl_->set_draining();
}

}  // namespace hf::app
