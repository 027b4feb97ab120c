#include "app/load_command.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>

#include "adapters/http/resolver.h"
#include "adapters/system/clock.h"
#include "app/admin_talk.h"
#include "app/load_files.h"
#include "app/load_front.h"
#include "app/load_json.h"
#include "app/load_run.h"
#include "app/load_view.h"
#include "app/progress.h"
#include "base/quantity.h"
#include "call/url.h"
#include "load/capacity.h"
#include "load/plan.h"
#include "load/report_html.h"
#include "load/verdict.h"
#include "load/words.h"

namespace hf::app {
namespace {

constexpr Duration kShortStep = Duration::seconds(2);
constexpr const char* kUsualDuration = "30s";
constexpr Duration kLongRun = Duration::hours(4);

// What the command line says, checked.
struct Prepared {
  LoadPlan plan;
  adapters::LoadOptions options;
  load::CapacityAsked capacity;
  std::vector<std::string> addresses;  // of the target, the best first
  std::string shown;                   // the target without its query: that may hold a secret
  std::vector<std::string> notes;
};

Result<double> read_rate(const std::string& name, const std::string& text) {
  auto rate = load::parse_rate_a_second(text);
  if (!rate.ok()) return rate.take_error().in(name);
  return rate;
}

Result<Duration> read_time(const std::string& name, const std::string& text, Duration low,
                           Duration high) {
  auto time = parse_duration(text);
  if (!time.ok()) return time.take_error().in(name);
  if (*time < low || *time > high) {
    return fail(ErrorKind::invalid, fmt::format("{}: from {} to {}", name, format_duration(low),
                                                format_duration(high)));
  }
  return *time;
}

Result<load::SearchPlan> read_search(const LoadOptionsLine& line) {
  load::SearchPlan plan;
  HF_TRY(plan.first_rate, read_rate("--start", line.start));
  HF_TRY(plan.max_rate, read_rate("--max-rate", line.max_rate));
  HF_TRY(plan.step, read_time("--step", line.step, kShortStep, Duration::hours(1)));
  HF_TRY(plan.hold, read_time("--hold", line.hold, kShortStep, kLongRun));
  auto tolerance = parse_permille(line.tolerance);
  if (!tolerance.ok()) return tolerance.take_error().in("--tolerance");
  if (*tolerance < 5 || *tolerance > 500) {
    return fail(ErrorKind::invalid, "--tolerance: from 0.5% to 50%");
  }
  plan.tolerance = *tolerance / 1000.0;
  plan.min_rate = std::min(1.0, plan.first_rate);
  if (plan.max_rate < plan.first_rate) {
    return fail(ErrorKind::invalid, "--max-rate is less than --start");
  }
  return plan;
}

Result<LoadPlan> read_plan(const LoadOptionsLine& line) {
  LoadPlan plan;
  HF_TRY(plan.objective, load::parse_objective(line.objective, line.errors));
  HF_TRY(plan.timeout,
         read_time("--timeout", line.timeout, Duration::millis(10), Duration::minutes(10)));
  for (const load::LatencyGoal& goal : plan.objective.latency) {
    if (goal.limit >= plan.timeout) {
      return fail(ErrorKind::invalid,
                  fmt::format("--timeout: longer than the limit of {}, or nothing could be later "
                              "than it",
                              name_of(goal)));
    }
  }
  plan.spacing = line.poisson ? load::Spacing::poisson : load::Spacing::even;
  plan.seed = line.seed;
  const int ways =
      (line.find ? 1 : 0) + (line.rate.empty() ? 0 : 1) + (line.phases.empty() ? 0 : 1);
  if (ways != 1) {
    return fail(ErrorKind::invalid,
                "--rate 500/s for one rate, --phases 50/s:10s,500/s:20s for several, or --find for "
                "the breaking point: one of them");
  }
  if (line.rate.empty() && !(line.duration.empty() && line.ramp_from.empty())) {
    return fail(ErrorKind::invalid,
                "--duration and --ramp-from belong to --rate: a phase is RATE:TIME, or "
                "RATE..RATE:TIME, and --find has --step and --hold");
  }
  if (line.find) {
    if (plan.objective.empty()) {
      return fail(ErrorKind::invalid,
                  "--find needs an objective that can break: --objective 'p99<200ms' or --errors "
                  "'<0.1%', or both");
    }
    HF_TRY(plan.find, read_search(line));
    return plan;
  }
  if (!line.phases.empty()) {
    auto phases = load::parse_phases(line.phases);
    if (!phases.ok()) return phases.take_error().in("--phases");
    plan.phases = std::move(*phases);
    return plan;
  }
  load::PhasePlan one;
  HF_TRY(one.last_rate, read_rate("--rate", line.rate));
  one.first_rate = one.last_rate;
  if (!line.ramp_from.empty()) {
    HF_TRY(one.first_rate, read_rate("--ramp-from", line.ramp_from));
  }
  const std::string duration = line.duration.empty() ? kUsualDuration : line.duration;
  HF_TRY(one.length, read_time("--duration", duration, Duration::seconds(1), kLongRun));
  plan.phases.push_back(std::move(one));
  return plan;
}

Result<Field> read_header(const std::string& text) {
  const auto colon = text.find(':');
  if (colon == std::string::npos || colon == 0) {
    return fail(ErrorKind::invalid, "--header: write it as 'Name: value'");
  }
  return Field{text.substr(0, colon), std::string(trim_blanks(text.substr(colon + 1)))};
}

Result<void> add_bodies(const LoadOptionsLine& line, std::vector<load::RequestSpec>& specs,
                        std::vector<std::string>& notes) {
  if (line.requests.empty() && !line.bodies.empty()) {
    return fail(ErrorKind::invalid, "--body-for is for --requests; one request has --body");
  }
  std::vector<BodyTemplate> templates;
  for (const std::string& text : line.bodies) {
    auto one = read_body_template(text);
    if (!one.ok()) return one.take_error().in("--body-for");
    templates.push_back(std::move(*one));
  }
  auto filled = fill_bodies(templates, specs);
  if (!filled.ok()) return filled.take_error().in("--body-for");
  if (auto note = bodies_note(specs)) notes.push_back(std::move(*note));
  return {};
}

Result<std::vector<load::PreparedRequest>> read_all_requests(const LoadOptionsLine& line,
                                                             const std::string& target,
                                                             const std::string& authority,
                                                             std::vector<std::string>& notes) {
  std::vector<load::RequestSpec> specs;
  if (line.requests.empty()) {
    load::RequestSpec spec;
    spec.method = !line.method.empty() ? line.method : line.body.empty() ? "GET" : "POST";
    spec.target = target;
    spec.body = line.body;
    if (line.body.starts_with('@')) {
      HF_TRY(spec.body, read_whole(line.body.substr(1)));
    }
    specs.push_back(std::move(spec));
  } else {
    if (target != "/" || !line.method.empty() || !line.body.empty()) {
      return fail(ErrorKind::invalid,
                  "with --requests, paths, methods and bodies come from the file: the URL is "
                  "scheme, host and port only");
    }
    HF_TRY(const std::string text, read_whole(line.requests));
    auto read = read_requests(text);
    if (!read.ok()) return read.take_error().in(line.requests);
    specs = std::move(*read);
  }
  HF_TRY_VOID(add_bodies(line, specs, notes));
  std::vector<load::PreparedRequest> out;
  for (std::size_t i = 0; i < specs.size(); ++i) {
    for (const std::string& text : line.headers) {
      HF_TRY(Field field, read_header(text));
      remove_fields(specs[i].headers, field.name);
      specs[i].headers.push_back(std::move(field));
    }
    auto prepared = load::prepare(specs[i], authority);
    if (!prepared.ok()) return prepared.take_error().in(fmt::format("request {}", i + 1));
    out.push_back(std::move(*prepared));
  }
  return out;
}

Result<load::CapacityAsked> read_capacity(const LoadOptionsLine& line) {
  load::CapacityAsked out;
  if (!line.traffic.empty()) {
    HF_TRY(out.traffic, read_rate("--traffic", line.traffic));
    out.traffic_from = "--traffic";
  }
  auto growth = parse_permille(line.growth);
  if (!growth.ok()) return growth.take_error().in("--growth");
  out.growth = *growth / 1000.0;
  if (line.prices.empty()) return out;
  HF_TRY(const std::string text, read_whole(line.prices, 64 * 1024));
  auto prices = read_prices(text);
  if (!prices.ok()) return prices.take_error().in(line.prices);
  out.prices = std::move(*prices);
  return out;
}

bool is_loopback(const boost::asio::ip::address& address) {
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    return boost::asio::ip::make_address_v4(boost::asio::ip::v4_mapped, address.to_v6())
        .is_loopback();
  }
  return address.is_loopback();
}

// A load is an attack to whoever did not ask for it.
Result<void> check_consent(const std::string& host, const adapters::Addresses& addresses,
                           const std::string& consent) {
  if (!consent.empty() && consent != host) {
    return fail(
        ErrorKind::invalid,
        fmt::format("--yes-i-own-this-target names {}, and the URL names {}", consent, host));
  }
  if (consent == host || std::all_of(addresses.begin(), addresses.end(), is_loopback)) return {};
  return fail(
      ErrorKind::invalid,
      fmt::format("{} is not this machine ({}). A load can take a server down, and its bill up; "
                  "whoever runs it must have agreed. If you may: --yes-i-own-this-target {}",
                  host, addresses.front().to_string(), host));
}

Result<Prepared> prepare(const LoadOptionsLine& line) {
  Prepared out;
  const auto scheme = line.url.find("://");
  const auto slash =
      scheme == std::string::npos ? scheme : line.url.find_first_of("/?#", scheme + 3);
  auto url = call::parse_url(line.url.substr(0, slash));
  if (!url.ok()) return url.take_error().in("URL");
  std::string target = slash == std::string::npos ? "/" : line.url.substr(slash);
  target = target.substr(0, target.find('#'));
  if (!target.starts_with('/')) target.insert(0, "/");
  HF_TRY(out.plan, read_plan(line));
  HF_TRY(out.capacity, read_capacity(line));
  HF_TRY(out.options.requests, read_all_requests(line, target, (*url).authority(), out.notes));
  HF_TRY(const adapters::Addresses addresses, adapters::system_lookup((*url).host));
  HF_TRY_VOID(check_consent((*url).host, addresses, line.consent));
  out.shown = call::format_url(*url) + target.substr(0, target.find('?'));
  for (const auto& address : addresses)
    out.addresses.push_back(address.to_string());
  out.options.target.port = (*url).port;
  out.options.target.host = (*url).host;
  if ((*url).tls) {
    out.options.target.tls.emplace();
    out.options.target.tls->ca = line.ca;
  }
  out.options.threads = line.threads;
  out.options.connections = line.connections;
  out.options.timeout = out.plan.timeout;
  return out;
}

// One request before any load: a typing error is not found out by a thousand failures.
Result<void> try_once(adapters::LoadGenerator& generator, const std::string& shown) {
  load::ArrivalPlan one;
  one.begin = adapters::LoadGenerator::now();
  one.stretches = {{Duration::millis(1), 1, 1}};
  generator.begin(one, Duration::seconds(1));
  while (!generator.quiet() && !stop_asked())
    rest(Duration::millis(5));
  load::Tally sum;
  for (const load::Slice& slice : generator.slices())
    sum.merge(slice.tally);
  for (std::size_t i = 0; i < load::kFailures; ++i) {
    if (sum.failures[i] == 0) continue;
    return fail(ErrorKind::unavailable, fmt::format("{}: the first request failed: {}", shown,
                                                    in_words(static_cast<load::Failure>(i))));
  }
  if (sum.bad_statuses() > 0) {
    std::fputs(fmt::format("holdfast: the first request was answered {}: is this what you want to "
                           "measure?\n",
                           sum.statuses.rbegin()->first)
                   .c_str(),
               stderr);
  }
  return {};
}

// On the first address of the target that takes the first request: "localhost" is two, and many
// servers listen on one.
Result<std::unique_ptr<adapters::LoadGenerator>> reach(Prepared& prepared) {
  Error last = fail(ErrorKind::unavailable, "no address");
  for (const std::string& address : prepared.addresses) {
    prepared.options.target.address = address;
    HF_TRY(auto generator, adapters::LoadGenerator::make(prepared.options));
    auto tried = try_once(*generator, prepared.shown);
    if (tried.ok()) return generator;
    last = tried.take_error();
  }
  return last;
}

// Where a Holdfast is named that stands before the server. A null pointer: none is.
Result<std::unique_ptr<LoadFront>> watch_front(const LoadOptionsLine& line) {
  const AdminHints& hints = line.front;
  if (hints.admin.empty() && hints.config.empty() && hints.token_file.empty())
    return std::unique_ptr<LoadFront>();
  return LoadFront::begin(hints);
}

// What the front saw, and what the rate means. Puts the traffic that it saw into `asked`.
void tell_meaning(const LoadFront* front, load::CapacityAsked& asked, Instant began,
                  load::RunResult& run) {
  const load::StepResult* step = load::telling_step(run);
  if (front != nullptr && step != nullptr) {
    const Instant from = began + step->begin;
    // Without an objective, what most would complain of.
    const bool errors = run.verdict.limit == load::Limit::errors ||
                        run.verdict.limit == load::Limit::connections ||
                        (run.objective.empty() && step->error_share() >= 0.01);
    run.front = front->finding(from, from + step->length + Duration::seconds(1),
                               errors ? load::FrontQuestion::errors : load::FrontQuestion::delay);
    if (!asked.traffic && front->traffic() > 0) {
      asked.traffic = front->traffic();
      asked.traffic_from = "the mean since that Holdfast was started";
    }
  }
  const bool limited = run.verdict.limit == load::Limit::generator;
  const double rate = run.mode == "rate" && run.objective.empty() && !limited && step != nullptr
                          ? step->throughput
                          : run.kept;
  run.capacity = load::capacity_of(
      rate, asked, run.front ? run.front->attempts_per_call : std::map<std::string, double>{});
}

Result<void> write_plan(const LoadOptionsLine& line, const load::CapacityAsked& asked,
                        const load::RunResult& run) {
  if (line.apply.empty()) return {};
  std::string upstream = line.upstream;
  if (upstream.empty() && run.front) upstream = run.front->upstream;
  if (upstream.empty() && run.front && run.front->attempts_per_call.size() == 1)
    upstream = run.front->attempts_per_call.begin()->first;
  if (upstream.empty()) upstream = "server";
  auto plan = load::plan_yaml(run, upstream, asked);
  if (!plan.ok()) return plan.take_error().in("--apply");
  return write_whole(line.apply, *plan);
}

// One screen that is drawn over itself on a terminal, else lines.
class Live {
 public:
  explicit Live(std::string target)
      : target_(std::move(target)), terminal_(::isatty(STDERR_FILENO) == 1), lines_(terminal_) {}

  void show(const LoadStatus& status) {
    if (!terminal_) {
      for (; told_ < status.run->steps.size(); ++told_)
        std::fputs((step_line(status.run->steps[told_]) + "\n").c_str(), stderr);
      return lines_.show(load_line(status));
    }
    const Instant now = mono_now();
    if (last_ && now - *last_ < Duration::millis(100)) return;
    last_ = now;
    winsize size{};
    const bool known = ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
    draw(load_screen(status, target_, known ? size.ws_col - 1 : 100));
  }
  void clear() { draw({}); }

 private:
  void draw(const std::string& screen) {
    std::string out = drawn_ > 0 ? fmt::format("\033[{}A\r\033[J", drawn_) : std::string{};
    drawn_ = std::count(screen.begin(), screen.end(), '\n');
    out += screen;
    std::fputs(out.c_str(), stderr);
    std::fflush(stderr);
  }

  std::string target_;
  bool terminal_;
  Progress lines_;
  std::optional<Instant> last_;
  std::ptrdiff_t drawn_ = 0;
  std::size_t told_ = 0;
};

int code_of(const load::RunResult& run) {
  if (run.verdict.limit == load::Limit::generator) return kLoadNoVerdict;
  if (run.end) {
    const bool ended = *run.end == load::SearchEnd::found || *run.end == load::SearchEnd::unbroken;
    return ended || run.stopped ? kLoadDone : kLoadBroken;
  }
  return run.verdict.limit == load::Limit::none ? kLoadDone : kLoadBroken;
}

}  // namespace

int run_load_command(const LoadOptionsLine& line) {
  auto prepared = prepare(line);
  if (!prepared.ok()) {
    const bool typed = prepared.error().kind == ErrorKind::invalid;
    return complain(prepared.error().context, typed ? kLoadBadLine : kLoadFailed);
  }
  catch_stop();
  auto generator = reach(*prepared);
  if (!generator.ok()) return complain(generator.error().context, kLoadFailed);
  auto front = watch_front(line);
  if (!front.ok()) return complain(front.error().context, kLoadFailed);

  for (const std::string& note : (*prepared).notes)
    std::fputs(("holdfast: " + note + "\n").c_str(), stderr);
  load::RunResult run;
  run.notes = (*prepared).notes;
  run.version = HOLDFAST_VERSION;
  run.target = (*prepared).shown;
  run.started = adapters::SystemClock().read().wall;
  Live live((*prepared).shown);
  const Instant began = run_load((*prepared).plan, **generator,
                                 [&](const LoadStatus& status) { live.show(status); }, run);
  live.clear();
  tell_meaning((*front).get(), (*prepared).capacity, began, run);
  std::fputs((line.json ? load_json(run) + "\n" : load_summary(run)).c_str(), stdout);
  // Told in any case: what cannot be written beside it is a line on standard error.
  int code = code_of(run);
  const auto planned = write_plan(line, (*prepared).capacity, run);
  if (!planned.ok()) code = complain(planned.error().context, kLoadFailed);
  if (line.report.empty()) return code;
  const auto written = write_whole(line.report, load::report_html(run));
  return written.ok() ? code : complain(written.error().context, kLoadFailed);
}

namespace {

void add_target_options(CLI::App& command, LoadOptionsLine& line) {
  const char* group = "What is sent, and where to";
  command.add_option("url", line.url, "what to load: http:// or https://, host, port and path")
      ->option_text("URL");
  const auto add = [&](const char* name, auto& to, const char* help) {
    return command.add_option(name, to, help)->group(group);
  };
  add("--requests", line.requests, "a file of requests, one JSON object a line, sent in turn");
  // One value each time: the URL may follow.
  add("--body-for", line.bodies,
      "'POST /users/{id}/orders=@FILE': a body for those requests of the file that have none, such "
      "as recorded ones; several times")
      ->allow_extra_args(false);
  add("--method", line.method, "instead of GET, or of POST with a body");
  add("--header", line.headers, "'Name: value', in every request; several times")
      ->allow_extra_args(false);
  add("--body", line.body, "of the request; @FILE reads it from there");
  add("--ca", line.ca, "PEM of the authority to trust instead of the system's");
  add("--yes-i-own-this-target", line.consent,
      "HOST: required where the target is not this machine");
  add("--timeout", line.timeout, "of a request, from when it was due")->capture_default_str();
}

void add_compare(CLI::App& command, LoadCompareLine& line, int& code) {
  CLI::App* compare = command.add_subcommand(
      "compare",
      "Whether a run was better than the one before, worse, or whether that cannot be told.\n\n"
      "Examples:\n"
      "  holdfast load http://127.0.0.1:8080/ --rate 500/s --json > before.json\n"
      "  holdfast load http://127.0.0.1:8080/ --rate 500/s --json > after.json\n"
      "  holdfast load compare before.json after.json\n"
      "Exit code: 0 better or the same; 1 a file cannot be used; 2 a wrong command line; 3 worse;\n"
      "4 cannot tell.");
  compare->add_option("before", line.before, "a result of --json")->required()->option_text("FILE");
  compare->add_option("after", line.after, "another")->required()->option_text("FILE");
  compare->add_flag("--json", line.json, "one JSON object, for scripts");
  compare->callback([&line, &code] { code = run_load_compare(line); });
}

void add_rate_options(CLI::App& command, LoadOptionsLine& line) {
  const auto add = [&](const char* name, auto& to, const char* help) {
    return command.add_option(name, to, help)->group("How much: one of --rate, --phases, --find");
  };
  add("--rate", line.rate, "one rate, such as 500/s, however slow the answers are");
  add("--duration", line.duration, "of --rate [30s]");
  add("--ramp-from", line.ramp_from, "from this rate to --rate in a straight line");
  add("--phases", line.phases,
      "[NAME=]RATE[..RATE]:TIME,...: rates that follow each other without a pause, each judged for "
      "itself; RATE..RATE is a ramp");
  command.add_flag("--find", line.find, "find the rate at which the objective breaks")
      ->group("How much: one of --rate, --phases, --find");
  add("--start", line.start, "the first rate of --find")->capture_default_str();
  add("--max-rate", line.max_rate, "the last one")->capture_default_str();
  add("--step", line.step, "time at each rate of --find, at least")->capture_default_str();
  add("--hold", line.hold, "time at what was found")->capture_default_str();
  add("--tolerance", line.tolerance, "how close --find comes")->capture_default_str();
  command.add_flag("--poisson", line.poisson, "random gaps, as of many users; else even ones")
      ->group("How much: one of --rate, --phases, --find");
  add("--seed", line.seed, "of the gaps")->capture_default_str();
}

void add_judging_options(CLI::App& command, LoadOptionsLine& line) {
  const char* judged = "What it is held to, and what is told";
  command
      .add_option("--objective", line.objective,
                  "percentiles from when requests were due: 'p99<200ms, p50<20ms'")
      ->group(judged);
  command.add_option("--errors", line.errors, "at most this share of errors: '<0.1%'")
      ->group(judged);
  command.add_flag("--json", line.json, "the result as one JSON object, to be kept and compared")
      ->group(judged);
  command.add_option("--report", line.report, "write a page with plots to this file (HTML)")
      ->group(judged);
  const char* generator = "The generator";
  command.add_option("--threads", line.threads, "that make the load")
      ->capture_default_str()
      ->check(CLI::Range(1, 64))
      ->group(generator);
  command.add_option("--connections", line.connections, "at most at a time")
      ->capture_default_str()
      ->check(CLI::Range(1, 100'000))
      ->group(generator);
}

void add_meaning_options(CLI::App& command, LoadOptionsLine& line) {
  const char* front = "A Holdfast that stands before the server, to name what gave way in it";
  add_where(command, line.front);
  for (const char* name : {"--config", "--admin", "--token-file"})
    command.get_option(name)->group(front);
  const auto add = [&](const char* name, auto& to, const char* help) {
    return command.add_option(name, to, help)->group("What it means: headroom, price, a plan");
  };
  add("--traffic", line.traffic, "requests a second that there are now, for the headroom");
  add("--growth", line.growth, "of the traffic, a month")->capture_default_str();
  add("--prices", line.prices, "a file of prices, for the cost of a million calls");
  add("--apply", line.apply,
      "write a plan to this file (YAML): concurrency, rate, limit, autoscaling");
  add("--upstream", line.upstream, "the upstream that the plan is for");
}

}  // namespace

void add_load_commands(CLI::App& app, LoadLines& lines, int& code) {
  CLI::App* command = app.add_subcommand(
      "load",
      "How much a server takes, and what gives way first.\n\n"
      "Requests leave at the times of a schedule, however slow the answers are, and each counts\n"
      "from when it was due: a server that stands still cannot hide it.\n\n"
      "Examples:\n"
      "  holdfast load http://127.0.0.1:8080/ --rate 500/s --duration 30s\n"
      "  holdfast load http://127.0.0.1:8080/ --find --objective 'p99<200ms' --errors '<0.1%'\n"
      "  holdfast load http://127.0.0.1:8080/ --objective 'p99<200ms' \\\n"
      "      --phases usual=51/s:6s,surge=512/s:12s,after=51/s:20s\n"
      "  holdfast load http://127.0.0.1:8080 --requests sample.ndjson --rate 200/s --poisson\n"
      "  holdfast load https://shop.internal/ --rate 50/s --yes-i-own-this-target shop.internal\n"
      "  holdfast load http://127.0.0.1:8080/ --rate 500/s --json > a.json\n"
      "  holdfast load compare a.json b.json\n"
      "Exit code: 0 done, and an objective was kept or a breaking point found; 1 no connection, "
      "or\n"
      "a file cannot be used; 2 a wrong command line, or a target without consent; 3 the "
      "objective\n"
      "was broken; 4 the generator was the limit: there is no verdict.\n"
      "docs/load.md tells what each number and each verdict means.");
  add_target_options(*command, lines.load);
  add_rate_options(*command, lines.load);
  add_judging_options(*command, lines.load);
  add_meaning_options(*command, lines.load);
  add_compare(*command, lines.compare, code);
  command->callback([command, &lines, &code] {
    if (!command->get_subcommands().empty()) return;
    if (lines.load.url.empty()) throw CLI::RequiredError("URL");
    code = run_load_command(lines.load);
  });
}

}  // namespace hf::app
