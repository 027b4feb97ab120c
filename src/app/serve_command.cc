#include "app/serve_command.h"

#include <fmt/format.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <map>
#include <utility>

#include "adapters/system/clock.h"
#include "app/logging.h"
#include "app/shell.h"
#include "app/tls_checks.h"
#include "base/quantity.h"
#include "config/load.h"
#include "config/print.h"

namespace hf::app {
namespace {

constexpr int kLivesMax = 5;  // that the journal ends in a row before we give up
constexpr Duration kRebuildWithin = Duration::hours(1);
constexpr std::chrono::minutes kLongLife{10};  // one that is no part of a row

config::Loaded load(const std::string& file, const std::vector<std::string>& routes) {
  if (!file.empty()) return config::load_file(file);
  return config::from_routes(routes);
}

void print_findings(const std::vector<config::Finding>& findings) {
  for (const config::Finding& finding : findings) {
    std::fputs((config::format(finding) + "\n").c_str(), stderr);
  }
}

// A listener takes the passed socket of its own address. One that nobody takes would let clients
// connect, and never answer them.
Result<void> judge_sockets(const std::vector<adapters::PassedSocket>& sockets,
                           const call::Settings& settings) {
  std::map<std::string, std::string> listeners{{"listen", settings.listen}};
  if (!settings.admin.empty()) listeners["admin"] = settings.admin;
  if (!settings.health.empty()) listeners["health"] = settings.health;
  for (const auto& route : settings.routes) {
    if (!route->listen.empty()) listeners[fmt::format("route {}", route->path)] = route->listen;
  }
  for (const adapters::PassedSocket& socket : sockets) {
    std::string others;
    bool taken = false;
    for (const auto& [name, address] : listeners) {
      taken = taken || adapters::passed_at({socket}, address) != nullptr;
      others += fmt::format("{}{}: {}", others.empty() ? "" : ", ", name, address);
    }
    if (taken) continue;
    return fail(ErrorKind::invalid,
                fmt::format("the socket `{}` that was passed listens on {}, which is no listener "
                            "of the configuration ({}): make ListenStream= of the socket unit and "
                            "the configuration say the same address",
                            socket.name, socket.address, others));
  }
  return {};
}

Result<Surroundings> look_around(const call::Settings& settings) {
  Surroundings out;
  HF_TRY(out.sockets, adapters::passed_sockets(adapters::passed_environment()));
  HF_TRY_VOID(judge_sockets(out.sockets, settings));
  HF_TRY(out.manager, adapters::ServiceManager::open(adapters::ServiceManager::environment()));
  return out;
}

Result<std::unique_ptr<TrafficSample>> open_sample(const ServeOptions& options) {
  if (options.record.empty()) return std::unique_ptr<TrafficSample>();
  auto share = parse_permille(options.record_share);
  if (!share.ok()) return share.take_error().in("--record-share");
  return TrafficSample::open({options.record, *share, options.record_headers},
                             adapters::random_u64());
}

int failed(const Error& error) {
  std::fputs(("serve: " + error.context + "\n").c_str(), stderr);
  return 1;
}

}  // namespace

int serve(const ServeOptions& options) {
  if (options.config.empty() == options.routes.empty()) {
    std::fputs("serve: give either -c FILE or --route PATH=URL; see `holdfast serve --help`\n",
               stderr);
    return 2;
  }
  config::Loaded loaded = load(options.config, options.routes);
  print_findings(loaded.findings);
  if (!loaded.settings) {
    std::fputs("serve: not started because of the errors above\n", stderr);
    return 1;
  }
  auto settings = std::make_shared<call::Settings>(*loaded.settings);
  if (!options.listen.empty()) settings->listen = options.listen;
  if (!options.journal.empty()) settings->journal.path = options.journal;
  auto surroundings = look_around(*settings);
  if (!surroundings.ok()) return failed(surroundings.error());
  auto sample = open_sample(options);
  if (!sample.ok()) return failed(sample.error());
  surroundings->sample = std::move(*sample);
  std::signal(SIGPIPE, SIG_IGN);
  the_log().take_over_spdlog();
  for (int life = 1;; ++life) {
    const auto began = std::chrono::steady_clock::now();
    Shell shell(settings, *surroundings);
    auto started = shell.start();
    if (!started.ok()) return failed(started.error());
    if (shell.run() == LifeEnd::drained) return 0;
    if (std::chrono::steady_clock::now() - began >= kLongLife) life = 0;
    if (life == kLivesMax) {
      log_event(adapters::LogLevel::error, "giving_up", "the journal broke again and again");
      return 1;
    }
    log_event(adapters::LogLevel::warning, "rebuilding", "beginning anew from the journal");
    surroundings->manager.away(kRebuildWithin);
    surroundings->manager.status("beginning anew from the journal");
  }
}

int check(const CheckOptions& options) {
  config::Loaded loaded = config::load_file(options.config);
  judge_files(loaded, options.config, adapters::SystemClock().read().wall);
  print_findings(loaded.findings);
  bool warned = false;
  for (const config::Finding& finding : loaded.findings) {
    warned = warned || finding.level == config::Finding::Level::warning;
  }
  if (!loaded.settings) return 1;
  if (options.print) std::fputs(config::print(*loaded.settings).c_str(), stdout);
  if (options.strict && warned) return 1;
  if (!options.print) fmt::print("{}: ok\n", options.config);
  return 0;
}

}  // namespace hf::app
