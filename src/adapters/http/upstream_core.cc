#include "adapters/http/upstream_core.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <ctime>

#include "adapters/http/upstream_attempt.h"
#include "base/check.h"

namespace hf::adapters {
namespace {

constexpr Duration kPoolSweep = Duration::seconds(1);
// An outage repeats one line for every attempt: the same line is written this seldom.
constexpr Duration kSameWarning = Duration::seconds(10);

}  // namespace

UpstreamCore::UpstreamCore(boost::asio::io_context& io, UpstreamOptions options)
    : io_(io),
      options_(std::move(options)),
      pool_(options_.pool),
      resolver_(io, options_.lookup ? options_.lookup : Lookup(system_lookup), options_.resolver),
      books_(options_.seed, [this](LogLine line) { tell(std::move(line)); }),
      trust_([this](const std::string& value) { return resolve_secret(value); },
             [this](bool good, const std::string& line) { tell_of_files(good, line); }),
      sweep_timer_(io) {}

UpstreamCore::~UpstreamCore() = default;

Instant UpstreamCore::now() const {
  if (options_.clock != nullptr) return options_.clock->read().mono;
  timespec time{};
  ::clock_gettime(CLOCK_BOOTTIME, &time);
  return Instant{} + Duration::seconds(time.tv_sec) + Duration::nanos(time.tv_nsec);
}

WallTime UpstreamCore::wall() const {
  if (options_.clock != nullptr) return options_.clock->read().wall;
  timespec time{};
  ::clock_gettime(CLOCK_REALTIME, &time);
  return WallTime{time.tv_sec * 1000 + time.tv_nsec / 1'000'000};
}

void UpstreamCore::start(ports::AttemptSpec spec) {
  HF_CHECK(spec.upstream && spec.request && spec.url < spec.upstream->urls.size());
  const auto id = raw(spec.id);
  auto attempt = std::make_shared<UpstreamAttempt>(*this, std::move(spec));
  HF_CHECK_MSG(attempts_.emplace(id, attempt).second, "attempt id used twice");
  ++counters_.started;
  if (stopped_) return attempt->finish(call::Cause::cancelled);
  attempt->start();
  arm_sweep(true);
}

std::shared_ptr<UpstreamAttempt> UpstreamCore::find(AttemptId id) const {
  const auto found = attempts_.find(raw(id));
  return found == attempts_.end() ? nullptr : found->second;
}

void UpstreamCore::shutdown() {
  stopped_ = true;
  const auto running = attempts_;
  for (const auto& [id, attempt] : running)
    attempt->finish(call::Cause::cancelled);
  pool_.close_all();
  sweep_timer_.cancel();
}

Result<void> UpstreamCore::prepare(const call::UpstreamSettings& settings) {
  const bool spoken = std::any_of(settings.urls.begin(), settings.urls.end(),
                                  [](const call::Url& url) { return url.tls; });
  if (!spoken || settings.tls == call::UpstreamTls{}) return {};
  auto read = trust_.get(settings.tls, now());
  if (!read.ok()) return read.take_error().in(fmt::format("upstreams.{}.tls", settings.name));
  prepared_[settings.name] = settings.tls;
  return {};
}

std::vector<CertificateCounters> UpstreamCore::certificates() {
  std::vector<CertificateCounters> out;
  for (const auto& [upstream, tls] : prepared_) {
    const auto read = trust_.get(tls, now());
    if (read.ok() && read->context->own()) out.push_back({upstream, *read->context->own()});
  }
  return out;
}

void UpstreamCore::tell_of_files(bool good, const std::string& text) {
  LogLine line;
  line.level = good ? LogLevel::info : LogLevel::error;
  line.what = good ? "tls_files_read" : "tls_files_unusable";
  line.detail = text;
  tell(std::move(line));
}

void UpstreamCore::tell(LogLine line) const {
  if (options_.log) options_.log(line);
}

UpstreamCounters UpstreamCore::counters() const {
  auto out = counters_;
  out.active = attempts_.size();
  out.idle = pool_.idle();
  out.lookups = resolver_.lookups();
  out.pool = pool_.counters();
  return out;
}

void UpstreamCore::count_proxy(const call::UpstreamSettings& settings, call::Cause cause) {
  auto& counters = proxies_[settings.name];
  counters.upstream = settings.name;
  counters.proxy = settings.proxy->authority();
  ++counters.results[cause == call::Cause::none ? "opened" : std::string(call::to_string(cause))];
}

std::vector<ProxyCounters> UpstreamCore::proxies() const {
  std::vector<ProxyCounters> out;
  for (const auto& [upstream, counters] : proxies_)
    out.push_back(counters);
  return out;
}

void UpstreamCore::report_head(AttemptId id, call::AnswerHead head, bool overflow) {
  push(Head{id, std::move(head), overflow});
}

void UpstreamCore::report_done(AttemptId id, call::AttemptOutcome outcome) {
  attempts_.erase(raw(id));
  push(Done{id, std::move(outcome)});
}

void UpstreamCore::push(Event event) {
  events_out_.push_back(std::move(event));
  if (delivery_posted_) return;
  delivery_posted_ = true;
  boost::asio::post(io_, [self = shared_from_this()] { self->deliver(); });
}

void UpstreamCore::deliver() {
  delivery_posted_ = false;
  auto batch = std::exchange(events_out_, {});
  for (auto& event : batch) {
    if (events_ == nullptr) return;
    if (auto* head = std::get_if<Head>(&event)) {
      events_->on_answer_head(head->id, std::move(head->head), head->overflow);
    } else {
      auto& done = std::get<Done>(event);
      events_->on_attempt_done(done.id, std::move(done.outcome));
    }
  }
}

void UpstreamCore::warn(const std::string& line) {
  const auto at = now();
  if (line == last_warning_ && at - last_warning_at_ < kSameWarning) {
    ++warnings_left_out_;
    return;
  }
  const auto left_out = std::exchange(warnings_left_out_, 0);
  last_warning_ = line;
  last_warning_at_ = at;
  const auto text =
      left_out == 0 ? line : fmt::format("{} (and {} like the one before)", line, left_out);
  if (options_.warn) return options_.warn(text);
  spdlog::warn("{}", text);
}

Result<std::string> UpstreamCore::resolve_secret(const std::string& value) {
  if (value.find("${") == std::string::npos) return value;
  auto resolved = options_.secrets ? options_.secrets(value) : secrets_.resolve(value);
  if (resolved.ok() && !is_field_value(resolved.value())) {
    resolved = fail(ErrorKind::invalid, "secret holds bytes that cannot stand in a header field");
  }
  if (!resolved.ok()) ++counters_.secret_failures;
  return resolved;
}

// One timer for all: short while attempts run, long while connections only rest in the pool.
void UpstreamCore::arm_sweep(bool soon) {
  if (stopped_ || (sweep_armed_ && (sweep_soon_ || !soon))) return;
  sweep_armed_ = true;
  sweep_soon_ = soon;
  const auto delay = soon ? options_.sweep : kPoolSweep;
  sweep_timer_.expires_after(std::chrono::nanoseconds(delay.ns));
  sweep_timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
    const auto self = weak.lock();
    if (self && !error) self->on_sweep();
  });
}

void UpstreamCore::on_sweep() {
  sweep_armed_ = false;
  const auto at = now();
  // Copied, since ends take attempts out of the map.
  std::vector<std::shared_ptr<UpstreamAttempt>> running;
  running.reserve(attempts_.size());
  for (const auto& [id, attempt] : attempts_)
    running.push_back(attempt);
  for (const auto& attempt : running)
    attempt->tick(at);
  if (at - pool_swept_ >= kPoolSweep) {
    pool_.sweep(at);
    pool_swept_ = at;
  }
  if (!attempts_.empty()) {
    arm_sweep(true);
  } else if (pool_.idle() > 0) {
    arm_sweep(false);
  }
}

HttpUpstream::HttpUpstream(boost::asio::io_context& io, UpstreamOptions options,
                           ports::UpstreamEvents* events)
    : core_(std::make_shared<UpstreamCore>(io, std::move(options))) {
  core_->set_events(events);
}

HttpUpstream::~HttpUpstream() {
  core_->set_events(nullptr);
  core_->shutdown();
}

void HttpUpstream::set_events(ports::UpstreamEvents* events) {
  core_->set_events(events);
}
void HttpUpstream::start(ports::AttemptSpec spec) {
  core_->start(std::move(spec));
}

void HttpUpstream::cancel(AttemptId id) {
  if (const auto attempt = core_->find(id)) attempt->finish(call::Cause::cancelled);
}

void HttpUpstream::forward(AttemptId id, std::shared_ptr<ports::AnswerSink> sink) {
  if (const auto attempt = core_->find(id)) attempt->forward(std::move(sink));
}

void HttpUpstream::capture(AttemptId id, std::uint64_t max) {
  if (const auto attempt = core_->find(id)) attempt->capture(max);
}

void HttpUpstream::shutdown() {
  core_->shutdown();
}
void HttpUpstream::close_idle() {
  core_->pool().close_all();
}
Result<void> HttpUpstream::prepare(const call::UpstreamSettings& settings) {
  return core_->prepare(settings);
}
std::vector<CertificateCounters> HttpUpstream::certificates() const {
  return core_->certificates();
}
std::vector<NamedAddress> HttpUpstream::addresses() const {
  return core_->books().facts(core_->clocks());
}
std::vector<ProxyCounters> HttpUpstream::proxies() const {
  return core_->proxies();
}
UpstreamCounters HttpUpstream::counters() const {
  return core_->counters();
}

}  // namespace hf::adapters
