#include "control/metrics.h"

#include <gtest/gtest.h>

#include <fstream>
#include <regex>
#include <set>
#include <sstream>

namespace hf::control {
namespace {

call::ProblemSpec problem_of(call::Code code) {
  call::ProblemSpec out;
  out.code = code;
  return out;
}

engine::Stats sample_stats() {
  engine::Stats stats;
  stats.requests_by_route["/v1/"] = 7;
  for (int i = 0; i < 2; ++i)
    stats.problems.count(problem_of(call::Code::held));
  auto refused = problem_of(call::Code::breaker_open);
  refused.measure = {"breaker", 5, 5, "failures in a row"};
  stats.problems.count(refused, "bank");
  stats.suspects_by_route["/v1/"] = 1;
  stats.unknown_calls = 1;
  auto& upstream = stats.upstreams["a\"b\\c\nd"];
  upstream.attempts = 9;
  upstream.attempts_by_row[0] = 4;
  upstream.attempts_by_row[7] = 5;
  upstream.breaker_open = 2;
  call::AddressFacts url;
  url.address = "two.test";
  url.ejections = 3;
  upstream.addresses = {url};
  upstream.next_due_ms = 1'800'000'000'250;
  upstream.load.limit = 24;
  upstream.load.queue_delay = Duration::millis(120);
  upstream.load.shed_level = 1;
  upstream.load.threshold = Duration::millis(50);
  upstream.refused[static_cast<std::size_t>(engine::Hurdle::breaker)] = 7;
  upstream.load.shed[0][0] = 6;
  upstream.load.shed[1][1] = 2;
  upstream.load.learnt = engine::UpstreamLoad::Learnt{Duration::micros(10'500),
                                                      Duration::millis(14), policy::Lesson::grow};
  return stats;
}

Facts sample_facts() {
  Facts facts;
  facts.process.version = "1.2.3";
  facts.process.started = WallTime{1'800'000'000'500};
  facts.process.cpu_micros = 1'500'000;
  JournalFacts journal;
  journal.commits = 3;
  journal.sync_micros = 1'250;
  journal.sync_bounds_micros = {100, 1'000'000};
  journal.sync_counts = {1, 2, 4};
  journal.accepting = true;
  journal.standing = {{"waiting", 5, 61}, {"unknown", 1, 7}};
  facts.journal = journal;
  facts.outgoing.certificates = {{"bank", WallTime{1'900'000'000'700}}};
  call::AddressFacts address;
  address.address = "192.0.2.1:443";
  address.standing = policy::Standing::due;
  address.ejections = 4;
  facts.outgoing.addresses = {{"a", "shop.test", address}};
  facts.outgoing.proxies = {{"a", "proxy.test:3128", {{"opened", 7}, {"proxy_refused", 2}}}};
  facts.alerts.active = {{"breaker-open", "a"}};
  facts.alerts.notices = {{"webhook", 3, 2, 1}};
  facts.observed = {{{"/v1/", "doubled"}, 2}};
  facts.limits.limits.push_back({"login", {{"admitted", 5}, {"quota", 2}}, 1, 1});
  facts.limits.keys = 4;
  facts.demand_permille["stripe"] = 1310;
  facts.features = control::FeatureFacts{{{"recommendations", false}}, 4, 1200};
  facts.stale.emplace();
  facts.stale->served[{"/", "unreachable"}] = 3;
  facts.stale->missed[{"/", "too-old"}] = 1;
  facts.stale->not_kept[{"/", "private"}] = 2;
  return facts;
}

std::vector<std::string> lines_of(const std::string& text, const std::string& family) {
  std::vector<std::string> out;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    if (line.find(family) != std::string::npos) out.push_back(line);
  }
  return out;
}

using Lines = std::vector<std::string>;

TEST(Metrics, HowLoadedAnUpstreamIs) {
  const auto text = metrics_text(sample_stats(), sample_facts());
  const std::string who = R"({upstream="a\"b\\c\nd"})";
  EXPECT_EQ(lines_of(text, "holdfast_upstream_limit{").front(),
            "holdfast_upstream_limit" + who + " 24");
  EXPECT_EQ(lines_of(text, "holdfast_upstream_queue_delay_seconds{").front(),
            "holdfast_upstream_queue_delay_seconds" + who + " 0.12");
  EXPECT_EQ(lines_of(text, "holdfast_upstream_queue_threshold_seconds{").front(),
            "holdfast_upstream_queue_threshold_seconds" + who + " 0.05");
  EXPECT_EQ(
      lines_of(text, ",rule=\"breaker\"").front(),
      "holdfast_upstream_refused_total{" + who.substr(1, who.size() - 2) + ",rule=\"breaker\"} 7");
  EXPECT_EQ(lines_of(text, "holdfast_upstream_latency_baseline_seconds{").front(),
            "holdfast_upstream_latency_baseline_seconds" + who + " 0.0105");
  EXPECT_EQ(lines_of(text, "holdfast_upstream_shed_level{").front(),
            "holdfast_upstream_shed_level" + who + " 1");
  EXPECT_EQ(lines_of(text, "class=\"optional\",rule=\"class-shed\"").front(),
            "holdfast_shed_total{" + who.substr(1, who.size() - 2) +
                ",class=\"optional\",rule=\"class-shed\"} 6");
}

TEST(Metrics, ErrorAnswersAreOneCountWhoeverMadeThem) {
  engine::Stats stats;
  stats.problems.count(problem_of(call::Code::overloaded));
  stats.problems.count(problem_of(call::Code::held));
  Facts facts;
  facts.server.problems.count(problem_of(call::Code::overloaded));
  facts.server.problems.count(problem_of(call::Code::quota_exceeded));
  EXPECT_EQ(lines_of(metrics_text(stats, facts), "holdfast_problems_total{"),
            (Lines{"holdfast_problems_total{code=\"held\"} 1",
                   "holdfast_problems_total{code=\"overloaded\"} 2",
                   "holdfast_problems_total{code=\"quota-exceeded\"} 1"}));
}

TEST(Metrics, ARefusalTellsItsRuleWhatWasMeasuredAndTheThreshold) {
  engine::Stats stats;
  auto broken = problem_of(call::Code::breaker_open);
  broken.measure = {"breaker", 5, 5, "failures in a row"};
  stats.problems.count(broken, "bank");
  broken.measure->measured = 7;
  stats.problems.count(broken, "bank");
  stats.problems.count(broken, "mail");
  Facts facts;
  auto quota = problem_of(call::Code::quota_exceeded);
  quota.measure = {"breaker", 21, 20, "units"};  // somebody named a limit like that
  facts.server.problems.count(quota);
  const auto text = metrics_text(stats, facts);
  const std::string bank =
      R"({rule="breaker",code="breaker-open",upstream="bank",unit="failures in a row"} )";
  const std::string mail =
      R"({rule="breaker",code="breaker-open",upstream="mail",unit="failures in a row"} )";
  const std::string limit = R"({rule="breaker",code="quota-exceeded",upstream="",unit="units"} )";
  const auto family = [&](const std::string& name, const std::string& of_bank,
                          const std::string& of_mail, const std::string& of_limit) {
    EXPECT_EQ(lines_of(text, name + "{"),
              (Lines{name + bank + of_bank, name + mail + of_mail, name + limit + of_limit}));
  };
  family("holdfast_refusals_total", "2", "1", "1");
  family("holdfast_refusal_measured", "7", "7", "21");
  family("holdfast_refusal_threshold", "5", "5", "20");
}

TEST(Metrics, CountersGaugesAndLabels) {
  const auto text = metrics_text(sample_stats(), sample_facts());
  EXPECT_EQ(lines_of(text, "holdfast_observed_total").back(),
            "holdfast_observed_total{route=\"/v1/\",finding=\"doubled\"} 2");
  EXPECT_EQ(lines_of(text, "holdfast_requests_total"),
            (Lines{"# HELP holdfast_requests_total Calls and asks of clients, by route.",
                   "# TYPE holdfast_requests_total counter",
                   "holdfast_requests_total{route=\"/v1/\"} 7"}));
  EXPECT_EQ(
      lines_of(text, "holdfast_upstream_proxy_connections_total{"),
      (Lines{"holdfast_upstream_proxy_connections_total{upstream=\"a\",proxy=\"proxy.test:3128"
             "\",result=\"opened\"} 7",
             "holdfast_upstream_proxy_connections_total{upstream=\"a\",proxy=\"proxy.test:3128"
             "\",result=\"proxy_refused\"} 2"}));
  EXPECT_EQ(lines_of(text, "holdfast_upstream_attempts_total").back(),
            "holdfast_upstream_attempts_total{upstream=\"a\\\"b\\\\c\\nd\"} 9");
  EXPECT_EQ(lines_of(text, "holdfast_calls{"),
            (Lines{"holdfast_calls{state=\"waiting\"} 5", "holdfast_calls{state=\"unknown\"} 1"}));
  EXPECT_EQ(lines_of(text, "holdfast_calls_oldest_seconds{").front(),
            "holdfast_calls_oldest_seconds{state=\"waiting\"} 61");
  EXPECT_EQ(lines_of(text, "outcome=\"complete\"").back().substr(0, 42),
            "holdfast_upstream_attempt_outcomes_total{u");
  EXPECT_EQ(lines_of(text, "holdfast_alerts_active").back(),
            "holdfast_alerts_active{cause=\"breaker-open\",upstream=\"a\"} 1");
  EXPECT_EQ(lines_of(text, "holdfast_alert_notices_total").back(),
            "holdfast_alert_notices_total{target=\"webhook\",result=\"dropped\"} 1");
  EXPECT_EQ(lines_of(text, "state=\"open\"").back().back(), '1');
  EXPECT_EQ(lines_of(text, "state=\"closed\"").back().back(), '0');
  EXPECT_EQ(lines_of(text, "certificate_expires").back(),
            "holdfast_upstream_certificate_expires_timestamp_seconds{upstream=\"bank\"} "
            "1900000000");
  EXPECT_EQ(lines_of(text, "holdfast_upstream_address_out").back(),
            "holdfast_upstream_address_out{upstream=\"a\",url=\"shop.test\","
            "address=\"192.0.2.1:443\"} 1");
  EXPECT_EQ(
      lines_of(text, "holdfast_upstream_url_ejections_total").back(),
      "holdfast_upstream_url_ejections_total{upstream=\"a\\\"b\\\\c\\nd\",url=\"two.test\"} 3");
  EXPECT_TRUE(lines_of(text, "next_due").back().ends_with("} 1800000000.25"));
  EXPECT_EQ(lines_of(text, "holdfast_build_info").back(),
            "holdfast_build_info{version=\"1.2.3\"} 1");
  EXPECT_EQ(lines_of(text, "process_start_time_seconds").back(),
            "process_start_time_seconds 1800000000.5");
  EXPECT_EQ(lines_of(text, "holdfast_journal_accepting").back(), "holdfast_journal_accepting 1");
}

TEST(Metrics, HistogramIsCumulative) {
  const auto text = metrics_text(sample_stats(), sample_facts());
  EXPECT_EQ(lines_of(text, "holdfast_journal_sync_seconds"),
            (Lines{"# HELP holdfast_journal_sync_seconds How long syncs to disk took.",
                   "# TYPE holdfast_journal_sync_seconds histogram",
                   "holdfast_journal_sync_seconds_bucket{le=\"0.0001\"} 1",
                   "holdfast_journal_sync_seconds_bucket{le=\"1\"} 3",
                   "holdfast_journal_sync_seconds_bucket{le=\"+Inf\"} 7",
                   "holdfast_journal_sync_seconds_sum 0.001250",
                   "holdfast_journal_sync_seconds_count 7"}));
}

TEST(Metrics, EveryFamilyIsWrittenOnceWithHelpAndType) {
  const auto text = metrics_text(sample_stats(), sample_facts());
  std::set<std::string> names;
  for (const MetricFamily& family : metric_families()) {
    EXPECT_TRUE(names.insert(std::string(family.name)).second) << family.name;
    const std::string type = "# TYPE " + std::string(family.name) + " ";
    EXPECT_NE(text.find(type + std::string(family.type) + "\n"), std::string::npos) << family.name;
    EXPECT_EQ(family.type == "counter", family.name.ends_with("_total")) << family.name;
  }
}

TEST(Metrics, NothingOfAJournalThatIsNotThere) {
  Facts facts = sample_facts();
  facts.journal.reset();
  const auto text = metrics_text(sample_stats(), facts);
  EXPECT_EQ(text.find("holdfast_journal_"), std::string::npos);
}

// Every line is a comment or a sample, as the text format wants it.
TEST(Metrics, LinesParse) {
  const std::string label = R"re([a-z]+="([^"\\\n]|\\["\\n])*")re";
  const std::regex sample("[a-z_]+(\\{" + label + "(," + label + ")*\\})? [0-9.]+");
  std::istringstream in(metrics_text(sample_stats(), sample_facts()));
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("# ")) continue;
    EXPECT_TRUE(std::regex_match(line, sample)) << line;
  }
}

TEST(Metrics, DocumentationAndCodeAgree) {
  std::ifstream in(std::string(HF_SOURCE_DIR) + "/docs/metrics.md");
  ASSERT_TRUE(in.good());
  std::stringstream whole;
  whole << in.rdbuf();
  const std::string text = whole.str();
  std::set<std::string> documented;
  const std::regex row(R"re(\n\| `([a-z_]+)[^`]*` \| ([a-z]+) \|)re");
  for (auto at = std::sregex_iterator(text.begin(), text.end(), row); at != std::sregex_iterator();
       ++at) {
    documented.insert((*at)[1].str() + " " + (*at)[2].str());
  }
  std::set<std::string> written;
  for (const MetricFamily& family : metric_families())
    written.insert(std::string(family.name) + " " + std::string(family.type));
  EXPECT_EQ(documented, written);
}

}  // namespace
}  // namespace hf::control
