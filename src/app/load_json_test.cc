#include "app/load_json.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

#include "app/load_view.h"
#include "load/report_html.h"

namespace hf::app {
namespace {

using load::StepOutcome;

load::StepResult step_of(load::Phase phase, double rate, StepOutcome outcome) {
  load::StepResult step;
  step.phase = phase;
  step.outcome = outcome;
  step.rate = rate;
  step.begin = Duration::seconds(3);
  step.length = Duration::seconds(5);
  step.due = 500;
  step.answered = 499;
  step.statuses = {{200, 490}, {503, 9}};
  step.failures[static_cast<std::size_t>(load::Failure::timeout)] = 1;
  step.throughput = 99.5;
  step.in_flight = 4.25;
  step.in_flight_max = 17;
  step.silence = Duration::millis(120);
  step.latency = {Duration::millis(5),  Duration::millis(9),  Duration::millis(40),
                  Duration::millis(80), Duration::millis(99), Duration::millis(6)};
  step.service = step.latency;
  step.connect.p99 = Duration::micros(130);
  step.generator.cpu = 0.25;
  step.generator.lag_p99 = Duration::micros(90);
  step.generator.queued = 3;
  step.generator.connections = 64;
  step.moments.push_back({Duration::seconds(3), 100, 99, 0.01, Duration::millis(5),
                          Duration::millis(40), Duration::millis(99), 17});
  return step;
}

load::RunResult search() {
  load::RunResult run;
  run.version = "0.1.0";
  run.target = "http://127.0.0.1/<shop>";
  run.mode = "find";
  run.started = WallTime{1'763'700'000'000};
  run.length = Duration::seconds(60);
  run.objective = load::parse_objective("p99<200ms, p99.9<1s", "<0.1%").value();
  run.steps.push_back(step_of(load::Phase::ramp, 100, StepOutcome::kept));
  run.steps.push_back(step_of(load::Phase::bisect, 150, StepOutcome::broken));
  load::Breach breach;
  breach.goal = {990'000, Duration::millis(200)};
  breach.measured = Duration::millis(400);
  breach.over = 9;
  breach.of = 200;
  breach.from = Duration::seconds(1);
  breach.to = Duration::seconds(3);
  run.steps.back().breach = breach;
  run.steps.push_back(step_of(load::Phase::hold, 100, StepOutcome::generator));
  run.steps.back().why = "a thread of it used 97% of a core";
  run.steps.back().generator.exhausted = "no local port is free";
  run.end = load::SearchEnd::found;
  run.kept = 100;
  run.broken = 150;
  run.usl = load::UslFit{0.02, 0.001, 30, 0.99};
  run.verdict = {load::Limit::queueing, "throughput-flat", "Queueing gave way.", {"at 100/s: ..."}};
  run.latency = {{Duration::micros(127), 3}, {Duration::millis(5), 400}};
  run.service = {{Duration::micros(127), 4}};
  return run;
}

std::string read_text(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Results are kept and compared years later: what format 1 is does not change.
TEST(LoadJson, format_1_is_as_it_was) {
  const std::string path = std::string(HF_SOURCE_DIR) + "/golden/load/format1.json";
  const std::string written = load_json(search()) + "\n";
  if (std::getenv("HOLDFAST_UPDATE_GOLDEN") != nullptr) std::ofstream(path) << written;
  EXPECT_EQ(written, read_text(path));
}

TEST(LoadJson, is_read_back_as_it_was_written) {
  const std::string written = load_json(search());
  const auto read = read_load_json(written);
  ASSERT_TRUE(read.ok()) << read.error().context;
  EXPECT_EQ(load_json(*read), written);
  load::RunResult plain = search();
  plain.end.reset();
  plain.broken.reset();
  plain.usl.reset();
  plain.mode = "rate";
  plain.stopped = true;
  plain.spacing = load::Spacing::poisson;
  const std::string other = load_json(plain);
  EXPECT_EQ(load_json(read_load_json(other).value()), other);
}

load::RunResult phases() {
  load::RunResult run = search();
  run.mode = "phases";
  run.end.reset();
  run.usl.reset();
  run.steps.pop_back();
  run.steps[0].name = "usual";
  run.steps[1].name = "surge";
  run.steps[1].first_rate = 100;
  run.steps[1].kept_from = Duration::millis(3250);
  return run;
}

TEST(LoadJson, phases_and_what_a_front_told_are_read_back) {
  load::RunResult run = phases();
  run.front = load::FrontFinding{"",    "client_limit", "login",        "The limit login refused.",
                                 {"b"}, {{"pay", 1.5}}, {{"pay", 23.0}}};
  run.notes = {"2 of 5 requests"};
  const std::string written = load_json(run);
  const auto read = read_load_json(written);
  ASSERT_TRUE(read.ok()) << read.error().context;
  EXPECT_EQ(load_json(*read), written);
  EXPECT_EQ((*read).notes, run.notes);
  EXPECT_EQ((*read).front, run.front);
  EXPECT_EQ((*read).steps[1].name, "surge");
  EXPECT_EQ((*read).steps[1].first_rate, 100);
  EXPECT_EQ((*read).steps[1].kept_from, Duration::millis(3250));
}

TEST(LoadView, phases_are_a_table_with_what_became_of_each) {
  const std::string text = load_summary(phases());
  EXPECT_NE(text.find("\n  usual         100/s"), std::string::npos) << text;
  EXPECT_NE(text.find("100/s..150/s"), std::string::npos) << text;
  EXPECT_NE(text.find("BROKEN, kept again from 3.25 s into it\n"), std::string::npos) << text;
  EXPECT_NE(text.find("  surge: p99 was 400 ms (limit 200 ms)"), std::string::npos) << text;
}

TEST(LoadReport, phases_are_marked_in_the_timeline) {
  const std::string page = load::report_html(phases());
  EXPECT_NE(page.find("<h1>Load in phases</h1>"), std::string::npos);
  // In both plots of the timeline.
  std::size_t marks = 0;
  for (auto at = page.find("class=\"mark\""); at != std::string::npos;
       at = page.find("class=\"mark\"", at + 1))
    marks += 1;
  EXPECT_EQ(marks, 4U);
  EXPECT_NE(page.find("broken, kept again from 3.25 s into it"), std::string::npos);
}

TEST(LoadJson, refuses_what_it_is_not) {
  const std::string good = load_json(search());
  for (const std::string& text : {std::string(), std::string("[]"), std::string("{}"),
                                  std::string(R"({"tool": "holdfast load", "format": 2})")}) {
    const auto read = read_load_json(text);
    ASSERT_FALSE(read.ok()) << text;
    EXPECT_EQ(read.error().kind, ErrorKind::invalid);
  }
  std::string broken = good;
  broken.replace(broken.find("\"statuses\""), 10, "\"statusez\"");
  const auto read = read_load_json(broken);
  ASSERT_FALSE(read.ok());
  EXPECT_EQ(read.error().kind, ErrorKind::corrupt);
}

TEST(LoadView, the_summary_names_both_ends_and_the_rule) {
  const std::string text = load_summary(search());
  EXPECT_NE(text.find("Breaking point: kept at 100/s (held for 5 s), broken at 150/s."),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("[rule: throughput-flat]"), std::string::npos);
  EXPECT_NE(text.find("the generator was the limit"), std::string::npos);
}

TEST(LoadView, a_screen_of_phases_says_where_it_is_and_what_was) {
  const load::RunResult run = phases();
  LoadStatus status;
  status.step = {load::Phase::fixed, 51, Duration::seconds(6)};
  status.name = "after";
  status.number = status.of = 3;
  status.earlier = "usual kept, surge BROKEN";
  status.run = &run;
  const std::string screen = load_screen(status, run.target, 90);
  EXPECT_NE(screen.find("phase 3 of 3: after, at 51/s"), std::string::npos) << screen;
  EXPECT_NE(screen.find("before: usual kept, surge BROKEN\n"), std::string::npos) << screen;
}

TEST(LoadView, a_screen_fits_its_width) {
  const load::RunResult run = search();
  LoadStatus status;
  status.step = {load::Phase::bisect, 125, Duration::seconds(5)};
  status.into = Duration::seconds(2);
  status.run = &run;
  status.breach = &run.steps[1].breach;
  const std::string screen = load_screen(status, run.target, 60);
  std::size_t begin = 0;
  int lines = 0;
  while (begin < screen.size()) {
    const auto end = screen.find('\n', begin);
    EXPECT_LE(end - begin, 60U);
    begin = end + 1;
    lines += 1;
  }
  EXPECT_EQ(lines, 10);
  EXPECT_NE(screen.find("bisecting at 125/s"), std::string::npos) << screen;
  EXPECT_NE(screen.find("BROKEN: p99 was 400 ms"), std::string::npos) << screen;
}

TEST(LoadReport, shows_all_as_text_and_loads_nothing) {
  const std::string page = load::report_html(search());
  EXPECT_NE(page.find("&lt;shop&gt;"), std::string::npos);
  EXPECT_EQ(page.find("<shop>"), std::string::npos);
  for (const char* other : {"<script", "<link", "<img", "url(", "@import", "nan", "inf "})
    EXPECT_EQ(page.find(other), std::string::npos) << other;
  load::RunResult empty;
  EXPECT_NE(load::report_html(empty).find("Nothing was measured"), std::string::npos);
}

}  // namespace
}  // namespace hf::app
