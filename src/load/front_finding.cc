#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "load/front.h"
#include "load/words.h"

namespace hf::load {
namespace {

// Of all requests: less than this is not what gave way, unless errors did.
constexpr double kWorthSaying = 0.01;
constexpr double kFull = 0.9;
// Of the looks, so many saw somebody wait.
constexpr double kQueues = 0.5;
// A limit that moved more than this within the looks is told with where it moved.
constexpr double kMoved = 1.2;

std::string count(double value) {
  return grouped(static_cast<std::uint64_t>(std::max(0.0, value)));
}

std::string time_of(double seconds) {
  return brief(Duration::nanos(static_cast<std::int64_t>(seconds * 1e9)));
}

template <typename Key>
double more(const std::map<Key, double>& before, const Key& key, double now) {
  const auto found = before.find(key);
  return now - (found == before.end() ? 0 : found->second);
}

// As policy/concurrency.h shares a limit out: a tenth is kept for held calls, one at least.
double most_live(double limit) {
  if (limit <= 1) return limit;
  return limit - std::min(limit / 2, std::max(1.0, limit / 10));
}

// What of an upstream happened over some looks.
struct Seen {
  double queue = 0;        // most
  double queue_delay = 0;  // most
  double in_flight = 0;    // most
  double mean_in_flight = 0;
  double queued_share = 0;  // of the looks that saw somebody wait
  double fullness = 0;      // most: in flight, of the places for live calls
  double attempts = 0;      // made
  double limit = 0;         // at the end
  double least_limit = 0;
  double most_limit = 0;
  std::optional<double> baseline;  // at the end
  bool open = false;
  bool paused = false;
};

FrontFinding named(std::string upstream, std::string limit) {
  FrontFinding out;
  out.upstream = std::move(upstream);
  out.limit = std::move(limit);
  return out;
}

struct Candidate {
  FrontFinding finding;
  double weight = 0;  // requests that it hit
};

class Looks {
 public:
  Looks(std::vector<const FrontSample*> looks, const FrontLimits& limits, FrontQuestion question)
      : looks_(std::move(looks)), limits_(limits), question_(question) {}

  [[nodiscard]] FrontFinding finding() const;

 private:
  [[nodiscard]] const FrontSample& first() const { return *looks_.front(); }
  [[nodiscard]] const FrontSample& last() const { return *looks_.back(); }
  [[nodiscard]] double seconds() const {
    return static_cast<double>((last().at - first().at).ns) / 1e9;
  }
  [[nodiscard]] double heads() const {
    return std::max({1.0, last().heads - first().heads, last().requests - first().requests});
  }
  [[nodiscard]] Seen seen(const std::string& upstream) const;
  [[nodiscard]] const FrontUpstream& before(const std::string& upstream) const;
  // "its learnt limit of 23 was full (21 live, ...)"
  [[nodiscard]] std::string full_in_words(const Seen& seen) const;
  [[nodiscard]] FrontFinding waiting(const std::string& upstream, const Seen& seen) const;

  [[nodiscard]] std::optional<Candidate> overload(const std::string& upstream) const;
  [[nodiscard]] std::optional<Candidate> failures(const std::string& upstream) const;
  void add_client_limits(std::vector<Candidate>& out, std::vector<std::string>& would) const;
  [[nodiscard]] std::vector<Candidate> refusals(std::vector<std::string>& would) const;
  [[nodiscard]] std::vector<FrontFinding> queues() const;
  [[nodiscard]] FrontFinding by_rest() const;
  [[nodiscard]] std::string answered_by_itself() const;

  std::vector<const FrontSample*> looks_;
  const FrontLimits& limits_;
  FrontQuestion question_;
};

const FrontUpstream& Looks::before(const std::string& upstream) const {
  static const FrontUpstream kNone;
  const auto found = first().upstreams.find(upstream);
  return found == first().upstreams.end() ? kNone : found->second;
}

Seen Looks::seen(const std::string& upstream) const {
  Seen out;
  const double share = 1.0 / static_cast<double>(looks_.size());
  for (const FrontSample* look : looks_) {
    const auto found = look->upstreams.find(upstream);
    if (found == look->upstreams.end()) continue;
    const FrontUpstream& now = found->second;
    out.queue = std::max(out.queue, now.queue);
    out.queue_delay = std::max(out.queue_delay, now.queue_delay);
    out.in_flight = std::max(out.in_flight, now.in_flight);
    out.mean_in_flight += now.in_flight * share;
    out.queued_share += now.queue > 0 ? share : 0;
    if (now.limit > 0) {
      out.fullness = std::max(out.fullness, now.in_flight / most_live(now.limit));
      out.least_limit = out.limit > 0 ? std::min(out.least_limit, now.limit) : now.limit;
      out.most_limit = std::max(out.most_limit, now.limit);
      out.limit = now.limit;
    }
    out.baseline = now.baseline;
    out.open = out.open || now.breaker_open;
    out.paused = out.paused || now.paused > 0;
  }
  const auto after = last().upstreams.find(upstream);
  if (after != last().upstreams.end() && first().upstreams.contains(upstream))
    out.attempts = after->second.attempts - before(upstream).attempts;
  return out;
}

// The codes of what Holdfast refused by itself meanwhile.
std::string Looks::answered_by_itself() const {
  std::string out;
  for (const auto& [code, total] : last().problems) {
    const double made = more(first().problems, code, total);
    if (made <= 0) continue;
    out += fmt::format("{}{} x {}", out.empty() ? "" : ", ", count(made), code);
  }
  return out.empty() ? out : " Holdfast answered by itself: " + out + ".";
}

std::string Looks::full_in_words(const Seen& seen) const {
  if (!seen.baseline) {
    return fmt::format(
        "its concurrency of {:.0f} was used up ({:.0f} live, the rest is kept for held calls)",
        seen.limit, seen.in_flight);
  }
  const std::string limit = seen.most_limit > kMoved * seen.least_limit
                                ? fmt::format("limit, which moved between {:.0f} and {:.0f},",
                                              seen.least_limit, seen.most_limit)
                                : fmt::format("limit of {:.0f}", seen.limit);
  return fmt::format("its learnt {} was full (up to {:.0f} live, a tenth is kept for held calls)",
                     limit, seen.in_flight);
}

FrontFinding Looks::waiting(const std::string& upstream, const Seen& seen) const {
  FrontFinding out = named(upstream, "queue");
  const auto known = limits_.rates.find(upstream);
  const double rate = seconds() > 0 ? seen.attempts / seconds() : 0;
  std::string queued = fmt::format("up to {} calls waited for their turn", count(seen.queue));
  if (seen.queue_delay > 0) queued += fmt::format(" for up to {}", time_of(seen.queue_delay));
  if (known != limits_.rates.end() && rate >= kFull * known->second) {
    out.limit = "rate";
    out.sentence = fmt::format("Upstream {}: its rate of {} was used up, and {}.", upstream,
                               per_second(known->second), queued);
    return out;
  }
  if (seen.fullness >= kFull) {
    out.limit = seen.baseline ? "learnt" : "concurrency";
    out.sentence = fmt::format("Upstream {}: {}, and {}. At {} each took {} there", upstream,
                               full_in_words(seen), queued, per_second(rate),
                               time_of(rate > 0 ? seen.mean_in_flight / rate : 0));
    if (seen.baseline && *seen.baseline > 0)
      out.sentence += fmt::format("; with nobody in its way, {}", time_of(*seen.baseline));
    out.sentence += ".";
    return out;
  }
  out.sentence = fmt::format(
      "Upstream {}: {} with {:.0f} in flight: {} (give --config to have it "
      "named).",
      upstream, queued, seen.in_flight,
      seen.limit > 0 ? "its rate or its retry budget"
                     : "its concurrency, its rate or its retry budget");
  return out;
}

std::optional<Candidate> Looks::overload(const std::string& upstream) const {
  const auto after = last().upstreams.find(upstream);
  constexpr std::array<const char*, 4> kClasses{"optional", "low", "normal", "critical"};
  double all = 0;
  bool matters = false;
  std::string parts;
  for (const char* importance : kClasses) {
    for (const auto& [what, total] : after->second.shed) {
      if (what.first != importance) continue;
      const double sent = more(before(upstream).shed, what, total);
      if (sent <= 0) continue;
      all += sent;
      matters = matters || what.first == "normal" || what.first == "critical";
      parts += fmt::format("{}{} {} ({})", parts.empty() ? "" : ", ", count(sent), what.first,
                           what.second);
    }
  }
  if (all <= 0) return std::nullopt;
  const Seen seen = this->seen(upstream);
  FrontFinding out = named(upstream, "overload");
  // Where they waited and that is what matters, the queue has been told of before.
  const bool told = question_ == FrontQuestion::delay && seen.queued_share >= kQueues;
  const std::string full = told || seen.fullness < kFull ? "" : full_in_words(seen) + ", and ";
  out.sentence = fmt::format(
      "Upstream {}: {}overload sent away {} calls ({} of all requests) so that others need not "
      "wait: {}. {}",
      upstream, full, count(all), percent(std::min(1.0, all / heads())), parts,
      matters ? "Not only what is optional went: it does not bear what is asked of it."
              : "All that matters more was kept.");
  return Candidate{std::move(out), all};
}

// Attempts that the upstream itself did not serve.
std::optional<Candidate> Looks::failures(const std::string& upstream) const {
  constexpr std::array<std::pair<const char*, const char*>, 5> kRows{
      {{"retry_status", "answered 5xx or 408"},
       {"no_status", "had no answer"},
       {"answer_cut", "had a broken answer"},
       {"nothing_sent", "found no connection"},
       {"refused", "were refused there"}}};
  const auto after = last().upstreams.find(upstream);
  double all = 0;
  std::string parts;
  for (const auto& [row, words] : kRows) {
    const auto found = after->second.outcomes.find(row);
    if (found == after->second.outcomes.end()) continue;
    const double failed = more(before(upstream).outcomes, found->first, found->second);
    if (failed <= 0) continue;
    all += failed;
    parts += fmt::format("{}{} {}", parts.empty() ? "" : ", ", count(failed), words);
  }
  if (all <= 0) return std::nullopt;
  FrontFinding out = named(upstream, "failures");
  out.sentence = fmt::format("Upstream {}: of {} attempts there {} failed: {}.{}", upstream,
                             count(std::max(all, seen(upstream).attempts)), count(all), parts,
                             answered_by_itself());
  return Candidate{std::move(out), all};
}

std::string counts_by(const FrontLimits::Client& limit) {
  const std::string rate = limit.rate.empty() ? "It" : "Its " + limit.rate;
  if (limit.by.empty()) return fmt::format(" {} is for everybody together.", rate);
  if (limit.by == std::vector<std::string>{"address"}) {
    return fmt::format(
        " {} is counted for each address, and all of this load comes from one: let that address "
        "in (`allow`) to measure what stands behind the limit.",
        rate);
  }
  std::string parts;
  for (const std::string& part : limit.by)
    parts += (parts.empty() ? "" : " and ") + part;
  return fmt::format(
      " {} is counted for each client, told apart by {}: a load with one of them is one client.",
      rate, parts);
}

void Looks::add_client_limits(std::vector<Candidate>& out, std::vector<std::string>& would) const {
  for (const auto& [name, results] : last().client_limits) {
    const auto then = first().client_limits.find(name);
    static const std::map<std::string, double> kNone;
    const auto& base = then == first().client_limits.end() ? kNone : then->second;
    double all = 0;
    std::string parts;
    for (const char* result : {"quota", "banned", "blocked"}) {
      const auto found = results.find(result);
      if (found == results.end()) continue;
      const double refused = more(base, found->first, found->second);
      if (refused <= 0) continue;
      all += refused;
      const bool quota = found->first == "quota";
      parts += fmt::format("{}{} {}", parts.empty() ? "" : ", ", count(refused),
                           quota ? "over quota" : result);
    }
    if (all <= 0) continue;
    const auto known = limits_.clients.find(name);
    const std::string share = fmt::format("{} of {} requests ({})", count(all), count(heads()),
                                          percent(std::min(1.0, all / heads())));
    if (known != limits_.clients.end() && known->second.observes) {
      would.push_back(fmt::format("The limit {} only observes; it would have refused {}: {}.", name,
                                  share, parts));
      continue;
    }
    FrontFinding finding = named({}, "client_limit");
    finding.name = name;
    finding.sentence =
        fmt::format("The limit {} refused {} before they were calls: {}.{}", name, share, parts,
                    known == limits_.clients.end() ? "" : counts_by(known->second));
    out.push_back({std::move(finding), all});
  }
}

// Who was sent away, by what hit most.
std::vector<Candidate> Looks::refusals(std::vector<std::string>& would) const {
  std::vector<Candidate> out;
  add_client_limits(out, would);
  for (const auto& [name, now] : last().upstreams) {
    if (auto found = overload(name)) out.push_back(std::move(*found));
    if (auto found = failures(name)) out.push_back(std::move(*found));
  }
  const double refused = last().refused_connections - first().refused_connections;
  if (refused > 0) {
    FrontFinding finding = named({}, "connections_max");
    finding.sentence =
        fmt::format("Holdfast refused {} connections: over connections_max.", count(refused));
    out.push_back({std::move(finding), refused});
  }
  // Where errors broke the objective, the smallest share of them may have.
  if (question_ == FrontQuestion::delay) {
    std::erase_if(out, [this](const Candidate& one) {
      return one.finding.limit != "connections_max" && one.weight < kWorthSaying * heads();
    });
  }
  std::stable_sort(out.begin(), out.end(),
                   [](const auto& a, const auto& b) { return a.weight > b.weight; });
  return out;
}

// Breakers and pauses come before what they cause; then whoever let most wait.
std::vector<FrontFinding> Looks::queues() const {
  std::vector<FrontFinding> out;
  std::vector<Candidate> queued;
  for (const auto& [name, now] : last().upstreams) {
    const Seen seen = this->seen(name);
    if (seen.open) {
      out.push_back(named(name, "breaker"));
      out.back().sentence = fmt::format("Upstream {}: its breaker opened: it failed too often.{}",
                                        name, answered_by_itself());
    } else if (seen.paused) {
      out.push_back(named(name, "pause"));
      out.back().sentence = fmt::format(
          "Upstream {}: it asked for a pause (429 or Retry-After): its limit, not ours.{}", name,
          answered_by_itself());
    } else if (seen.queued_share >= kQueues) {
      queued.push_back({waiting(name, seen), seen.queue});
    }
  }
  std::stable_sort(queued.begin(), queued.end(),
                   [](const auto& a, const auto& b) { return a.weight > b.weight; });
  for (Candidate& one : queued)
    out.push_back(std::move(one.finding));
  return out;
}

FrontFinding Looks::by_rest() const {
  const double cpu = seconds() > 0 ? (last().cpu_seconds - first().cpu_seconds) / seconds() : 0;
  FrontFinding out = named({}, "none");
  if (cpu >= kFull) {
    out.limit = "cpu";
    out.sentence =
        fmt::format("Holdfast itself: it used {} of a core, and one thread decides.", percent(cpu));
    return out;
  }
  out.sentence = "Holdfast saw no limit of its own: no queue, no open breaker, no pause." +
                 answered_by_itself();
  double most = 1;
  for (const auto& [name, now] : last().upstreams) {
    const Seen seen = this->seen(name);
    if (seen.mean_in_flight <= most || seen.attempts <= 0 || seconds() <= 0) continue;
    most = seen.mean_in_flight;
    const double rate = seen.attempts / seconds();
    out.upstream = name;
    out.limit = "upstream";
    out.sentence = fmt::format(
        "Upstream {}: {:.3g} in flight at {}, so that each took {} there; Holdfast itself held "
        "nothing back ({} of a core).",
        name, seen.mean_in_flight, per_second(rate), time_of(seen.mean_in_flight / rate),
        percent(cpu));
  }
  return out;
}

FrontFinding Looks::finding() const {
  std::vector<std::string> would;
  std::vector<FrontFinding> found = queues();
  std::vector<FrontFinding> refused;
  for (Candidate& one : refusals(would))
    refused.push_back(std::move(one.finding));
  const auto cause = [](const FrontFinding& one) {
    return one.limit == "breaker" || one.limit == "pause";
  };
  const auto place = question_ == FrontQuestion::errors
                         ? std::find_if_not(found.begin(), found.end(), cause)
                         : found.end();
  found.insert(place, refused.begin(), refused.end());
  // What overload tells of a queue need not be told again.
  for (std::size_t i = 0; i < found.size(); ++i) {
    const bool told =
        std::any_of(found.begin(), found.begin() + static_cast<std::ptrdiff_t>(i),
                    [&](const FrontFinding& one) {
                      return one.limit == "overload" && one.upstream == found[i].upstream;
                    });
    if (told && found[i].limit != "failures")
      found.erase(found.begin() + static_cast<std::ptrdiff_t>(i--));
  }
  FrontFinding out = found.empty() ? by_rest() : found.front();
  for (std::size_t i = 1; i < found.size(); ++i)
    out.also.push_back(std::move(found[i].sentence));
  out.also.insert(out.also.end(), would.begin(), would.end());
  const double calls = last().requests - first().requests;
  for (const auto& [name, now] : last().upstreams) {
    const double attempts = seen(name).attempts;
    if (calls > 0 && attempts > 0) out.attempts_per_call[name] = attempts / calls;
    if (now.baseline) out.learnt[name] = now.limit;
  }
  return out;
}

}  // namespace

std::optional<FrontFinding> front_finding(const std::vector<FrontSample>& samples, Instant from,
                                          Instant to, const FrontLimits& limits,
                                          FrontQuestion question) {
  std::vector<const FrontSample*> looks;
  for (const FrontSample& sample : samples) {
    if (sample.at >= from && sample.at <= to) looks.push_back(&sample);
  }
  if (looks.size() < 2) return std::nullopt;
  return Looks(std::move(looks), limits, question).finding();
}

}  // namespace hf::load
