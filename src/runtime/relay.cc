#include "runtime/relay.h"

#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "base/check.h"
#include "call/classify.h"
#include "call/parts.h"
#include "call/routing.h"

namespace hf::runtime {
namespace {

// Attempts of the relay, told from the engine's, which count from 1.
constexpr std::uint64_t kOurs = 1ULL << 63;

bool ours(AttemptId id) {
  return (raw(id) & kOurs) != 0;
}

// What a proxy says that has no answer to pass on; plainly, and nothing of itself.
call::Reply no_answer(call::Cause cause) {
  const bool late = cause == call::Cause::connect_timeout || cause == call::Cause::head_timeout ||
                    cause == call::Cause::idle_timeout;
  call::Reply reply;
  reply.status = late ? 504 : 502;
  reply.fields.push_back({"Content-Type", "text/plain"});
  reply.body = make_body(late ? "Gateway Timeout\n" : "Bad Gateway\n");
  return reply;
}

}  // namespace

// The answer on its way: how much, and with which gaps.
class RelayedAnswer final : public ports::AnswerSink {
 public:
  // `copy`: it is to be looked at, if it is short (call/classify.h).
  RelayedAnswer(std::shared_ptr<ports::AnswerSink> to, ports::Clock& clock, bool copy)
      : to_(std::move(to)), clock_(clock), wanted_(clock.read().mono), copying_(copy) {}

  void write(std::string bytes, std::function<void(bool)> ready) override {
    bytes_ += bytes.size();
    if (copying_ && bytes_ > call::kClassifiedBodyMax) {
      copying_ = false;
      copy_ = {};
    }
    if (copying_) copy_ += bytes;
    gap_ = gap();
    waiting_ = false;
    to_->write(std::move(bytes),
               [weak = std::weak_ptr(self_), ready = std::move(ready)](bool more) {
                 if (const auto self = weak.lock()) self->wanted();
                 ready(more);
               });
  }
  // A pointer to itself, for callbacks that may come after it is gone.
  void know(const std::shared_ptr<RelayedAnswer>& self) { self_ = self; }
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
  // Null: there is none.
  Body take_copy() { return copying_ ? make_body(std::move(copy_)) : nullptr; }
  // The longest wait for the upstream's next piece, the present one included.
  [[nodiscard]] Duration gap() const {
    return waiting_ ? std::max(gap_, clock_.read().mono - wanted_) : gap_;
  }

 private:
  void wanted() {
    waiting_ = true;
    wanted_ = clock_.read().mono;
  }

  std::shared_ptr<ports::AnswerSink> to_;
  std::weak_ptr<RelayedAnswer> self_;
  ports::Clock& clock_;
  std::uint64_t bytes_ = 0;
  Duration gap_;
  bool waiting_ = true;  // for the upstream, not for the client
  Instant wanted_;
  bool copying_;
  std::string copy_;
};

struct Relay::Passing {
  ExchangeId exchange{};
  AttemptId attempt{};
  std::shared_ptr<const call::IncomingHead> head;
  std::shared_ptr<const call::UpstreamSettings> upstream;
  Passage passage;
  std::vector<engine::Sighting> seen;
  bool judged = false;  // refused, unseen, or with the observer
  bool with_observer = false;
  bool gone = false;
  bool begun = false;
  std::shared_ptr<RelayedBody> body;
  std::shared_ptr<RelayedAnswer> answer;
  bool event_stream = false;
  std::uint64_t request_bytes = 0;
  std::optional<Instant> whole_at;  // the request's last byte
  // The attempt is over without an answer, and the rest of the body is read to know its key.
  std::optional<call::AttemptOutcome> failed;
};

// The body on its way, and a copy of it where it must be read to know its key.
class RelayedBody final : public ports::BodySource,
                          public std::enable_shared_from_this<RelayedBody> {
 public:
  RelayedBody(Relay& relay, AttemptId id, std::shared_ptr<ports::BodySource> from,
              std::optional<std::uint64_t> copy_max)
      : relay_(&relay),
        id_(id),
        from_(std::move(from)),
        copying_(copy_max.has_value()),
        copy_max_(copy_max.value_or(0)) {}
  ~RelayedBody() override { drop_copy(); }

  void read(Deliver deliver) override {
    from_->read(
        [weak = weak_from_this(), deliver = std::move(deliver)](What what, std::string bytes) {
          if (const auto self = weak.lock()) self->pass(what, bytes);
          deliver(what, std::move(bytes));
        });
  }
  // After the attempt: the rest of it, for the copy alone. Ends with Relay::rest_over.
  void read_rest() {
    from_->read([weak = weak_from_this()](What what, const std::string& bytes) {
      const auto self = weak.lock();
      if (!self || self->relay_ == nullptr) return;
      self->pass(what, bytes);
      if (what == What::data && self->copying_) return self->read_rest();
      self->relay_->rest_over(self->id_);
    });
  }
  [[nodiscard]] bool copying() const { return copying_; }
  void stop() override { from_->stop(); }
  [[nodiscard]] bool replayable() const override { return false; }
  void rewind() override { HF_CHECK_MSG(false, "an observed request is sent once"); }
  [[nodiscard]] std::int64_t length() const override { return from_->length(); }

  // The relay is done with it; it may live on with the attempt.
  void detach() {
    drop_copy();
    relay_ = nullptr;
  }
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
  // Why there is no copy: too large for the route, or for the memory there is.
  enum class Lack : std::uint8_t { none, too_large, no_room };
  [[nodiscard]] Lack lack() const { return lack_; }
  Body take_copy() {
    Body out = make_body(std::exchange(copy_, {}));
    drop_copy();
    return out;
  }

 private:
  void pass(What what, const std::string& bytes) {
    bytes_ += bytes.size();
    if (copying_ && relay_ != nullptr) keep(bytes);
    if (what == What::end && relay_ != nullptr) relay_->body_over(id_);
  }
  void keep(const std::string& bytes) {
    if (bytes_ > copy_max_) return give_up(Lack::too_large);
    if (!relay_->reserve(bytes.size())) return give_up(Lack::no_room);
    reserved_ += bytes.size();
    copy_ += bytes;
  }
  void give_up(Lack why) {
    lack_ = why;
    drop_copy();
  }
  void drop_copy() {
    copying_ = false;
    copy_ = {};
    if (relay_ != nullptr) relay_->release(std::exchange(reserved_, 0));
  }

  Relay* relay_;
  AttemptId id_;
  std::shared_ptr<ports::BodySource> from_;
  bool copying_;
  std::uint64_t copy_max_;
  std::string copy_;
  std::uint64_t reserved_ = 0;
  std::uint64_t bytes_ = 0;
  Lack lack_ = Lack::none;
};

Relay::Relay(RelayParts parts)
    : parts_(std::move(parts)), observer_(parts_.settings, parts_.seed) {}
Relay::~Relay() {
  for (auto& [id, passing] : passing_) {
    if (passing->body) passing->body->detach();
  }
}

bool Relay::reserve(std::uint64_t bytes) {
  if (copies_ + bytes > parts_.copies_max) return false;
  copies_ += bytes;
  return true;
}

void Relay::on_call(ExchangeId id, call::NewCall call, std::shared_ptr<ports::BodySource> body) {
  if (!call.relayed) return parts_.calls->on_call(id, std::move(call), std::move(body));
  const AttemptId attempt{kOurs | next_++};
  auto made = std::make_unique<Passing>();
  Passing& passing = *made;
  passing.exchange = id;
  passing.attempt = attempt;
  passing.head = call.relayed;
  passing.upstream = call.upstream;
  passing.passage = {call.route->path, call.relayed->method,
                     std::string(call::path_of(call.relayed->target))};
  passing_.emplace(attempt, std::move(made));
  attempt_of_.emplace(id, attempt);
  auto verdict = parts_.intake->on_head(*passing.head);
  const auto* buffered = std::get_if<call::Buffered>(&verdict);
  if (body) {
    passing.body = std::make_shared<RelayedBody>(
        *this, attempt, std::move(body),
        buffered == nullptr ? std::nullopt : std::optional(buffered->body_max));
  } else {
    passing.whole_at = parts_.clock->read().mono;
  }
  if (const auto* reply = std::get_if<call::Reply>(&verdict)) {
    refused(passing, *reply);
  } else if (const auto* streamed = std::get_if<call::Streamed>(&verdict)) {
    arrived(passing, streamed->call);
  } else if (buffered != nullptr && !passing.body) {
    look_at_whole(passing, nullptr);
  }
  ports::AttemptSpec spec;
  spec.id = attempt;
  spec.upstream = call.upstream;
  spec.request = call.request;
  spec.body = passing.body;
  spec.host_keep = call.route->host_keep;
  // Nothing else makes up for a connection that dies under a request.
  spec.careful_reuse = !call.safe;
  spec.whole_if_ready = true;
  spec.as_it_is = true;
  parts_.upstream->start(std::move(spec));
}

void Relay::on_ask(ExchangeId id, call::CallAsk ask) {
  parts_.calls->on_ask(id, std::move(ask));
}

void Relay::on_gone(ExchangeId id) {
  const auto found = attempt_of_.find(id);
  if (found == attempt_of_.end()) return parts_.calls->on_gone(id);
  const AttemptId attempt = found->second;
  passing_.at(attempt)->gone = true;
  rest_over(attempt);
  parts_.upstream->cancel(attempt);
}

void Relay::refused(Passing& passing, const call::Reply& reply) {
  passing.judged = true;
  passing.seen.push_back(
      {engine::Would::refuse, std::string(call::problem_code(reply)), {}, 0, std::nullopt});
}

void Relay::refuse_too_large(Passing& passing) {
  call::ProblemSpec spec;
  spec.code = call::Code::body_too_large;
  refused(passing, call::problem(spec));
}

void Relay::unseen(Passing& passing, std::string_view why) {
  passing.judged = true;
  passing.seen.push_back({engine::Would::unseen, std::string(why), {}, 0, std::nullopt});
}

void Relay::arrived(Passing& passing, const call::NewCall& call) {
  passing.judged = true;
  passing.with_observer = true;
  const Field* own = find_field(passing.head->fields, call.upstream->idempotency.header);
  observer_.arrived(passing.exchange, call, own == nullptr ? "" : trim_blanks(own->value),
                    parts_.clock->read(), passing.seen);
}

void Relay::look_at_whole(Passing& passing, Body body) {
  const auto verdict = parts_.intake->on_request(*passing.head, std::move(body));
  if (const auto* reply = std::get_if<call::Reply>(&verdict)) return refused(passing, *reply);
  arrived(passing, std::get<call::NewCall>(verdict));
}

void Relay::body_over(AttemptId id) {
  const auto found = passing_.find(id);
  if (found == passing_.end()) return;
  Passing& passing = *found->second;
  passing.whole_at = parts_.clock->read().mono;
  if (passing.judged) return;
  switch (passing.body->lack()) {
    case RelayedBody::Lack::none:
      return look_at_whole(passing, passing.body->take_copy());
    case RelayedBody::Lack::too_large:
      return refuse_too_large(passing);
    case RelayedBody::Lack::no_room:
      return unseen(passing, "memory");
  }
}

void Relay::on_answer_head(AttemptId id, call::AnswerHead head, bool overflow) {
  if (!ours(id)) return parts_.attempts->on_answer_head(id, std::move(head), overflow);
  Passing& passing = *passing_.at(id);
  passing.event_stream = call::media_type(head.fields) == "text/event-stream";
  const bool copy = !passing.event_stream && call::wants_body(passing.upstream->classify, head);
  auto sink = passing.gone ? nullptr : parts_.clients->begin(passing.exchange, std::move(head));
  if (!sink) return parts_.upstream->cancel(id);
  passing.begun = true;
  passing.answer = std::make_shared<RelayedAnswer>(std::move(sink), *parts_.clock, copy);
  passing.answer->know(passing.answer);
  parts_.upstream->forward(id, passing.answer);
}

void Relay::answer(const Passing& passing, call::AttemptOutcome& outcome) {
  if (passing.gone) return;
  const bool complete = outcome.evidence == call::Evidence::answer_complete;
  if (passing.begun) return parts_.clients->finish(passing.exchange, complete);
  if (!complete) return parts_.clients->reply(passing.exchange, no_answer(outcome.cause));
  call::Reply reply;
  reply.status = outcome.head.status;
  reply.fields = outcome.head.fields;
  remove_fields(reply.fields, "Content-Length");
  remove_fields(reply.fields, "Transfer-Encoding");
  reply.body = outcome.body;
  parts_.clients->reply(passing.exchange, std::move(reply));
}

engine::Ending Relay::ending_of(const Passing& passing, call::AttemptOutcome outcome) const {
  engine::Ending out;
  out.client_gone = passing.gone;
  out.broke_with_head = outcome.evidence == call::Evidence::answer_begun && !passing.begun;
  out.event_stream = passing.event_stream;
  out.request_bytes = passing.body ? passing.body->bytes() : 0;
  out.answer_bytes = passing.answer ? passing.answer->bytes() : view(outcome.body).size();
  if (passing.answer) out.longest_gap = passing.answer->gap();
  const bool whole = outcome.evidence == call::Evidence::answer_complete;
  if (passing.answer && whole && !outcome.body) outcome.body = passing.answer->take_copy();
  if (outcome.first_byte_at && passing.whole_at) {
    const Instant head_at = *outcome.first_byte_at + outcome.phases.head;
    const Instant from = std::max(*outcome.first_byte_at, *passing.whole_at);
    out.head_took = std::max(head_at - from, Duration{});
  }
  out.outcome = std::move(outcome);
  return out;
}

void Relay::on_attempt_done(AttemptId id, call::AttemptOutcome outcome) {
  if (!ours(id)) return parts_.attempts->on_attempt_done(id, std::move(outcome));
  Passing& passing = *passing_.at(id);
  // A route that acts reads the body before it tries. Nobody is kept waiting but by their own body.
  const bool unanswered = outcome.evidence < call::Evidence::answer_begun && !passing.gone;
  if (unanswered && !passing.judged && passing.body->copying()) {
    passing.failed = std::move(outcome);
    return passing.body->read_rest();
  }
  finish(id, std::move(outcome));
}

void Relay::rest_over(AttemptId id) {
  const auto found = passing_.find(id);
  if (found == passing_.end() || !found->second->failed) return;
  finish(id, std::move(*found->second->failed));
}

void Relay::finish(AttemptId id, call::AttemptOutcome outcome) {
  auto node = passing_.extract(id);
  HF_CHECK(!node.empty());
  const std::unique_ptr<Passing> passing = std::move(node.mapped());
  attempt_of_.erase(passing->exchange);
  if (!passing->judged && passing->body && passing->body->lack() == RelayedBody::Lack::too_large) {
    refuse_too_large(*passing);
  }
  if (!passing->judged) unseen(*passing, "body-not-read");
  if (passing->body) passing->body->detach();
  answer(*passing, outcome);
  const bool answered = outcome.evidence >= call::Evidence::answer_begun;
  const int status = answered ? outcome.head.status : 0;
  if (passing->with_observer) {
    observer_.ended(passing->exchange, ending_of(*passing, std::move(outcome)),
                    parts_.clock->read(), passing->seen);
  }
  for (engine::Sighting& one : passing->seen)
    one.status = status;
  parts_.ended(passing->passage, passing->seen);
}

}  // namespace hf::runtime
