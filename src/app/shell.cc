#include "app/shell.h"

#include <fmt/format.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "adapters/http/proxy_tunnel.h"
#include "adapters/http/server.h"
#include "adapters/http/upstream.h"
#include "adapters/http/upstream_secret.h"
#include "adapters/rocksdb/rocksdb_journal.h"
#include "adapters/seal/key_file.h"
#include "adapters/system/clock.h"
#include "adapters/system/crash_slot.h"
#include "app/control_wiring.h"
#include "app/features_wiring.h"
#include "app/heartbeat.h"
#include "app/limits_wiring.h"
#include "app/logging.h"
#include "app/observing.h"
#include "app/stale_wiring.h"
#include "app/tls_checks.h"
#include "call/intake.h"
#include "call/webhook.h"
#include "runtime/driver.h"

namespace hf::app {
namespace {

constexpr std::chrono::milliseconds kLastRequests{200};
constexpr Duration kCloseWithin = Duration::minutes(1);  // what ending takes beyond the drain

void say(const std::string& line) {
  std::fputs((line + "\n").c_str(), stdout);
  std::fflush(stdout);
}

std::string with_port(const std::string& address, std::uint16_t port) {
  return fmt::format("{}:{}", address.substr(0, address.rfind(':')), port);
}

}  // namespace

class Shell::Impl {
 public:
  Impl(std::shared_ptr<const call::Settings> settings, Surroundings& surroundings)
      : settings_(std::move(settings)),
        surroundings_(surroundings),
        timer_(io_, clock_),
        signals_(io_),
        drain_timer_(io_) {}

  Result<void> start();
  LifeEnd run();

 private:
  Result<call::Recovered> open_journal(const call::Sealer& sealer);
  runtime::Random128 random() {
    const std::uint64_t high = dice_.next();
    return {high, dice_.next()};
  }
  call::WebhookDoor make_door();
  call::Intake make_intake();
  void connect();
  void take_calls(ports::ClientEvents& taker);
  ports::Upstream& way_out() {
    if (stale_) return stale_->watch();
    return *upstream_;
  }
  ports::Clients& clients() {
    if (stale_) return stale_->answers();
    return *server_;
  }
  void lead_events(ports::ClientEvents& calls, ports::UpstreamEvents& attempts);
  Result<void> make_upstream();
  void make_server();
  const adapters::PassedSocket* passed(const std::string& address) const {
    return adapters::passed_at(surroundings_.sockets, address);
  }
  Result<void> bind();
  Result<void> bind_features();
  Result<void> bind_control(const std::string& token);
  void tell_stranded();
  void tell_of_secrets();
  void note_unsigned(const call::RouteSettings& route);
  void await_signal();
  void begin_drain();
  void refuse_calls();
  void check_drain();
  void on_broken(const std::string& why);

  std::shared_ptr<const call::Settings> settings_;
  Surroundings& surroundings_;
  boost::asio::io_context io_{1};
  adapters::SystemClock clock_;
  adapters::AsioTimer timer_;
  boost::asio::signal_set signals_;
  boost::asio::steady_timer drain_timer_;
  adapters::Dice dice_;
  adapters::CrashSlot crash_slot_;
  std::unique_ptr<adapters::RocksdbJournal> journal_;
  std::unique_ptr<adapters::HttpUpstream> upstream_;
  std::unique_ptr<adapters::Server> server_;
  std::unique_ptr<StaleWiring> stale_;  // where some route keeps answers
  std::unique_ptr<runtime::Driver> driver_;
  std::unique_ptr<FeaturesWiring> features_;  // where there are some
  std::unique_ptr<LimitsWiring> limits_;      // where there are some
  std::unique_ptr<Observing> observing_;      // where some route only observes
  std::unique_ptr<ControlWiring> control_;
  std::optional<Heartbeat> heartbeat_;
  std::optional<call::Hasher> hasher_;
  std::optional<call::Sealer> sealer_;  // of the journal
  struct Unsigned {
    std::optional<Instant> told_at;
    std::uint64_t since_told = 0;
  };
  std::map<std::string, Unsigned> unsigned_;  // by route
  std::optional<Instant> drain_until_;
  bool fresh_ = false;
  LifeEnd end_ = LifeEnd::drained;
};

Result<call::Recovered> Shell::Impl::open_journal(const call::Sealer& sealer) {
  surroundings_.manager.status("opening the journal");
  adapters::RocksdbOptions options;
  options.path = settings_->journal.path;
  options.max_bytes = settings_->journal.max_bytes;
  options.retention = settings_->journal.retention;
  journal_ = std::make_unique<adapters::RocksdbJournal>(
      std::move(options), sealer,
      [this](std::function<void()> task) { boost::asio::post(io_, std::move(task)); },
      [this] { return clock_.read(); });
  return journal_->open();
}

// A file that cannot be used stops the start, not every attempt.
Result<void> Shell::Impl::make_upstream() {
  adapters::UpstreamOptions options;
  options.seed = adapters::random_u64();
  options.log = [](const adapters::LogLine& line) { the_log().write(line); };
  upstream_ = std::make_unique<adapters::HttpUpstream>(io_, std::move(options));
  for (const auto& [name, upstream] : settings_->upstreams)
    HF_TRY_VOID(upstream_->prepare(*upstream));
  const WallTime now = clock_.read().wall;
  for (const auto& [upstream, certificate] : upstream_->certificates()) {
    const auto trouble = certificate_trouble(certificate, now);
    if (!trouble) continue;
    adapters::LogLine line;
    line.level = adapters::LogLevel::warning;
    line.what = "certificate_expires";
    line.upstream = upstream;
    line.detail = trouble->text;
    the_log().write(line);
  }
  return {};
}

void Shell::Impl::make_server() {
  adapters::ServerOptions limits;
  limits.buffers = settings_->buffers;
  limits.connections_max = settings_->connections_max;
  limits.client_address = settings_->traffic.client_address;
  server_ = std::make_unique<adapters::Server>(
      io_, std::make_shared<const call::Intake>(make_intake()), limits);
  if (settings_->keeps_answers()) {
    stale_ = std::make_unique<StaleWiring>(*settings_, *hasher_, clock_, *server_, *upstream_);
  }
}

Result<void> Shell::Impl::start() {
  const call::JournalSettings& journal = settings_->journal;
  call::Recovered recovered;
  std::optional<call::Sealer> sealer;
  std::string token;
  // A journal that is there may hold acknowledged calls, even if no route left would write one.
  std::error_code ignored;
  const bool journaled =
      settings_->needs_journal() || std::filesystem::exists(journal.path + "/db", ignored);
  if (journaled || settings_->observes() || !settings_->admin.empty()) {
    HF_TRY_VOID(adapters::make_private_dir(journal.path));
  }
  if (!settings_->admin.empty()) {
    HF_TRY(token, adapters::load_or_make_admin_token(journal.path + "/admin.token"));
  }
  // Hashes of keys among what was observed are to be the same after a restart.
  if (journaled || settings_->observes()) {
    const std::string key_file =
        journal.key_file.empty() ? journal.path + "/seal.key" : journal.key_file;
    HF_TRY(const adapters::SealKey key,
           adapters::load_or_make_seal_key(key_file, journal.path + "/db"));
    sealer.emplace(key.key);
  } else {
    sealer.emplace(adapters::random_bytes<call::Sealer::Key>());  // only hashes of this process
  }
  if (journaled) {
    auto opened = open_journal(*sealer);
    if (!opened.ok()) return opened.take_error();
    recovered = std::move(*opened);
    fresh_ = recovered.fresh;
    sealer_ = sealer;
  }
  hasher_.emplace(sealer->hash_secret());
  HF_TRY_VOID(make_upstream());
  make_server();

  engine::EngineOptions options;
  options.settings = settings_;
  options.seed = adapters::random_u64();
  options.hasher = hasher_;
  runtime::Hooks hooks;
  hooks.random = [this] { return random(); };
  hooks.note = [](const engine::Note& note) { log_note(note); };
  if (journal_) {
    HF_TRY_VOID(crash_slot_.open(journal.path + "/handling"));
    options.crashed_on = crash_slot_.take();
    hooks.handling = [this](const CallId* call) { crash_slot_.handling(call); };
  }
  hooks.on_broken = [this](const std::string& why) { on_broken(why); };
  driver_ = std::make_unique<runtime::Driver>(std::move(options), journal_.get(), way_out(),
                                              clients(), clock_, timer_, std::move(hooks));
  timer_.set_target([this] { driver_->on_wake(); });
  connect();
  if (journal_) journal_->attach(*driver_);
  driver_->start(recovered);

  HF_TRY_VOID(bind());
  HF_TRY_VOID(bind_control(token));
  tell_stranded();
  signals_.add(SIGTERM);
  signals_.add(SIGINT);
  await_signal();
  heartbeat_.emplace(io_, surroundings_.manager, [this] { return control_->status_line(); });
  heartbeat_->begin();
  return {};
}

// What clients and upstreams do goes there; where some route keeps answers, past its memory.
void Shell::Impl::lead_events(ports::ClientEvents& calls, ports::UpstreamEvents& attempts) {
  if (!stale_) {
    upstream_->set_events(&attempts);
    take_calls(calls);
    return;
  }
  stale_->watch().lead_to(attempts);
  stale_->answers().lead_to(calls);
  upstream_->set_events(&stale_->watch());
  take_calls(stale_->answers());
}

// Calls and attempts go to the driver; where some route only observes, past the relay.
void Shell::Impl::connect() {
  lead_events(*driver_, *driver_);
  if (!settings_->traffic.limits.empty()) {
    limits_ = std::make_unique<LimitsWiring>(settings_, clock_);
    server_->set_door(limits_->door());
  }
  if (!settings_->observes()) return;
  ObservingParts parts;
  parts.io = &io_;
  parts.clock = &clock_;
  parts.server = server_.get();
  parts.upstream = &way_out();
  parts.driver = driver_.get();
  parts.settings = settings_;
  parts.hasher = hasher_;
  parts.door = make_door();
  parts.seed = adapters::random_u64();
  observing_ = std::make_unique<Observing>(std::move(parts));
  lead_events(observing_->relay(), observing_->relay());
  observing_->begin();
}

// Past the sample of the traffic, where one is taken.
void Shell::Impl::take_calls(ports::ClientEvents& taker) {
  if (!surroundings_.sample) return server_->set_events(taker);
  surroundings_.sample->pass_to(taker);
  server_->set_events(*surroundings_.sample);
}

void Shell::Impl::await_signal() {
  signals_.async_wait([this](const boost::system::error_code& error, int) {
    if (!error) begin_drain();
  });
}

call::Intake Shell::Impl::make_intake() {
  tell_of_secrets();
  return {settings_, *hasher_, make_door()};
}

call::WebhookDoor Shell::Impl::make_door() {
  call::WebhookDoor door;
  door.secret = [resolver = std::make_shared<adapters::SecretResolver>()](
                    const std::string& value) { return resolver->resolve(value); };
  door.now = [this] { return clock_.read().wall; };
  door.warn = [](const std::string& line) {
    log_event(adapters::LogLevel::error, "webhook_secret", line);
  };
  door.refused = [this](const call::RouteSettings& route) { note_unsigned(route); };
  return door;
}

// Secrets that cannot be had now: callbacks and what goes through a proxy wait for them, webhooks
// are refused. Better said at the start than found out by the first of them.
void Shell::Impl::tell_of_secrets() {
  const auto look = [](const std::vector<std::string>& secrets, const std::string& where,
                       bool standard) {
    for (std::size_t i = 0; i < secrets.size(); ++i) {
      auto key = adapters::resolve_secret(secrets[i]);
      if (key.ok() && standard) key = call::webhook_secret(*key);
      if (key.ok()) continue;
      log_event(adapters::LogLevel::error, "secret_unavailable",
                fmt::format("{}[{}]: {}", where, i, key.error().context));
    }
  };
  look(settings_->callbacks.secrets, "callbacks.secrets", true);
  if (!settings_->features.token.empty()) {
    const auto token = adapters::resolve_secret(settings_->features.token);
    if (!token.ok()) {
      log_event(adapters::LogLevel::error, "secret_unavailable",
                fmt::format("features.token: {}; nobody is told of features until it can be had",
                            token.error().context));
    }
  }
  for (const auto& [name, upstream] : settings_->upstreams) {
    if (!upstream->proxy) continue;
    auto read = adapters::proxy_credentials(
        *upstream->proxy, [](const std::string& value) { return adapters::resolve_secret(value); });
    if (read.ok()) continue;
    log_event(adapters::LogLevel::error, "secret_unavailable",
              fmt::format("upstreams.{}.proxy: {}", name, read.error().context));
  }
  for (const auto& route : settings_->routes) {
    if (!route->webhook) continue;
    look(route->webhook->secrets, "route " + route->path + ": webhook.secrets",
         route->webhook->scheme == call::WebhookScheme::standard);
  }
}

// One line a minute and route: whoever sends forgeries must not fill the log with them.
void Shell::Impl::note_unsigned(const call::RouteSettings& route) {
  Unsigned& seen = unsigned_[route.path];
  seen.since_told += 1;
  const Instant now = clock_.read().mono;
  if (seen.told_at && now - *seen.told_at < Duration::minutes(1)) return;
  log_event(adapters::LogLevel::warning, "webhook_refused",
            fmt::format("route {}: {} requests without a good signature", route.path,
                        std::exchange(seen.since_told, 0)));
  seen.told_at = now;
}

Result<void> Shell::Impl::bind() {
  const bool tls = !settings_->tls.certificate.empty();
  auto port = server_->listen(settings_->listen, {}, settings_->tls, passed(settings_->listen));
  if (!port.ok()) return port.take_error().in("listen: " + settings_->listen);
  say(fmt::format("holdfast listening on {}://{}", tls ? "https" : "http",
                  with_port(settings_->listen, *port)));
  std::set<std::string> others;
  for (const auto& route : settings_->routes) {
    if (!route->listen.empty()) others.insert(route->listen);
  }
  for (const std::string& address : others) {
    auto other = server_->listen(address, address, settings_->tls, passed(address));
    if (!other.ok()) return other.take_error().in("listen: " + address);
    say(fmt::format("holdfast listening on {}://{}", tls ? "https" : "http",
                    with_port(address, *other)));
  }
  return {};
}

Result<void> Shell::Impl::bind_features() {
  if (settings_->features.listen.empty()) return {};
  const std::string& address = settings_->features.listen;
  features_ = std::make_unique<FeaturesWiring>(io_, *driver_, clock_, settings_);
  auto port = features_->listen(passed(address));
  if (!port.ok()) return port.take_error().in("features.listen: " + address);
  say("features on http://" + with_port(address, *port));
  return {};
}

Result<void> Shell::Impl::bind_control(const std::string& token) {
  HF_TRY_VOID(bind_features());
  ControlParts parts;
  parts.io = &io_;
  parts.driver = driver_.get();
  parts.server = server_.get();
  parts.upstream = upstream_.get();
  parts.journal = journal_.get();
  parts.clock = &clock_;
  parts.fresh = fresh_;
  parts.hasher = hasher_;
  parts.observing = observing_.get();
  parts.limits = limits_.get();
  parts.features = features_.get();
  parts.stale = stale_.get();
  parts.token = token;
  parts.sealer = sealer_;
  parts.fresh_id = [this] {
    const runtime::Random128 dice = random();
    return CallId::make(clock_.read().wall, dice.high, dice.low);
  };
  control_ = std::make_unique<ControlWiring>(std::move(parts), settings_);
  if (!settings_->admin.empty()) {
    auto port = control_->listen_admin(settings_->admin, passed(settings_->admin));
    if (!port.ok()) return port.take_error().in("admin: " + settings_->admin);
    say("admin on http://" + with_port(settings_->admin, *port));
  }
  if (!settings_->health.empty()) {
    auto port = control_->listen_health(settings_->health, passed(settings_->health));
    if (!port.ok()) return port.take_error().in("health: " + settings_->health);
    say("health on http://" + with_port(settings_->health, *port));
  }
  return {};
}

// Calls that wait for an upstream of an earlier configuration stand still: somebody must know.
void Shell::Impl::tell_stranded() {
  ports::CallFilter waiting;
  waiting.state = call::State::waiting;
  waiting.limit = 1000;
  driver_->list(waiting, [this](const Result<ports::CallPage>& page) {
    if (!page.ok()) return;
    std::map<std::string, int> stranded;
    for (const auto& call : (*page).calls) {
      if (!settings_->upstreams.contains(call->upstream)) stranded[call->upstream] += 1;
    }
    for (const auto& [name, calls] : stranded) {
      log_event(
          adapters::LogLevel::error, "upstream_missing",
          fmt::format("{} held calls or more wait for upstream `{}`, which is not configured: "
                      "put it back until they have ended",
                      calls, name));
    }
  });
}

void Shell::Impl::begin_drain() {
  if (drain_until_) {  // asked twice: at once
    io_.stop();
    return;
  }
  drain_until_ = clock_.read().mono + settings_->drain;
  log_event(adapters::LogLevel::info, "draining", "no new calls; a second signal stops at once");
  surroundings_.manager.stopping(settings_->drain + kCloseWithin);
  control_->set_draining();
  server_->stop_accepting();
  await_signal();
  // Who was connected a moment ago has a request on its way: it is taken, not cut.
  // One that was accepted in this very turn is told of in the next.
  if (server_->counters().connections == 0) {
    return boost::asio::post(io_, [this] { refuse_calls(); });
  }
  drain_timer_.expires_after(kLastRequests);
  drain_timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) refuse_calls();
  });
}

void Shell::Impl::refuse_calls() {
  server_->drain();
  driver_->drain();
  check_drain();
}

void Shell::Impl::check_drain() {
  const bool quiet = driver_->quiet() && server_->idle();
  if (quiet || clock_.read().mono >= *drain_until_) {
    if (!quiet)
      log_event(adapters::LogLevel::warning, "drain_cut",
                "the drain limit has passed with work under way");
    io_.stop();
    return;
  }
  drain_timer_.expires_after(std::chrono::milliseconds(20));
  drain_timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) check_drain();
  });
}

void Shell::Impl::on_broken(const std::string& why) {
  const auto cause = journal_ ? journal_->broken() : std::nullopt;
  log_event(adapters::LogLevel::error, "journal_broken",
            why + (cause ? ": " + *cause : std::string()));
  end_ = LifeEnd::broken;
  io_.stop();
}

LifeEnd Shell::Impl::run() {
  const auto work = boost::asio::make_work_guard(io_);
  io_.run();
  server_->close_all();
  upstream_->shutdown();
  if (observing_) observing_->end();
  if (journal_) journal_->close();
  return end_;
}

Shell::Shell(std::shared_ptr<const call::Settings> settings, Surroundings& surroundings)
    : impl_(std::make_unique<Impl>(std::move(settings), surroundings)) {}
Shell::~Shell() = default;
Result<void> Shell::start() {
  return impl_->start();
}
LifeEnd Shell::run() {
  return impl_->run();
}

}  // namespace hf::app
