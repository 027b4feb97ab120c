// What is to be said of the service and its upstreams, once all routes have been rehearsed.
#include <fmt/format.h>

#include <algorithm>

#include "base/quantity.h"
#include "review/review.h"
#include "review/story.h"

namespace hf::review {
namespace {

using Story = std::vector<std::string>;

bool volatile_path(std::string_view path) {
  for (const std::string_view root : {"/tmp", "/var/tmp", "/dev/shm", "/run", "/var/run"}) {
    if (path == root || (path.starts_with(root) && path.substr(root.size()).starts_with('/'))) {
      return true;
    }
  }
  return false;
}

class Judge {
 public:
  Judge(const std::vector<RouteFacts>& routes, const config::Loaded& loaded,
        std::vector<Finding>& out)
      : routes_(routes), settings_(*loaded.settings), places_(loaded.places), out_(out) {}

  void run() {
    journal();
    endings();
    less();
    credentials();
  }

 private:
  [[nodiscard]] bool any(bool (*fits)(const RouteFacts&)) const {
    return std::any_of(routes_.begin(), routes_.end(), fits);
  }

  void journal() {
    const bool journaled = any([](const RouteFacts& facts) { return facts.journaled(); });
    const std::string& path = settings_.journal.path;
    if (!journaled) {
      if (places_.of_service("journal").from != config::Place::From::written) return;
      return add(Rule::less_journal, "journal",
                 "No call would ever be written to it: no route is keyed or holds", {}, "journal",
                 "leave `journal` out");
    }
    if (volatile_path(path)) {
      add(Rule::journal_volatile, "journal.path",
          fmt::format("{} does not outlive a reboot, or is cleaned", path),
          {"A charge is made under a key, and answered",
           "The machine is started again: the journal is gone",
           "The client, which did not get the answer, repeats with its key",
           "Holdfast has never heard of it, and sends it as a new call"},
          "journal.path", "path: /var/lib/holdfast");
    } else if (!path.starts_with('/')) {
      add(Rule::journal_relative, "journal.path",
          fmt::format("{} is another journal in another directory", path),
          {"Holdfast is started by hand, or by another unit, from another directory",
           "It makes an empty journal there; keys used before are not known, held calls stand "
           "still",
           "A client repeats with its key, and it is sent as a new call"},
          "journal.path", "path: /var/lib/holdfast");
    }
    if (settings_.health.empty() && settings_.admin.empty()) {
      add(Rule::no_health, "health", "Neither `health` nor `admin` listens",
          {"The disk fills up", "New calls are refused with 503 `journal-unavailable`",
           "No probe, scraper or alert sees it; the customers do"},
          "health", "health: 127.0.0.1:8082");
    }
  }

  // Of the routes whose calls may end badly the first is named.
  void endings() {
    const RouteFacts* ends = nullptr;
    const RouteFacts* untold = nullptr;
    for (const RouteFacts& facts : routes_) {
      if (facts.bad_end() == nullptr) continue;
      if (ends == nullptr) ends = &facts;
      if (untold == nullptr && facts.ends_untold()) untold = &facts;
    }
    if (untold != nullptr && settings_.alerts.targets.empty()) {
      Story story = story_of(*untold->bad_end());
      story.push_back(fmt::format("The log has a line `{}`", untold->bad_end()->errors.back()));
      add(Rule::nobody_told, "alerts",
          fmt::format("The end of {} is told to nobody but the log", untold->name()),
          std::move(story), "alerts", "alerts: { webhook: { url: \"https://...\" } }");
    }
    if (ends == nullptr || !settings_.admin.empty()) return;
    add(Rule::no_admin, "admin",
        fmt::format("Calls of {} may stand `unknown` or held, and nobody can ask for them",
                    ends->name()),
        {fmt::format("A call of {} is held, or ends `unknown` or `dead`", ends->name()),
         "Somebody has to know which, settle it, or send it again",
         "`holdfast calls` has nobody to ask: there is no admin listener"},
        "admin", "admin: 127.0.0.1:8081");
  }

  void less() {
    const bool changing = any([](const RouteFacts& facts) { return facts.changing; });
    const bool limits = std::any_of(settings_.upstreams.begin(), settings_.upstreams.end(),
                                    [](const auto& one) { return one.second->rate.has_value(); });
    if (!changing && !limits) {
      add(Rule::less_client_enough, "routes",
          "Only safe methods, no limits: an HTTP client with a timeout is enough", {}, "routes",
          "nothing, or an HTTP client with a timeout and two retries");
    }
    const bool holds = any([](const RouteFacts& facts) { return facts.holds(); });
    if (!settings_.callbacks.allow.empty() && !holds) {
      add(Rule::less_callbacks, "callbacks", "No route holds, so there is no end to tell", {},
          "callbacks", "leave `callbacks` out");
    }
  }

  void credentials() {
    for (const auto& [name, upstream] : settings_.upstreams) {
      if (!upstream->credentials_stored) continue;
      bool led = false;
      bool holds = false;
      for (const RouteFacts& facts : routes_) {
        if (facts.upstream != upstream.get()) continue;
        led = true;
        holds = holds || facts.holds();
      }
      if (!led || holds) continue;
      const auto place = places_.of_upstream(*upstream, "credentials");
      out_.push_back({Rule::less_credentials,
                      place,
                      "upstream " + name,
                      "`credentials: stored`, and no route to it holds",
                      {},
                      {place, "leave `credentials` out"},
                      {}});
    }
  }

  void add(Rule rule, std::string_view key, std::string message, Story story,
           std::string_view change_key, std::string text) {
    out_.push_back({rule,
                    places_.of_service(key),
                    {},
                    std::move(message),
                    std::move(story),
                    {places_.of_service(change_key), std::move(text)},
                    {}});
  }

  const std::vector<RouteFacts>& routes_;
  const call::Settings& settings_;
  const config::Places& places_;
  std::vector<Finding>& out_;
};

}  // namespace

void judge_service(const std::vector<RouteFacts>& routes, const config::Loaded& loaded,
                   std::vector<Finding>& out) {
  Judge(routes, loaded, out).run();
}

}  // namespace hf::review
