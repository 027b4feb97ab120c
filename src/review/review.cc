#include "review/review.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "base/check.h"

namespace hf::review {
namespace {

using call::Accepted;

// Everything that is accepted somewhere, and whether a finding was there for it.
class Acceptance {
 public:
  explicit Acceptance(const config::Loaded& loaded) : places_(loaded.places) {
    const auto& settings = *loaded.settings;
    for (const auto& one : settings.accepted)
      entries_.push_back({one, "", places_.of_service("review.accept." + one.rule), false});
    for (const auto& [name, upstream] : settings.upstreams) {
      for (const auto& one : upstream->accepted) {
        const auto place = places_.of_upstream(*upstream, "review.accept." + one.rule);
        entries_.push_back({one, "upstreams." + name + ".", place, false});
      }
    }
    for (std::size_t i = 0; i < settings.routes.size(); ++i) {
      const auto& route = *settings.routes[i];
      const auto& upstream = *settings.upstreams.at(route.upstream);
      for (const auto& one : route.accepted) {
        const auto place = places_.of_route(i, route, upstream, "review.accept." + one.rule);
        entries_.push_back({one, fmt::format("routes[{}].", i), place, false});
      }
    }
  }

  // `places` of those whose word counts: the finding's own, its route's, its upstream's.
  std::string reason(Rule rule, const std::vector<std::string>& owners) {
    std::string out;
    for (Entry& entry : entries_) {
      if (entry.accepted.rule != row_of(rule).id) continue;
      const bool its = entry.owner.empty() ||
                       std::find(owners.begin(), owners.end(), entry.owner) != owners.end();
      if (!its) continue;
      entry.used = true;
      if (out.empty()) out = entry.accepted.reason;
    }
    return out;
  }

  void add_stale(const Choice& choice, std::vector<Finding>& out) const {
    for (const Entry& entry : entries_) {
      const auto& id = entry.accepted.rule;
      // What was not looked for cannot be said to be gone.
      const bool looked_for =
          (choice.only.empty() || choice.only.contains(id)) && !choice.skip.contains(id);
      if (entry.used || !looked_for) continue;
      const bool known = find_rule(id) != nullptr;
      out.push_back({Rule::accept_stale,
                     entry.place,
                     {},
                     known ? fmt::format("`{}` is accepted here, and there is no such finding", id)
                           : fmt::format("`{}` is accepted here, and there is no such rule", id),
                     {},
                     {entry.place, "leave it out"},
                     {}});
    }
  }

 private:
  struct Entry {
    Accepted accepted;
    std::string owner;  // "routes[0]."; empty: the service
    config::Place place;
    bool used = false;
  };

  const config::Places& places_;
  std::vector<Entry> entries_;
};

bool wanted(Rule rule, const Choice& choice) {
  const std::string_view id = row_of(rule).id;
  return (choice.only.empty() || choice.only.contains(id)) && !choice.skip.contains(id);
}

// One that every route of an upstream has is said once, of the first.
void drop_repeated(std::vector<Finding>& findings) {
  std::set<std::pair<Rule, std::string>> seen;
  std::erase_if(findings, [&](const Finding& finding) {
    return !seen.emplace(finding.rule, finding.place.path).second;
  });
}

void sort(std::vector<Finding>& findings) {
  std::stable_sort(findings.begin(), findings.end(), [](const Finding& a, const Finding& b) {
    return std::tuple(b.level(), a.place.at.line, a.place.at.column) <
           std::tuple(a.level(), b.place.at.line, b.place.at.column);
  });
}

}  // namespace

std::size_t Report::count(Level level) const {
  return static_cast<std::size_t>(
      std::count_if(findings.begin(), findings.end(),
                    [&](const Finding& finding) { return finding.level() == level; }));
}

bool Report::any(Level level) const {
  return std::any_of(findings.begin(), findings.end(),
                     [&](const Finding& finding) { return finding.level() >= level; });
}

Report review(const config::Loaded& loaded, const Choice& choice) {
  HF_CHECK(loaded.settings != nullptr);
  const auto& settings = *loaded.settings;
  Report out;
  out.file = loaded.places.file();
  out.places = loaded.places;
  out.check_warnings = loaded.findings.size();
  Acceptance acceptance(loaded);
  std::vector<RouteFacts> routes;
  bool bad_end = false;
  const auto take = [&](std::vector<Finding>& found, const std::vector<std::string>& owners) {
    std::erase_if(found, [&](const Finding& finding) { return !wanted(finding.rule, choice); });
    for (Finding& finding : found) {
      finding.accepted = acceptance.reason(finding.rule, owners);
      (finding.accepted.empty() ? out.findings : out.accepted).push_back(std::move(finding));
    }
    found.clear();
  };
  std::vector<Finding> found;
  for (std::size_t i = 0; i < settings.routes.size(); ++i) {
    routes.push_back(gather(settings, i));
    const RouteFacts& facts = routes.back();
    const auto place = loaded.places.of_route(i, *facts.route, *facts.upstream, "path");
    out.routes.push_back(
        {i, facts.name(), facts.route->upstream, place, answers_of(facts, settings)});
    judge_route(facts, loaded, found);
    take(found, {fmt::format("routes[{}].", i), "upstreams." + facts.route->upstream + "."});
    // There may be a thousand of them: of one bad end the story is told below.
    const bool told_below = facts.ends_untold() && !bad_end;
    bad_end = bad_end || told_below;
    if (!told_below) routes.back().forget_moments();
  }
  judge_service(routes, loaded, found);
  for (Finding& finding : found) {
    std::vector<Finding> one{std::move(finding)};
    const auto upstream = one.front().subject;
    take(one, {upstream.starts_with("upstream ") ? "upstreams." + upstream.substr(9) + "."
                                                 : std::string()});
  }
  drop_repeated(out.findings);
  drop_repeated(out.accepted);
  if (wanted(Rule::accept_stale, choice)) acceptance.add_stale(choice, out.findings);
  sort(out.findings);
  sort(out.accepted);
  return out;
}

}  // namespace hf::review
