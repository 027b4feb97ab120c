// holdfast-sim: runs worlds from seeds. One seed replays one world exactly.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <random>
#include <string>
#include <thread>

#include "sim/bugs.h"
#include "sim/campaign.h"
#include "sim/shortest.h"
#include "sim/world.h"

namespace {

using hf::sim::CampaignOptions;
using hf::sim::Edition;
using hf::sim::Outcome;

struct Wishes {
  CampaignOptions campaign;
  std::uint64_t seed = 0;
  double minutes = 0;
  bool trace = false;
  bool shortest = false;
  bool json = false;
  bool all_probes = false;
  bool list_bugs = false;
  std::string bug;
  std::string edition = "full";
};

constexpr const char* kAllBugs = "all";
constexpr const char* kAbout =
    "Runs the real engine and driver in simulated, hostile worlds, and judges them by what the\n"
    "clients and the upstreams saw. Exit code 1: something did not hold. With --bug it is the "
    "other\n"
    "way round: 0 when an oracle that the bug names has caught it, 1 when none has.\n\n"
    "  holdfast-sim --seeds 1000              worlds 1 to 1000\n"
    "  holdfast-sim --minutes 2               fresh worlds, for two minutes\n"
    "  holdfast-sim --seed 42 --trace         one world, every event\n"
    "  holdfast-sim --list-bugs               bugs that can be planted, and who must see them\n"
    "  holdfast-sim --bug retry-an-unknown    worlds until that one is caught\n"
    "  holdfast-sim --bug all                 ... for each of them";

void print_violations(const Outcome& outcome, const Wishes& wishes) {
  const std::string options = (wishes.edition == "full" ? "" : " --edition " + wishes.edition) +
                              (wishes.bug.empty() ? "" : " --bug " + wishes.bug);
  for (const auto& [seed, what] : outcome.violated) {
    for (const std::string& violation : what)
      fmt::print("seed {}: {}\n", seed, violation);
    fmt::print("  replay: holdfast-sim --seed {}{} --trace\n", seed, options);
  }
}

// What it takes to see it, and no more.
void print_shortest(std::uint64_t seed, Edition edition, const std::string& violation) {
  const auto found = hf::sim::shortest_trace(seed, edition, violation);
  std::string orders;
  for (const std::string& name : found.orders)
    orders += ' ' + name;
  std::string without;
  for (const std::string& name : found.without)
    without += ' ' + name;
  fmt::print("  the shortest trace of seed {}: {}{}{}\n", seed,
             orders.empty() ? "all orders" : "only" + orders, without.empty() ? "" : ", without",
             without);
  for (const std::string& line : found.lines)
    fmt::print("  {}\n", line);
}

std::string summary(const hf::sim::Counts& counts) {
  std::string out;
  for (const auto& [name, member] : hf::sim::kCounts)
    out += fmt::format("{}{} {}", out.empty() ? "" : ", ", counts.*member, name);
  return out;
}

void print_json(const Outcome& outcome, double seconds) {
  fmt::print("{{\"seconds\":{:.1f},\"violated\":[", seconds);
  const char* comma = "";
  for (const auto& [seed, what] : outcome.violated) {
    fmt::print("{}{{\"seed\":{},\"oracle\":\"{}\"}}", comma, seed,
               hf::sim::oracle_of(what.front()));
    comma = ",";
  }
  fmt::print("],\"counts\":{{");
  comma = "";
  for (const auto& [name, member] : hf::sim::kCounts) {
    fmt::print("{}\"{}\":{}", comma, name, outcome.counts.*member);
    comma = ",";
  }
  fmt::print("}},\"probes\":{{");
  comma = "";
  for (const auto& [name, hits] : outcome.probes) {
    fmt::print("{}\"{}\":{}", comma, name, hits);
    comma = ",";
  }
  fmt::print("}}}}\n");
}

// True: every probe was hit, or nobody asked.
bool print_probes(const Outcome& outcome, bool wanted) {
  std::string missed;
  for (const auto& [name, hits] : outcome.probes) {
    if (hits == 0) missed += ' ' + name;
  }
  if (wanted) {
    for (const auto& [name, hits] : outcome.probes)
      fmt::print("  {:>10} {}\n", hits, name);
  }
  if (!missed.empty()) fmt::print("probes that no world hit:{}\n", missed);
  return missed.empty() || !wanted;
}

int run_many(Wishes wishes) {
  CampaignOptions& campaign = wishes.campaign;
  if (wishes.minutes > 0) {
    campaign.lasts = hf::Duration::millis(static_cast<std::int64_t>(wishes.minutes * 60'000));
    if (campaign.start == 0) campaign.start = std::random_device{}() | 1ULL << 32;
  }
  if (campaign.start == 0) campaign.start = 1;
  if (!wishes.json) fmt::print("seeds from {} on\n", campaign.start);
  std::fflush(stdout);
  const bool draws = ::isatty(STDERR_FILENO) != 0;
  const auto began = std::chrono::steady_clock::now();
  const auto seconds = [began] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  };
  const Outcome outcome = hf::sim::run_campaign(campaign, [&](const Outcome& so_far) {
    if (!draws) return;
    fmt::print(stderr, "\r{} worlds, {} orders, {} violated, {:.0f} s ", so_far.counts.worlds,
               so_far.counts.calls, so_far.violated.size(), seconds());
  });
  if (draws) fmt::print(stderr, "\r\033[K");
  const double took = seconds();
  if (wishes.json) {
    print_json(outcome, took);
    return outcome.violated.empty() ? 0 : 1;
  }
  print_violations(outcome, wishes);
  if (!outcome.violated.empty()) {
    const auto& [seed, what] = outcome.violated.front();
    const std::string oracle = hf::sim::oracle_of(what.front());
    // The one ends its process, the other is none of one world.
    if (oracle != "check" && oracle != "determinism") {
      print_shortest(seed, campaign.edition, what.front());
    }
  }
  const bool probed = print_probes(outcome, wishes.all_probes);
  fmt::print("{}\n{} violated, {:.1f} s, {:.0f} worlds a minute\n", summary(outcome.counts),
             outcome.violated.size(), took,
             static_cast<double>(outcome.counts.worlds) * 60 / std::max(took, 0.001));
  return outcome.violated.empty() && probed ? 0 : 1;
}

// One bug after another, each until it is caught; a line each.
int hunt(const Wishes& wishes) {
  int missed = 0;
  const char* comma = "[";
  for (const hf::sim::PlantedBug& bug : hf::sim::planted_bugs()) {
    if (wishes.bug != kAllBugs && wishes.bug != bug.name) continue;
    CampaignOptions campaign = wishes.campaign;
    campaign.bug = &bug;
    const Outcome outcome = hf::sim::run_campaign(campaign, [](const Outcome&) {});
    missed += outcome.caught ? 0 : 1;
    const std::uint64_t seed = outcome.caught ? outcome.caught->seed : 0;
    const std::uint64_t needed = seed - std::min(seed, campaign.start - 1);
    if (wishes.json) {
      fmt::print(R"({}{{"bug":"{}","oracle":"{}","seed":{},"worlds":{},"harm":{}}})", comma,
                 bug.name, outcome.caught_by, seed, outcome.caught ? needed : outcome.counts.worlds,
                 outcome.harm);
      comma = ",\n ";
    } else if (outcome.caught) {
      fmt::print("{:<34} caught in world {} (the {}.) by {}\n", bug.name, seed, needed,
                 outcome.caught_by);
    } else {
      fmt::print("{:<34} not caught in {} worlds; it did its harm {} times\n", bug.name,
                 outcome.counts.worlds, outcome.harm);
    }
    std::fflush(stdout);
    if (wishes.bug != kAllBugs && !wishes.json) {
      Wishes replay = wishes;
      if (campaign.edition == Edition::asking) replay.edition = "asking";
      print_violations(outcome, replay);
    }
  }
  if (wishes.json) fmt::print("]\n");
  return missed == 0 ? 0 : 1;
}

int run_one(const Wishes& wishes, Edition edition) {
  hf::sim::Trace trace;
  if (wishes.trace) {
    trace = [](hf::Instant at, const std::string& line) {
      fmt::print("{:>14.6f} {}\n", static_cast<double>(at.ns) / 1e9, line);
    };
  }
  const auto verdict =
      hf::sim::World({.seed = wishes.seed, .edition = edition, .trace = trace}).run();
  for (const std::string& violation : verdict.violations)
    fmt::print("seed {}: {}\n", wishes.seed, violation);
  if (wishes.shortest && !verdict.violations.empty()) {
    print_shortest(wishes.seed, edition, verdict.violations.front());
  }
  fmt::print("{}\n{} s of virtual time\n", summary(verdict), verdict.took.ceil_seconds());
  return verdict.violations.empty() ? 0 : 1;
}

int list_bugs() {
  for (const hf::sim::PlantedBug& bug : hf::sim::planted_bugs()) {
    std::string oracles;
    for (const auto oracle : bug.caught_by)
      oracles += (oracles.empty() ? "" : ", ") + std::string(oracle);
    fmt::print("{:<28} {}\n{:<28} caught by {}\n", bug.name, bug.what, "", oracles);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{kAbout};
  Wishes wishes;
  wishes.campaign.start = 0;
  wishes.campaign.jobs = std::max(1U, std::thread::hardware_concurrency());
  auto* seeds = app.add_option("--seeds", wishes.campaign.worlds, "how many worlds");
  app.add_option("--start", wishes.campaign.start, "the first seed");
  auto* seed = app.add_option("--seed", wishes.seed, "this one world");
  app.add_option("--minutes", wishes.minutes, "fresh worlds for so long, instead of --seeds")
      ->check(CLI::PositiveNumber)
      ->excludes(seeds)
      ->excludes(seed);
  app.add_flag("--trace", wishes.trace, "with --seed: print every event")->needs(seed);
  app.add_flag("--shortest", wishes.shortest,
               "with --seed: what the violation needs, and only the events that belong to it")
      ->needs(seed);
  app.add_option("--bug", wishes.bug,
                 "plant this bug: worlds until one of its oracles catches it; `all`: each of them");
  app.add_flag("--list-bugs", wishes.list_bugs, "the bugs, what they do, and who must see them");
  app.add_option("--jobs", wishes.campaign.jobs, "processes")->check(CLI::Range(1, 64));
  app.add_option("--edition", wishes.edition, "worlds as they were drawn once")
      ->check(CLI::IsMember({"full", "asking", "plain"}));
  app.add_flag("--probes", wishes.all_probes, "print how often each rare branch was taken");
  app.add_flag("--json", wishes.json, "for scripts");
  CLI11_PARSE(app, argc, argv);
  if (wishes.list_bugs) return list_bugs();
  const bool all = wishes.bug == kAllBugs && !*seed;
  if (!wishes.bug.empty() && !all && hf::sim::find_bug(wishes.bug) == nullptr) {
    fmt::print(stderr, "there is no bug '{}'; --list-bugs shows them\n", wishes.bug);
    return 2;
  }
  const Edition edition = wishes.edition == "plain"    ? Edition::plain
                          : wishes.edition == "asking" ? Edition::asking
                                                       : Edition::full;
  wishes.campaign.edition = edition;
  if (*seed) {
    if (!wishes.bug.empty()) hf::sim::plant(wishes.bug);
    return run_one(wishes, edition);
  }
  if (!wishes.bug.empty()) {
    if (!*seeds) wishes.campaign.worlds = hf::sim::kCaughtWithin;
    wishes.campaign.start = std::max<std::uint64_t>(wishes.campaign.start, 1);
    return hunt(wishes);
  }
  return run_many(wishes);
}
