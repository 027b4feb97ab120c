#include "control/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <utility>

#include "call/decide.h"
#include "control/metric_row.h"
#include "control/metrics_traffic.h"
#include "control/problems.h"

namespace hf::control {
namespace {

using engine::Stats;
using engine::UpstreamStats;
using Input = MetricInput;
using Lines = MetricLines;
using Row = MetricRow;
using Write = WriteMetric;

template <typename Member>
Write upstream_value(Member member) {
  return [member](Lines& out, const Input& in) {
    for (const auto& [name, upstream] : in.stats.upstreams)
      out.add({{"upstream", name}}, upstream.*member);
  };
}

template <typename Member>
Write journal_value(Member member) {
  return [member](Lines& out, const Input& in) {
    if (in.facts.journal) out.add(std::uint64_t{(*in.facts.journal).*member});
  };
}

template <typename Member>
Write server_value(Member member) {
  return [member](Lines& out, const Input& in) { out.add(in.facts.server.*member); };
}

template <typename Member>
Write outgoing_value(Member member) {
  return [member](Lines& out, const Input& in) { out.add(in.facts.outgoing.*member); };
}

template <typename Member>
Write process_value(Member member) {
  return [member](Lines& out, const Input& in) { out.add(in.facts.process.*member); };
}

template <typename Member>
Write stats_value(Member member) {
  return [member](Lines& out, const Input& in) { out.add(in.stats.*member); };
}

void write_attempts(Lines& out, const Input& in) {
  for (const auto& [name, upstream] : in.stats.upstreams) {
    for (std::size_t i = 0; i < upstream.attempts_by_row.size(); ++i) {
      const auto row = call::to_string(static_cast<call::Row>(i));
      out.add({{"upstream", name}, {"outcome", row}}, upstream.attempts_by_row[i]);
    }
  }
}

void write_breakers(Lines& out, const Input& in) {
  static constexpr std::string_view kStates[] = {"closed", "half_open", "open"};
  for (const auto& [name, upstream] : in.stats.upstreams) {
    for (std::uint64_t i = 0; i < 3; ++i)
      out.add({{"upstream", name}, {"state", kStates[i]}}, upstream.breaker_open == i ? 1 : 0);
  }
}

void write_alerts(Lines& out, const Input& in) {
  for (const auto& alert : in.facts.alerts.active)
    out.add({{"cause", alert.cause}, {"upstream", alert.upstream}}, 1);
}

void write_notices(Lines& out, const Input& in) {
  for (const auto& target : in.facts.alerts.notices) {
    out.add({{"target", target.target}, {"result", "sent"}}, target.sent);
    out.add({{"target", target.target}, {"result", "failed"}}, target.failed);
    out.add({{"target", target.target}, {"result", "dropped"}}, target.dropped);
  }
}

// Of URLs and of what their names stand for the same is told.
using Count = std::uint64_t (*)(const call::AddressFacts&);

std::uint64_t is_out(const call::AddressFacts& facts) {
  return facts.standing == policy::Standing::in ? 0 : 1;
}
std::uint64_t under_way(const call::AddressFacts& facts) {
  return static_cast<std::uint64_t>(facts.under_way);
}
std::uint64_t attempts(const call::AddressFacts& facts) {
  return facts.attempts;
}
std::uint64_t failures(const call::AddressFacts& facts) {
  return facts.failures;
}
std::uint64_t ejections(const call::AddressFacts& facts) {
  return facts.ejections;
}

Write url_value(Count count) {
  return [count](Lines& out, const Input& in) {
    for (const auto& [name, upstream] : in.stats.upstreams) {
      for (const auto& url : upstream.addresses)
        out.add({{"upstream", name}, {"url", url.address}}, count(url));
    }
  };
}

Write address_value(Count count) {
  return [count](Lines& out, const Input& in) {
    for (const auto& one : in.facts.outgoing.addresses) {
      out.add({{"upstream", one.upstream}, {"url", one.url}, {"address", one.facts.address}},
              count(one.facts));
    }
  };
}

void write_certificates(Lines& out, const Input& in) {
  for (const auto& one : in.facts.outgoing.certificates) {
    const auto seconds_of = std::max<std::int64_t>(one.expires.ms / 1000, 0);
    out.add({{"upstream", one.upstream}}, static_cast<std::uint64_t>(seconds_of));
  }
}

void write_next_due(Lines& out, const Input& in) {
  for (const auto& [name, upstream] : in.stats.upstreams) {
    if (upstream.next_due_ms <= 0) continue;
    const auto micros = static_cast<std::uint64_t>(upstream.next_due_ms) * 1000;
    out.add("", {{"upstream", name}}, short_seconds(micros));
  }
}

void write_commits(Lines& out, const Input& in) {
  if (!in.facts.journal) return;
  out.add({{"result", "ok"}}, in.facts.journal->commits);
  out.add({{"result", "conflict"}}, in.facts.journal->conflicts);
  out.add({{"result", "failure"}}, in.facts.journal->failures);
}

void write_syncs(Lines& out, const Input& in) {
  if (!in.facts.journal) return;
  const JournalFacts& journal = *in.facts.journal;
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < journal.sync_counts.size(); ++i) {
    total += journal.sync_counts[i];
    const bool last = i >= journal.sync_bounds_micros.size();
    const auto bound = last ? "+Inf" : short_seconds(journal.sync_bounds_micros[i]);
    out.add("_bucket", {{"le", bound}}, std::to_string(total));
  }
  out.add("_sum", {}, seconds_text(journal.sync_micros));
  out.add("_count", {}, std::to_string(total));
}

std::vector<Row> call_rows() {
  return {
      {{"holdfast_requests_total", "counter", "Calls and asks of clients, by route."},
       [](Lines& out, const Input& in) {
         for (const auto& [route, count] : in.stats.requests_by_route)
           out.add({{"route", route}}, count);
       }},
      {{"holdfast_problems_total", "counter", "Error answers made by Holdfast, by code."},
       [](Lines& out, const Input& in) {
         for (const auto& [code, count] : in.problems.by_code())
           out.add({{"code", code}}, count);
       }},
      {{"holdfast_observed_total", "counter",
        "What routes that only observe would have done, by route and finding."},
       [](Lines& out, const Input& in) {
         for (const auto& [what, count] : in.facts.observed)
           out.add({{"route", what.first}, {"finding", what.second}}, count);
       }},
      {{"holdfast_suspect_calls_total", "counter",
        "Calls with the content of an earlier one and another key, by route."},
       [](Lines& out, const Input& in) {
         for (const auto& [route, count] : in.stats.suspects_by_route)
           out.add({{"route", route}}, count);
       }},
      {{"holdfast_replayed_total", "counter", "Requests answered with a stored answer."},
       stats_value(&Stats::replayed)},
      {{"holdfast_joined_total", "counter", "Requests that waited for a call already under way."},
       stats_value(&Stats::joined)},
      {{"holdfast_active_calls", "gauge", "Calls in memory."}, stats_value(&Stats::active_calls)},
      {{"holdfast_exchanges", "gauge", "Clients that wait for an answer."},
       stats_value(&Stats::exchanges)},
      {{"holdfast_unknown_calls", "gauge",
        "Calls whose outcome nobody knows. Alert above zero: a person must settle them."},
       stats_value(&Stats::unknown_calls)},
  };
}

std::vector<Row> upstream_rows() {
  return {
      {{"holdfast_upstream_attempts_total", "counter", "Attempts started."},
       upstream_value(&UpstreamStats::attempts)},
      {{"holdfast_upstream_attempt_outcomes_total", "counter",
        "Attempts ended, by the row of the decision table."},
       write_attempts},
      {{"holdfast_upstream_retries_total", "counter", "Second and later attempts."},
       upstream_value(&UpstreamStats::retries)},
      {{"holdfast_upstream_answered_total", "counter", "Calls that got a final answer."},
       upstream_value(&UpstreamStats::answered)},
      {{"holdfast_upstream_held_total", "counter", "Calls that became held."},
       upstream_value(&UpstreamStats::held)},
      {{"holdfast_upstream_unknown_total", "counter", "Calls that became unknown."},
       upstream_value(&UpstreamStats::unknown)},
      {{"holdfast_upstream_dead_total", "counter", "Calls that died, proven not applied."},
       upstream_value(&UpstreamStats::dead)},
      {{"holdfast_upstream_lookups_total", "counter",
        "Questions of what became of a call in doubt."},
       upstream_value(&UpstreamStats::lookups)},
      {{"holdfast_upstream_verified_found_total", "counter",
        "Calls in doubt that a lookup found to have taken effect."},
       upstream_value(&UpstreamStats::verified_found)},
      {{"holdfast_upstream_verified_absent_total", "counter",
        "Calls in doubt that lookups showed not to have taken effect."},
       upstream_value(&UpstreamStats::verified_absent)},
      {{"holdfast_upstream_pauses_total", "counter", "Pauses that answers asked for."},
       upstream_value(&UpstreamStats::pauses)},
      {{"holdfast_upstream_paused_keys", "gauge",
        "Limit keys that are paused now; an operator's pause of the whole upstream is one."},
       upstream_value(&UpstreamStats::paused_keys)},
      {{"holdfast_upstream_queue", "gauge", "Live calls that wait for their turn."},
       upstream_value(&UpstreamStats::live_queue)},
      {{"holdfast_upstream_in_flight", "gauge", "Attempts under way."},
       upstream_value(&UpstreamStats::in_flight)},
      {{"holdfast_upstream_held_loaded", "gauge", "Held calls in memory, due or nearly so."},
       upstream_value(&UpstreamStats::held_loaded)},
      {{"holdfast_upstream_next_due_timestamp_seconds", "gauge",
        "When the earliest held call on disk is due; in the past: the backlog's age."},
       write_next_due},
      {{"holdfast_upstream_breaker_state", "gauge", "1 for the state the breaker is in."},
       write_breakers},
      {{"holdfast_upstream_certificate_expires_timestamp_seconds", "gauge",
        "When the certificate that we show to the upstream is no longer good."},
       write_certificates},
      {{"holdfast_alerts_active", "gauge", "1 for each cause that people are to know of now."},
       write_alerts},
      {{"holdfast_alert_notices_total", "counter",
        "Notices to webhooks and Alertmanager: delivered, tries that failed, given up."},
       write_notices},
  };
}

void write_standing(Lines& out, const Input& in) {
  if (!in.facts.journal) return;
  for (const auto& group : in.facts.journal->standing) {
    out.add({{"state", group.state}}, group.calls);
  }
}

void write_oldest(Lines& out, const Input& in) {
  if (!in.facts.journal) return;
  for (const auto& group : in.facts.journal->standing) {
    out.add({{"state", group.state}}, group.oldest_seconds);
  }
}

void write_proxies(Lines& out, const Input& in) {
  for (const auto& one : in.facts.outgoing.proxies) {
    for (const auto& [result, count] : one.results)
      out.add({{"upstream", one.upstream}, {"proxy", one.proxy}, {"result", result}}, count);
  }
}

std::vector<Row> address_rows() {
  return {
      {{"holdfast_upstream_url_out", "gauge",
        "1 while a URL gets no calls, or one as a probe; of upstreams with several."},
       url_value(is_out)},
      {{"holdfast_upstream_url_in_flight", "gauge", "Attempts under way."}, url_value(under_way)},
      {{"holdfast_upstream_url_attempts_total", "counter", "Attempts started."},
       url_value(attempts)},
      {{"holdfast_upstream_url_failures_total", "counter",
        "Attempts that count against the URL: no connection, a broken one, no answer, a 5xx."},
       url_value(failures)},
      {{"holdfast_upstream_url_ejections_total", "counter", "Times that it was left out."},
       url_value(ejections)},
      {{"holdfast_upstream_address_out", "gauge",
        "The same of what a name stands for, where that is several addresses."},
       address_value(is_out)},
      {{"holdfast_upstream_address_in_flight", "gauge", "Attempts under way."},
       address_value(under_way)},
      {{"holdfast_upstream_address_attempts_total", "counter", "Attempts that went there first."},
       address_value(attempts)},
      {{"holdfast_upstream_address_failures_total", "counter",
        "Attempts and connections that count against the address."},
       address_value(failures)},
      {{"holdfast_upstream_address_ejections_total", "counter", "Times that it was left out."},
       address_value(ejections)},
      {{"holdfast_upstream_proxy_connections_total", "counter",
        "Connections asked of an upstream's proxy: opened, or why there was none."},
       write_proxies},
  };
}

std::vector<Row> journal_rows() {
  return {
      {{"holdfast_journal_commits_total", "counter", "Commits, by result."}, write_commits},
      {{"holdfast_journal_reads_total", "counter", "Reads."}, journal_value(&JournalFacts::reads)},
      {{"holdfast_journal_sync_seconds", "histogram", "How long syncs to disk took."}, write_syncs},
      {{"holdfast_journal_written_bytes_total", "counter", "Keys and values written."},
       journal_value(&JournalFacts::bytes_written)},
      {{"holdfast_journal_size_bytes", "gauge", "What the journal takes on disk."},
       journal_value(&JournalFacts::database_bytes)},
      {{"holdfast_journal_max_bytes", "gauge", "What it may take (journal.max_bytes)."},
       journal_value(&JournalFacts::max_bytes)},
      {{"holdfast_journal_disk_free_bytes", "gauge", "Free on its file system."},
       journal_value(&JournalFacts::disk_free_bytes)},
      {{"holdfast_journal_retired_total", "counter", "Entries taken away by age."},
       journal_value(&JournalFacts::retired)},
      {{"holdfast_journal_evicted_total", "counter", "Entries taken away by journal.max_bytes."},
       journal_value(&JournalFacts::evicted)},
      {{"holdfast_calls", "gauge",
        "Calls in the journal by state; counted every ten seconds or so."},
       write_standing},
      {{"holdfast_calls_oldest_seconds", "gauge", "Age of the oldest call in that state."},
       write_oldest},
      {{"holdfast_journal_queued", "gauge", "Requests to the journal that wait."},
       journal_value(&JournalFacts::queued)},
      {{"holdfast_journal_accepting", "gauge", "1 while new durable calls are taken."},
       journal_value(&JournalFacts::accepting)},
      {{"holdfast_journal_broken", "gauge", "1 when nothing is written any more."},
       journal_value(&JournalFacts::broken)},
      {{"holdfast_journal_fresh", "gauge",
        "1 when the journal was empty at the start: keys used before are not known."},
       journal_value(&JournalFacts::fresh)},
  };
}

std::vector<Row> server_rows() {
  return {
      {{"holdfast_server_connections", "gauge", "Connections of clients, open now."},
       server_value(&ServerFacts::connections)},
      {{"holdfast_server_accepted_total", "counter", "Connections accepted."},
       server_value(&ServerFacts::accepted)},
      {{"holdfast_server_refused_connections_total", "counter", "Over connections_max."},
       server_value(&ServerFacts::refused_connections)},
      {{"holdfast_server_refused_buffers_total", "counter",
        "Requests for which there was no room (buffers)."},
       server_value(&ServerFacts::refused_buffers)},
      {{"holdfast_server_requests_total", "counter", "Request heads that were understood."},
       server_value(&ServerFacts::requests)},
      {{"holdfast_server_malformed_total", "counter", "Requests refused for framing or size."},
       server_value(&ServerFacts::malformed)},
      {{"holdfast_server_answers_total", "counter", "Answers handed over whole."},
       server_value(&ServerFacts::answers)},
      {{"holdfast_server_cut_answers_total", "counter", "Answers that broke off."},
       server_value(&ServerFacts::cut_answers)},
      {{"holdfast_server_gone_total", "counter", "Clients that left before their answer."},
       server_value(&ServerFacts::gone)},
      {{"holdfast_server_timed_out_total", "counter", "Connections closed by a deadline."},
       server_value(&ServerFacts::timed_out)},
      {{"holdfast_server_handshakes_failed_total", "counter", "TLS handshakes that failed."},
       server_value(&ServerFacts::handshakes_failed)},
      {{"holdfast_server_buffered_bytes", "gauge", "Request bytes held in memory."},
       server_value(&ServerFacts::buffered_bytes)},
      {{"holdfast_server_buffer_limit_bytes", "gauge", "The limit of that (buffers)."},
       server_value(&ServerFacts::buffer_limit_bytes)},
  };
}

std::vector<Row> outgoing_rows() {
  return {
      {{"holdfast_outgoing_active", "gauge", "Attempts that hold a connection or dial one."},
       outgoing_value(&OutgoingFacts::active)},
      {{"holdfast_outgoing_idle_connections", "gauge", "Connections kept for reuse."},
       outgoing_value(&OutgoingFacts::idle)},
      {{"holdfast_outgoing_connected_total", "counter", "Connections made."},
       outgoing_value(&OutgoingFacts::connected)},
      {{"holdfast_outgoing_connect_failed_total", "counter", "Connections that failed."},
       outgoing_value(&OutgoingFacts::connect_failed)},
      {{"holdfast_outgoing_reused_total", "counter", "Attempts on a connection used before."},
       outgoing_value(&OutgoingFacts::reused)},
      {{"holdfast_outgoing_redialled_total", "counter",
        "Reused connections that took no byte, so that a new one was dialled."},
       outgoing_value(&OutgoingFacts::redialled)},
      {{"holdfast_outgoing_dropped_total", "counter",
        "Kept connections that were dropped: idle (the peer ended it), poll (found dead at reuse), "
        "stale (too old or too many)."},
       [](Lines& out, const Input& in) {
         out.add({{"why", "idle"}}, in.facts.outgoing.dropped_idle);
         out.add({{"why", "poll"}}, in.facts.outgoing.dropped_poll);
         out.add({{"why", "stale"}}, in.facts.outgoing.dropped_stale);
       }},
      {{"holdfast_outgoing_lookups_total", "counter", "Names looked up."},
       outgoing_value(&OutgoingFacts::lookups)},
      {{"holdfast_outgoing_secret_failures_total", "counter",
        "Attempts not made because an injected secret could not be read."},
       outgoing_value(&OutgoingFacts::secret_failures)},
  };
}

std::vector<Row> process_rows() {
  return {
      {{"holdfast_build_info", "gauge", "Always 1; the label tells the version."},
       [](Lines& out, const Input& in) {
         out.add({{"version", in.facts.process.version}}, 1);
       }},
      {{"holdfast_draining", "gauge", "1 after SIGTERM."},
       [](Lines& out, const Input& in) { out.add(in.facts.draining ? 1 : 0); }},
      {{"holdfast_log_left_out_total", "counter", "Repeated log lines that were not written."},
       process_value(&ProcessFacts::log_lines_left_out)},
      {{"process_start_time_seconds", "gauge", "When the process began."},
       [](Lines& out, const Input& in) {
         const auto micros = static_cast<std::uint64_t>(in.facts.process.started.ms) * 1000;
         out.add("", {}, short_seconds(micros));
       }},
      {{"process_cpu_seconds_total", "counter", "User and system time."},
       [](Lines& out, const Input& in) {
         out.add("", {}, seconds_text(in.facts.process.cpu_micros));
       }},
      {{"process_resident_memory_bytes", "gauge", "Resident memory."},
       process_value(&ProcessFacts::resident_bytes)},
      {{"process_open_fds", "gauge", "Open file descriptors."},
       process_value(&ProcessFacts::open_fds)},
      {{"process_max_fds", "gauge", "The limit of that."}, process_value(&ProcessFacts::max_fds)},
  };
}

const std::vector<Row>& rows() {
  static const std::vector<Row> kRows = [] {
    std::vector<Row> all;
    for (auto&& part : {call_rows(), traffic_rows(), upstream_rows(), address_rows(),
                        journal_rows(), server_rows(), outgoing_rows(), process_rows()})
      all.insert(all.end(), part.begin(), part.end());
    return all;
  }();
  return kRows;
}

}  // namespace

const std::vector<MetricFamily>& metric_families() {
  static const std::vector<MetricFamily> kFamilies = [] {
    std::vector<MetricFamily> out;
    for (const Row& row : rows())
      out.push_back(row.family);
    return out;
  }();
  return kFamilies;
}

std::string metrics_text(const engine::Stats& stats, const Facts& facts) {
  const auto problems = problems_of(stats, facts.server);
  std::string out;
  for (const Row& row : rows()) {
    Lines lines(row.family.name);
    row.write(lines, {stats, facts, problems});
    if (lines.text().empty()) continue;
    out += fmt::format("# HELP {0} {1}\n# TYPE {0} {2}\n", row.family.name, row.family.help,
                       row.family.type);
    out += lines.text();
  }
  return out;
}

}  // namespace hf::control
