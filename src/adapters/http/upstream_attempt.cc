#include "adapters/http/upstream_attempt.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/post.hpp>

#include "adapters/http/upstream_core.h"
#include "adapters/http/upstream_secret.h"
#include "adapters/http/upstream_sign.h"
#include "base/check.h"
#include "call/callback.h"
#include "http1/write.h"

namespace hf::adapters {

using call::Cause;
using call::Evidence;

namespace {

// A streamed body is asked for again when what waits to be written has gone.
constexpr std::size_t kOutReserve = 1024;

// Written by us for each connection, whatever the request holds. Expect: nobody would wait for its
// answer here, the body follows at once.
bool is_framing_field(std::string_view name) {
  return same_name(name, "content-length") || same_name(name, "transfer-encoding") ||
         same_name(name, "connection") || same_name(name, "expect");
}

// RFC 9110 section 8.6: a method that usually has a body says so when it has none.
bool expects_body(std::string_view method) {
  return method == "POST" || method == "PUT" || method == "PATCH";
}

// Connections that may lead to a private address are not for those that must not go there, nor
// those that showed one certificate for those that show another.
std::string target_of(const call::UpstreamSettings& settings, const call::Url& url,
                      const ReadContext& tls) {
  // A tunnel belongs to the upstream that may use the proxy, not to its name alone.
  std::string out;
  if (settings.proxy) {
    out = fmt::format("{}:{}:", settings.name, settings.proxy->authority());
  } else if (settings.public_only) {
    out = "public:";
  }
  out += url.tls ? "tls:" : "tcp:";
  out += std::to_string(url.port);
  out += ':';
  out += url.host;
  if (url.tls) out += ":" + std::to_string(tls.reading);
  return out;
}

// Whose name the addresses stand behind.
std::string place_of(const call::UpstreamSettings& settings, const call::Url& url) {
  return settings.proxy ? "proxy " + settings.proxy->authority() : url.authority();
}

// What the end of an attempt says of the address that it was connected to. Of a proxy an answer
// tells that it works, and everything else is the upstream's.
call::Sign sign_for(const call::AttemptOutcome& outcome, const call::UpstreamSettings& settings) {
  if (!settings.proxy) return call::sign_of(outcome, settings.idempotency);
  return outcome.evidence >= Evidence::answer_begun ? call::Sign::ok : call::Sign::none;
}

// Fields put into a head that is used over and over, so that its strings keep their memory.
class FieldWriter {
 public:
  explicit FieldWriter(Fields& fields) : fields_(fields) {}
  void put(std::string_view name, std::string_view value) {
    if (used_ == fields_.size()) fields_.emplace_back();
    fields_[used_].name.assign(name);
    fields_[used_].value.assign(value);
    ++used_;
  }
  void done() { fields_.resize(used_); }

 private:
  Fields& fields_;
  std::size_t used_ = 0;
};

}  // namespace

UpstreamAttempt::UpstreamAttempt(UpstreamCore& core, ports::AttemptSpec spec)
    : core_(core),
      spec_(std::move(spec)),
      url_(spec_.upstream->urls[spec_.url]),
      started_(core.now()),
      lease_(core.books(), *spec_.upstream, place_of(*spec_.upstream, url_)),
      scanner_(core.options().head_max),
      capture_max_(spec_.capture_max) {}

void UpstreamAttempt::start() {
  if (!read_tls()) return finish(Cause::tls);
  target_ = target_of(*spec_.upstream, url_, tls_);
  if (!prepare()) return;
  connect();
}

// Where the name's addresses are known, one is chosen before a connection is: each has a pool of
// its own.
void UpstreamAttempt::connect() {
  if (lease_.choose(core_.clocks(), !spec_.careful_reuse, spec_.tried)) {
    auto link =
        core_.pool().take(pool_target(target_, lease_.address()), spec_.careful_reuse, started_);
    if (link) return use(std::move(link), true);
  }
  dial();
}

bool UpstreamAttempt::read_tls() {
  if (!url_.tls) return true;
  auto read = core_.trust().get(spec_.upstream->tls, started_);
  if (!read.ok()) {
    core_.warn(fmt::format("upstream {}: {}", spec_.upstream->name, read.error().context));
    return false;
  }
  tls_ = std::move(read).value();
  return true;
}

bool UpstreamAttempt::read_credentials(std::string& out) {
  if (!spec_.upstream->proxy) return true;
  auto read = proxy_credentials(*spec_.upstream->proxy, [this](const std::string& value) {
    return core_.resolve_secret(value);
  });
  if (!read.ok()) {
    core_.warn(fmt::format("upstream {}: proxy {}: {}", spec_.upstream->name,
                           spec_.upstream->proxy->authority(), read.error().context));
    return false;
  }
  out = std::move(read).value();
  return true;
}

bool UpstreamAttempt::prepare() {
  Fields injected;
  if (!resolve_injected(injected) || !sign(injected)) {
    finish(Cause::connect_failed);
    return false;
  }
  if (spec_.body) {
    source_over_ = false;
    if (spec_.body->replayable()) spec_.body->rewind();
    const auto length = spec_.body->length();
    chunked_ = length < 0;
    source_left_ = chunked_ ? 0 : static_cast<std::uint64_t>(length);
  }
  write_head(injected);
  return true;
}

bool UpstreamAttempt::resolve_injected(Fields& injected) {
  for (const auto& [name, value] : spec_.upstream->inject) {
    auto resolved = core_.resolve_secret(value);
    if (!resolved.ok()) {
      core_.warn(fmt::format("upstream {}: field {}: {}", spec_.upstream->name, name,
                             resolved.error().context));
      return false;
    }
    injected.push_back({name, std::move(resolved).value()});
  }
  return true;
}

// Without a signature nothing is sent: the receiver could not tell it from anybody's.
bool UpstreamAttempt::sign(Fields& injected) {
  const auto& settings = *spec_.upstream;
  if (settings.signing.empty()) return true;
  const auto* id = find_field(spec_.request->fields, call::kWebhookId);
  HF_CHECK(id != nullptr && !spec_.body);
  auto fields =
      sign_webhook(settings, id->value, view(spec_.request->body), core_.wall(),
                   [this](const std::string& value) { return core_.resolve_secret(value); });
  if (!fields.ok()) {
    core_.warn(fmt::format("upstream {}: {}", settings.name, fields.error().context));
    return false;
  }
  for (Field& field : *fields)
    injected.push_back(std::move(field));
  return true;
}

void UpstreamAttempt::write_head(const Fields& injected) {
  using Kind = http1::BodyFraming::Kind;
  const auto& request = *spec_.request;
  auto& head = core_.request_scratch();
  head.method = request.method;
  head.target = request.target;
  FieldWriter fields(head.fields);
  const auto* kept_host = spec_.host_keep ? find_field(request.fields, "host") : nullptr;
  if (find_field(injected, "host") == nullptr) {
    fields.put("Host", kept_host != nullptr ? kept_host->value : url_.authority());
  }
  for (const auto& [name, value] : request.fields) {
    if (same_name(name, "host") || is_framing_field(name) ||
        find_field(spec_.per_attempt, name) != nullptr || find_field(injected, name) != nullptr) {
      continue;
    }
    fields.put(name, value);
  }
  for (const auto& [name, value] : spec_.per_attempt) {
    if (find_field(injected, name) == nullptr) fields.put(name, value);
  }
  for (const auto& [name, value] : injected)
    fields.put(name, value);
  fields.done();

  http1::BodyFraming framing;
  if (chunked_) {
    framing.kind = Kind::chunked;
  } else if (spec_.body) {
    framing = {Kind::length, source_left_};
  } else if (request.body || expects_body(request.method)) {
    framing = {Kind::length, view(request.body).size()};
  }
  out_.reserve(kOutReserve);
  http1::write_request_head(out_, head, framing);
}

void UpstreamAttempt::dial() {
  UpstreamDial::To to{*spec_.upstream,      url_,        target_, tls_.context,
                      !spec_.careful_reuse, spec_.tried, {}};
  if (!read_credentials(to.credentials)) return finish(Cause::proxy_credentials);
  dial_ = std::make_shared<UpstreamDial>(core_, std::move(to), lease_,
                                         [this](std::shared_ptr<UpstreamLink> link, Cause cause) {
                                           const auto self = shared_from_this();
                                           address_ = dial_->address();
                                           if (!link) return finish(cause);
                                           add_dial_phases();
                                           dial_ = nullptr;
                                           use(std::move(link), false);
                                         });
  // Kept by hand: it may end, and be let go, within start().
  const auto dial = dial_;
  dial->start();
}

void UpstreamAttempt::use(std::shared_ptr<UpstreamLink> link, bool reused) {
  link_ = std::move(link);
  connected_ = true;
  reused_ = reused;
  if (reused) address_ = link_->address();
  taken_before_ = link_->taken();
  link_->listen([this](UpstreamLink::Ready ready) { on_ready(ready); });
  run_request();
  // An upstream may answer, or go, before it has the whole request.
  if (!over_ && link_) link_->arm_reading();
}

void UpstreamAttempt::on_ready(UpstreamLink::Ready ready) {
  const auto self = shared_from_this();
  // TLS may want to write in order to read, and the other way round.
  const bool both = link_ && link_->tls();
  if (ready == UpstreamLink::Ready::writing || (both && has_output())) run_request();
  if (ready == UpstreamLink::Ready::reading || both) run_answer();
}

std::uint64_t UpstreamAttempt::taken() const {
  return link_ ? link_->taken() - taken_before_ : taken_;
}

bool UpstreamAttempt::too_late(Instant now) const {
  return spec_.not_after && now >= *spec_.not_after;
}

bool UpstreamAttempt::has_output() const {
  return out_at_ < out_.size() || (!spec_.body && body_at_ < view(spec_.request->body).size());
}

// Writes what there is and asks for more, in a loop and not in each other's callbacks: a source
// that has its bytes at hand would otherwise pile up frames.
void UpstreamAttempt::run_request() {
  if (request_running_) return;
  request_running_ = true;
  const auto self = shared_from_this();
  while (!over_ && link_ && !write_dead_ && !request_sent_) {
    if (!flush()) break;
    if (source_over_) {
      request_over();
      break;
    }
    if (!asking_) ask_body();
    if (asking_) break;
  }
  request_running_ = false;
}

// True when everything that was there has been taken.
bool UpstreamAttempt::flush() {
  const auto body = spec_.body ? std::string_view{} : view(spec_.request->body);
  while (has_output()) {
    // Before the write: the moment counts towards the lifetime of a key, so rather early than late.
    if (taken() == 0) {
      last_write_ = core_.now();
      if (too_late(last_write_)) {
        finish(Cause::cancelled);
        return false;
      }
      first_byte_at_ = last_write_;
    }
    const auto rest = std::string_view(out_).substr(out_at_);
    const auto result = link_->write(rest, body.substr(body_at_));
    if (result.what == UpstreamLink::Io::again) {
      link_->arm_writing();
      return false;
    }
    if (result.what != UpstreamLink::Io::ok) {
      on_write_failed();
      return false;
    }
    const auto of_out = std::min(result.bytes, rest.size());
    out_at_ += of_out;
    body_at_ += result.bytes - of_out;
    last_write_ = core_.now();
  }
  out_.clear();
  out_at_ = 0;
  return true;
}

void UpstreamAttempt::on_write_failed() {
  if (taken() == 0) {
    // Nothing went out, so nothing is repeated by taking a new connection. This is how the end of
    // a reused one shows when it falls between the poll and the write.
    if (!reused_) return finish(Cause::reset);
    reused_ = false;
    connected_ = false;
    first_byte_at_.reset();
    std::exchange(link_, nullptr)->close();
    core_.count_redial();
    return dial();
  }
  // The upstream may have answered before it closed, and then the answer can still be read.
  write_dead_ = true;
  stop_source();
  sent_at_ = core_.now();
  run_answer();
}

void UpstreamAttempt::request_over() {
  request_sent_ = true;
  sent_at_ = last_write_;
}

void UpstreamAttempt::ask_body() {
  asking_ = true;
  spec_.body->read([weak = weak_from_this()](ports::BodySource::What what, std::string bytes) {
    if (const auto self = weak.lock()) self->on_body(what, std::move(bytes));
  });
}

void UpstreamAttempt::on_body(ports::BodySource::What what, std::string bytes) {
  using What = ports::BodySource::What;
  if (over_ || !asking_) return;
  asking_ = false;
  const bool too_much = !chunked_ && bytes.size() > source_left_;
  const bool too_little = what == What::end && !chunked_ && source_left_ > bytes.size();
  if (what != What::data) source_over_ = true;
  if (what == What::aborted || too_much || too_little) return finish(Cause::client_body);
  frame_body(bytes);
  if (what == What::end && chunked_) http1::write_last_chunk(out_);
  last_write_ = core_.now();  // the time until now was the client's
  run_request();
}

void UpstreamAttempt::frame_body(std::string_view bytes) {
  if (chunked_) return http1::write_chunk(out_, bytes);
  source_left_ -= bytes.size();
  out_.append(bytes);
}

void UpstreamAttempt::stop_source() {
  if (source_over_) return;
  source_over_ = true;
  asking_ = false;
  spec_.body->stop();
}

Cause UpstreamAttempt::timed_out(Instant now) const {
  const auto& limits = spec_.upstream->timeouts;
  if (dial_ && too_late(now)) return Cause::cancelled;
  if (dial_) return now - started_ >= limits.connect ? dial_->timeout_cause() : Cause::none;
  if (reading_ == Reading::head) {
    if (request_sent_ || write_dead_) {
      return now - sent_at_ >= limits.head ? Cause::head_timeout : Cause::none;
    }
    // While the client's next piece is awaited, the upstream owes nothing.
    return has_output() && now - last_write_ >= limits.idle ? Cause::idle_timeout : Cause::none;
  }
  return wants_read() && now - last_read_ >= limits.idle ? Cause::idle_timeout : Cause::none;
}

void UpstreamAttempt::tick(Instant now) {
  if (over_) return;
  if (const auto cause = timed_out(now); cause != Cause::none) {
    if (dial_ && cause != Cause::cancelled) dial_->blame_the_silent();
    return finish(cause);
  }
  if (const auto dial = dial_) dial->tick(now);
}

void UpstreamAttempt::add_dial_phases() {
  const call::Phases dialled = dial_->phases();
  phases_.resolve = phases_.resolve + dialled.resolve;
  phases_.connect = phases_.connect + dialled.connect;
  phases_.tls = phases_.tls + dialled.tls;
}

// A phase that was cut ends with the attempt.
call::Phases UpstreamAttempt::phases(Instant end) const {
  call::Phases out = phases_;
  if (first_byte_at_) out.head = head_at_.value_or(end) - *first_byte_at_;
  if (head_at_) out.body = whole_at_.value_or(end) - *head_at_;
  return out;
}

void UpstreamAttempt::finish(Cause cause) {
  if (over_) return;
  over_ = true;
  call::AttemptOutcome outcome;
  outcome.bytes_sent = taken();
  if (dial_) {
    address_ = dial_->address();
    add_dial_phases();
    dial_->abandon();
    dial_ = nullptr;
  }
  if (const auto link = std::exchange(link_, nullptr)) link->close();
  stop_source();
  outcome.evidence = outcome.bytes_sent == 0 ? Evidence::nothing_sent : Evidence::sent;
  if (outcome.bytes_sent == 0) first_byte_at_.reset();
  if (answer_evidence_ == Evidence::nothing_sent) {
    // The status line may have come while the rest of the head was cut off.
    const int status = http1::peek_status(head_bytes_);
    if (status >= 200) {
      head_.status = status;
      answer_evidence_ = Evidence::answer_begun;
    }
  }
  outcome.evidence = std::max(outcome.evidence, answer_evidence_);
  outcome.cause = cause;
  outcome.head = std::move(head_);
  if (reading_ == Reading::capturing && complete_) outcome.body = make_body(std::move(held_));
  outcome.forwarded = forwarded_;
  outcome.authority = url_.authority();
  outcome.address = std::move(address_);
  outcome.reused = reused_;
  outcome.bytes_received = received_;
  const Now end = core_.clocks();
  outcome.took = end.mono - started_;
  outcome.phases = phases(end.mono);
  outcome.first_byte_at = first_byte_at_;
  sink_ = nullptr;
  const auto sign = connected_ ? sign_for(outcome, *spec_.upstream) : call::Sign::none;
  const std::string why = sign == call::Sign::failed ? call::failure_of(outcome) : std::string();
  lease_.end(sign, why, end);
  if (cause >= Cause::proxy_unreachable) core_.count_proxy(*spec_.upstream, cause);
  core_.report_done(spec_.id, std::move(outcome));
}

}  // namespace hf::adapters
