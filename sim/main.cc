// holdfast-sim: runs worlds from seeds. One seed replays one world exactly.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <string>

#include "sim/world.h"

int main(int argc, char** argv) {
  CLI::App app{
      "Runs the real engine and driver in simulated, hostile worlds.\n\n"
      "  holdfast-sim --seeds 1000            worlds 1 to 1000\n"
      "  holdfast-sim --seed 42 --trace       one world, every event"};
  std::uint64_t seeds = 100;
  std::uint64_t start = 1;
  std::uint64_t seed = 0;
  bool trace = false;
  bool plain = false;
  app.add_option("--seeds", seeds, "how many worlds");
  app.add_option("--start", start, "the first seed");
  app.add_option("--seed", seed, "this one world");
  app.add_flag("--trace", trace, "print every event");
  app.add_flag("--plain", plain, "without lookups and without what callers may ask");
  CLI11_PARSE(app, argc, argv);
  if (seed != 0) {
    start = seed;
    seeds = 1;
  }
  hf::sim::Verdict sum;
  std::uint64_t bad = 0;
  const auto began = std::chrono::steady_clock::now();
  for (std::uint64_t s = start; s < start + seeds; ++s) {
    hf::sim::World world({.seed = s, .trace = trace, .asking = !plain});
    const hf::sim::Verdict verdict = world.run();
    sum.calls += verdict.calls;
    sum.effects += verdict.effects;
    sum.crashes += verdict.crashes;
    sum.unknown += verdict.unknown;
    sum.reboots += verdict.reboots;
    sum.dead += verdict.dead;
    sum.cancelled += verdict.cancelled;
    sum.asides += verdict.asides;
    sum.commands += verdict.commands;
    sum.retired += verdict.retired;
    sum.lookups += verdict.lookups;
    sum.found += verdict.found;
    sum.in_line += verdict.in_line;
    sum.events += verdict.events;
    if (verdict.violations.empty()) continue;
    bad += 1;
    for (const auto& violation : verdict.violations) {
      fmt::print("seed {}: {}\n", s, violation);
    }
    fmt::print("  replay: holdfast-sim --seed {}{} --trace\n", s, plain ? " --plain" : "");
    if (bad >= 10) break;
  }
  const double took =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  fmt::print(
      "{} worlds, {} orders, {} effects, {} crashes, {} reboots, {} unknown, {} dead, {} "
      "cancelled, "
      "{} asides, {} commands, {} retired, {} lookups, {} found, {} in line, {} events, {} bad, "
      "{:.1f} s\n",
      seeds, sum.calls, sum.effects, sum.crashes, sum.reboots, sum.unknown, sum.dead, sum.cancelled,
      sum.asides, sum.commands, sum.retired, sum.lookups, sum.found, sum.in_line, sum.events, bad,
      took);
  return bad == 0 ? 0 : 1;
}
