#include "app/load_json.h"

#include <boost/json.hpp>

#include "base/quantity.h"

namespace hf::app {
namespace {

namespace json = boost::json;
using load::Spread;

std::int64_t micros(Duration length) {
  return length.ns / 1000;
}

json::object spread_json(const Spread& spread) {
  return {{"p50_us", micros(spread.p50)}, {"p90_us", micros(spread.p90)},
          {"p99_us", micros(spread.p99)}, {"p999_us", micros(spread.p999)},
          {"max_us", micros(spread.max)}, {"mean_us", micros(spread.mean)}};
}

json::object breach_json(const load::Breach& breach) {
  json::object out;
  const bool late = breach.kind == load::Breach::Kind::latency;
  out["kind"] = late ? "latency" : "errors";
  if (late) {
    out["percentile"] = static_cast<double>(breach.goal.per_mille_mille) / 10'000;
    out["limit_us"] = micros(breach.goal.limit);
    out["measured_us"] = micros(breach.measured);
  }
  out["over"] = breach.over;
  out["of"] = breach.of;
  out["from_us"] = micros(breach.from);
  out["to_us"] = micros(breach.to);
  return out;
}

json::object objective_json(const load::Objective& objective) {
  json::array latency;
  for (const load::LatencyGoal& goal : objective.latency) {
    latency.push_back(
        json::object{{"percentile", static_cast<double>(goal.per_mille_mille) / 10'000},
                     {"limit_us", micros(goal.limit)}});
  }
  json::object out{{"text", to_string(objective)}, {"latency", latency}};
  if (objective.errors_ppm) out["errors_ppm"] = *objective.errors_ppm;
  return out;
}

json::object moment_json(const load::Moment& moment) {
  return {{"at_us", micros(moment.at)},      {"rate", moment.rate},
          {"throughput", moment.throughput}, {"errors", moment.errors},
          {"p50_us", micros(moment.p50)},    {"p99_us", micros(moment.p99)},
          {"max_us", micros(moment.max)},    {"in_flight", moment.in_flight}};
}

json::object generator_json(const load::StepResult& step) {
  const load::GeneratorFacts& self = step.generator;
  json::object out{{"cpu", self.cpu},
                   {"lag_p99_us", micros(self.lag_p99)},
                   {"lag_max_us", micros(self.lag_max)},
                   {"queued", self.queued},
                   {"unsent", self.unsent},
                   {"connections", self.connections}};
  if (!self.exhausted.empty()) out["exhausted"] = self.exhausted;
  if (!step.why.empty()) out["limited"] = step.why;
  return out;
}

json::object step_json(const load::StepResult& step) {
  json::object statuses;
  for (const auto& [status, count] : step.statuses)
    statuses[std::to_string(status)] = count;
  json::object failures;
  for (std::size_t i = 0; i < load::kFailures; ++i) {
    if (step.failures[i] > 0) failures[to_string(static_cast<load::Failure>(i))] = step.failures[i];
  }
  json::array moments;
  for (const load::Moment& moment : step.moments)
    moments.push_back(moment_json(moment));
  json::object out{{"phase", to_string(step.phase)},
                   {"outcome", to_string(step.outcome)},
                   {"rate", step.rate},
                   {"begin_us", micros(step.begin)},
                   {"length_us", micros(step.length)},
                   {"due", step.due},
                   {"answered", step.answered},
                   {"errors", step.errors()},
                   {"statuses", statuses},
                   {"failures", failures},
                   {"throughput", step.throughput},
                   {"in_flight", step.in_flight},
                   {"in_flight_max", step.in_flight_max},
                   {"silence_us", micros(step.silence)},
                   {"latency", spread_json(step.latency)},
                   {"service", spread_json(step.service)},
                   {"connect", spread_json(step.connect)},
                   {"generator", generator_json(step)}};
  if (!step.name.empty()) out["name"] = step.name;
  if (step.first_rate) out["first_rate"] = *step.first_rate;
  if (step.breach) out["breach"] = breach_json(*step.breach);
  if (step.kept_from) out["kept_from_us"] = micros(*step.kept_from);
  out["moments"] = moments;
  return out;
}

json::array places_json(const std::vector<load::Histogram::Place>& places) {
  json::array out;
  for (const auto& place : places)
    out.push_back(json::array{micros(place.up_to), place.count});
  return out;
}

json::object usl_json(const load::UslFit& fit) {
  json::object out{
      {"alpha", fit.alpha}, {"beta", fit.beta}, {"gamma", fit.gamma}, {"r_squared", fit.r_squared}};
  if (const auto peak = fit.peak()) out["peak_in_flight"] = *peak;
  if (const auto limit = fit.limit()) out["most_a_second"] = *limit;
  return out;
}

json::array lines_json(const std::vector<std::string>& lines) {
  json::array out;
  for (const std::string& line : lines)
    out.emplace_back(line);
  return out;
}

json::object front_json(const load::FrontFinding& front) {
  json::object attempts;
  for (const auto& [upstream, count] : front.attempts_per_call)
    attempts[upstream] = count;
  json::object out{{"upstream", front.upstream},
                   {"limit", front.limit},
                   {"sentence", front.sentence},
                   {"attempts_per_call", attempts}};
  if (!front.name.empty()) out["name"] = front.name;
  if (!front.also.empty()) out["also"] = lines_json(front.also);
  json::object learnt;
  for (const auto& [upstream, limit] : front.learnt)
    learnt[upstream] = limit;
  if (!learnt.empty()) out["learnt"] = learnt;
  return out;
}

json::object capacity_json(const load::Capacity& capacity) {
  json::object out;
  if (capacity.headroom) out["headroom"] = *capacity.headroom;
  if (capacity.months) out["months"] = *capacity.months;
  if (capacity.million) out["million_calls"] = *capacity.million;
  if (capacity.million) out["currency"] = capacity.currency;
  out["sentences"] = lines_json(capacity.sentences);
  return out;
}

// Members as they must be; anything else ends in one error of the whole file.
class Reader {
 public:
  explicit Reader(const json::object& object) : object_(&object) {}

  [[nodiscard]] bool has(std::string_view name) const { return object_->contains(name); }
  [[nodiscard]] double number(std::string_view name) const {
    return object_->at(name).to_number<double>();
  }
  [[nodiscard]] std::uint64_t count(std::string_view name) const {
    return object_->at(name).to_number<std::uint64_t>();
  }
  [[nodiscard]] Duration time(std::string_view name) const {
    return Duration::micros(object_->at(name).to_number<std::int64_t>());
  }
  [[nodiscard]] std::string text(std::string_view name) const {
    return std::string(object_->at(name).as_string());
  }
  [[nodiscard]] Reader object(std::string_view name) const {
    return Reader(object_->at(name).as_object());
  }
  [[nodiscard]] const json::array& list(std::string_view name) const {
    return object_->at(name).as_array();
  }
  [[nodiscard]] const json::object& all() const { return *object_; }

 private:
  const json::object* object_;
};

template <typename E>
E named(const std::string& name, E last) {
  for (int i = 0; i <= static_cast<int>(last); ++i) {
    if (to_string(static_cast<E>(i)) == name) return static_cast<E>(i);
  }
  throw std::invalid_argument("unknown name: " + name);
}

Spread read_spread(const Reader& from) {
  return {from.time("p50_us"),  from.time("p90_us"), from.time("p99_us"),
          from.time("p999_us"), from.time("max_us"), from.time("mean_us")};
}

load::LatencyGoal read_goal(const Reader& from) {
  return {static_cast<int>(from.number("percentile") * 10'000 + 0.5), from.time("limit_us")};
}

load::Breach read_breach(const Reader& from) {
  load::Breach out;
  if (from.text("kind") == "latency") {
    out.goal = read_goal(from);
    out.measured = from.time("measured_us");
  } else {
    out.kind = load::Breach::Kind::errors;
  }
  out.over = from.count("over");
  out.of = from.count("of");
  out.from = from.time("from_us");
  out.to = from.time("to_us");
  return out;
}

load::Moment read_moment(const Reader& from) {
  return {from.time("at_us"),    from.number("rate"),    from.number("throughput"),
          from.number("errors"), from.time("p50_us"),    from.time("p99_us"),
          from.time("max_us"),   from.count("in_flight")};
}

load::StepResult read_step(const Reader& from) {
  load::StepResult out;
  out.phase = named(from.text("phase"), load::Phase::hold);
  out.outcome = named(from.text("outcome"), load::StepOutcome::stopped);
  out.rate = from.number("rate");
  out.begin = from.time("begin_us");
  out.length = from.time("length_us");
  out.due = from.count("due");
  out.answered = from.count("answered");
  const Reader statuses = from.object("statuses");
  for (const auto& member : statuses.all())
    out.statuses[std::stoi(std::string(member.key()))] = statuses.count(member.key());
  const Reader failures = from.object("failures");
  for (std::size_t i = 0; i < load::kFailures; ++i) {
    const auto name = to_string(static_cast<load::Failure>(i));
    if (failures.has(name)) out.failures[i] = failures.count(name);
  }
  out.throughput = from.number("throughput");
  out.in_flight = from.number("in_flight");
  out.in_flight_max = from.count("in_flight_max");
  out.silence = from.time("silence_us");
  out.latency = read_spread(from.object("latency"));
  out.service = read_spread(from.object("service"));
  out.connect = read_spread(from.object("connect"));
  const Reader self = from.object("generator");
  out.generator.cpu = self.number("cpu");
  out.generator.lag_p99 = self.time("lag_p99_us");
  out.generator.lag_max = self.time("lag_max_us");
  out.generator.queued = self.count("queued");
  out.generator.unsent = self.count("unsent");
  out.generator.connections = self.count("connections");
  if (self.has("exhausted")) out.generator.exhausted = self.text("exhausted");
  if (self.has("limited")) out.why = self.text("limited");
  if (from.has("name")) out.name = from.text("name");
  if (from.has("first_rate")) out.first_rate = from.number("first_rate");
  if (from.has("breach")) out.breach = read_breach(from.object("breach"));
  if (from.has("kept_from_us")) out.kept_from = from.time("kept_from_us");
  for (const json::value& moment : from.list("moments"))
    out.moments.push_back(read_moment(Reader(moment.as_object())));
  return out;
}

std::vector<load::Histogram::Place> read_places(const json::array& from) {
  std::vector<load::Histogram::Place> out;
  for (const json::value& place : from) {
    const json::array& pair = place.as_array();
    out.push_back({Duration::micros(pair.at(0).to_number<std::int64_t>()),
                   pair.at(1).to_number<std::uint64_t>()});
  }
  return out;
}

void read_lines(const json::array& from, std::vector<std::string>& out) {
  for (const json::value& line : from)
    out.emplace_back(line.as_string());
}

void read_front_and_capacity(const Reader& from, load::RunResult& out) {
  if (from.has("front")) {
    const Reader front = from.object("front");
    out.front.emplace();
    out.front->upstream = front.text("upstream");
    out.front->limit = front.text("limit");
    out.front->sentence = front.text("sentence");
    const Reader attempts = front.object("attempts_per_call");
    for (const auto& member : attempts.all())
      out.front->attempts_per_call[std::string(member.key())] = attempts.number(member.key());
    if (front.has("name")) out.front->name = front.text("name");
    if (front.has("also")) read_lines(front.list("also"), out.front->also);
    if (front.has("learnt")) {
      const Reader learnt = front.object("learnt");
      for (const auto& member : learnt.all())
        out.front->learnt[std::string(member.key())] = learnt.number(member.key());
    }
  }
  if (!from.has("capacity")) return;
  const Reader capacity = from.object("capacity");
  if (capacity.has("headroom")) out.capacity.headroom = capacity.number("headroom");
  if (capacity.has("months")) out.capacity.months = capacity.number("months");
  if (capacity.has("million_calls")) {
    out.capacity.million = capacity.number("million_calls");
    out.capacity.currency = capacity.text("currency");
  }
  read_lines(capacity.list("sentences"), out.capacity.sentences);
}

load::RunResult read_run(const Reader& from) {
  load::RunResult out;
  out.version = from.text("version");
  out.target = from.text("target");
  out.mode = from.text("mode");
  const auto started = parse_rfc3339(from.text("started"));
  if (!started.ok()) throw std::invalid_argument("started");
  out.started = *started;
  out.length = from.time("length_us");
  out.stopped = from.all().at("stopped").as_bool();
  out.spacing = from.text("spacing") == "poisson" ? load::Spacing::poisson : load::Spacing::even;
  const Reader objective = from.object("objective");
  for (const json::value& goal : objective.list("latency"))
    out.objective.latency.push_back(read_goal(Reader(goal.as_object())));
  if (objective.has("errors_ppm"))
    out.objective.errors_ppm = static_cast<int>(objective.number("errors_ppm"));
  out.kept = from.number("kept");
  if (from.has("broken")) out.broken = from.number("broken");
  if (from.has("end")) out.end = named(from.text("end"), load::SearchEnd::stopped);
  if (from.has("usl")) {
    const Reader usl = from.object("usl");
    out.usl = load::UslFit{usl.number("alpha"), usl.number("beta"), usl.number("gamma"),
                           usl.number("r_squared")};
  }
  const Reader verdict = from.object("verdict");
  out.verdict.limit = named(verdict.text("limit"), load::Limit::generator);
  out.verdict.rule = verdict.text("rule");
  out.verdict.sentence = verdict.text("sentence");
  read_lines(verdict.list("evidence"), out.verdict.evidence);
  if (from.has("notes")) read_lines(from.list("notes"), out.notes);
  read_front_and_capacity(from, out);
  for (const json::value& step : from.list("steps"))
    out.steps.push_back(read_step(Reader(step.as_object())));
  out.latency = read_places(from.list("latency"));
  out.service = read_places(from.list("service"));
  return out;
}

}  // namespace

std::string load_json(const load::RunResult& run) {
  json::object out{{"format", kLoadFormat},
                   {"tool", "holdfast load"},
                   {"version", run.version},
                   {"target", run.target},
                   {"mode", run.mode},
                   {"started", format_rfc3339(run.started)},
                   {"length_us", micros(run.length)},
                   {"stopped", run.stopped},
                   {"spacing", run.spacing == load::Spacing::poisson ? "poisson" : "even"},
                   {"objective", objective_json(run.objective)},
                   {"kept", run.kept}};
  if (run.broken) out["broken"] = *run.broken;
  if (run.end) out["end"] = to_string(*run.end);
  out["verdict"] = json::object{{"limit", to_string(run.verdict.limit)},
                                {"rule", run.verdict.rule},
                                {"sentence", run.verdict.sentence},
                                {"evidence", lines_json(run.verdict.evidence)}};
  if (run.usl) out["usl"] = usl_json(*run.usl);
  if (run.front) out["front"] = front_json(*run.front);
  if (!run.capacity.sentences.empty()) out["capacity"] = capacity_json(run.capacity);
  if (!run.notes.empty()) out["notes"] = lines_json(run.notes);
  json::array steps;
  for (const load::StepResult& step : run.steps)
    steps.push_back(step_json(step));
  out["steps"] = steps;
  out["latency"] = places_json(run.latency);
  out["service"] = places_json(run.service);
  return json::serialize(out);
}

Result<load::RunResult> read_load_json(std::string_view text) {
  boost::system::error_code error;
  const json::value value = json::parse(text, error);
  const json::object* object = error ? nullptr : value.if_object();
  const json::value* tool = object != nullptr ? object->if_contains("tool") : nullptr;
  if (tool == nullptr || !tool->is_string() || tool->get_string() != "holdfast load") {
    return fail(ErrorKind::invalid, "this is no result of `holdfast load --json`");
  }
  const json::value* format = object->if_contains("format");
  if (format == nullptr || !format->is_int64() || format->get_int64() != kLoadFormat) {
    return fail(ErrorKind::invalid, "a result of another format: this version reads format 1");
  }
  // Library exceptions stop here: one that is thrown says that a member is missing or another kind.
  try {
    return read_run(Reader(*object));
  } catch (const std::exception& problem) {
    return fail(ErrorKind::corrupt,
                std::string("a member is missing or of another kind: ") + problem.what());
  }
}

}  // namespace hf::app
