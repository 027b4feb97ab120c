#include "runtime/stale_answers.h"

#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "base/check.h"
#include "base/content_length.h"
#include "call/classify.h"

namespace hf::runtime {
namespace {

using stale::Missed;
using stale::NotKept;

// Of the upstream's error nobody reads the body; a short one is let through, so that its connection
// can be used again.
constexpr std::uint64_t kReadAway = 64 * 1024;

class Nowhere final : public ports::AnswerSink {
 public:
  void write(std::string bytes, std::function<void(bool)> ready) override {
    read_ += bytes.size();
    ready(read_ <= kReadAway);
  }

 private:
  std::uint64_t read_ = 0;
};

// A rule of the upstream says what the answer means: it is no plain one.
bool is_classified(const call::UpstreamSettings& upstream, const call::AnswerHead& head,
                   const Body& body) {
  if (upstream.classify.empty()) return false;
  call::AttemptOutcome outcome;
  outcome.evidence = call::Evidence::answer_complete;
  outcome.head = head;
  outcome.body = body;
  return call::classify(upstream.classify, outcome) != nullptr;
}

// The resource is not what it was, whatever the reader is.
bool says_gone(int status) {
  return status == 404 || status == 410 || status == 301 || status == 302 || status == 303 ||
         status == 307 || status == 308;
}

}  // namespace

call::Digest target_of(const call::Hasher& hasher, const call::UpstreamSettings& upstream,
                       const call::Request& request, bool host_keep) {
  std::string bytes;
  if (!upstream.urls.empty()) {
    const call::Url& url = upstream.urls.front();
    bytes += url.tls ? 's' : 'p';
    put_string(bytes, url.host);
    put_u16(bytes, url.port);
  }
  const Field* host = host_keep ? find_field(request.fields, "Host") : nullptr;
  put_string(bytes, host == nullptr ? std::string() : lower_ascii(trim_blanks(host->value)));
  put_string(bytes, request.target);
  return hasher.digest("stale-target", bytes);
}

// The answer on its way to the client, and a copy of it while that may be kept.
class StaleCopy final : public ports::AnswerSink {
 public:
  StaleCopy(std::shared_ptr<ports::AnswerSink> to, std::shared_ptr<stale::Store> store,
            std::optional<std::uint64_t> length)
      : to_(std::move(to)), store_(std::move(store)), length_(length) {
    // Room for all of it at once, where that is known: pieces would be moved again and again.
    if (length_ && reserve(*length_)) copy_.reserve(*length_);
  }
  ~StaleCopy() override { drop(); }
  StaleCopy(const StaleCopy&) = delete;
  StaleCopy& operator=(const StaleCopy&) = delete;

  void write(std::string bytes, std::function<void(bool)> ready) override {
    if (why_ == NotKept::none) take(bytes);
    to_->write(std::move(bytes), std::move(ready));
  }
  [[nodiscard]] NotKept why() const { return why_; }
  // The whole body; null where it is not whole.
  Body take_copy() {
    if (why_ != NotKept::none || (length_ && copy_.size() != *length_)) return nullptr;
    copy_.shrink_to_fit();
    Body out = make_body(std::move(copy_));
    drop();
    return out;
  }
  // Nobody will ask for the copy; the answer itself may flow on.
  void stop() { give_up(NotKept::cut); }

 private:
  void drop() {
    copy_ = {};
    store_->release(std::exchange(reserved_, 0));
  }
  void take(const std::string& bytes) {
    const std::uint64_t size = copy_.size() + bytes.size();
    if (size > stale::kAnswerMax) return give_up(NotKept::too_large);
    // Growing by doubling: what is reserved stands for the string's capacity.
    while (why_ == NotKept::none && size > reserved_)
      reserve(std::max(size - reserved_, reserved_));
    if (why_ == NotKept::none) copy_ += bytes;
  }
  bool reserve(std::uint64_t bytes) {
    if (!store_->reserve(bytes)) {
      give_up(NotKept::no_room);
      return false;
    }
    reserved_ += bytes;
    return true;
  }
  void give_up(NotKept why) {
    why_ = why;
    drop();
  }

  std::shared_ptr<ports::AnswerSink> to_;
  std::shared_ptr<stale::Store> store_;
  std::optional<std::uint64_t> length_;
  std::string copy_;
  std::uint64_t reserved_ = 0;
  NotKept why_ = NotKept::none;
};

// A GET or HEAD of a route that may be answered from memory.
struct StaleAnswers::Open {
  std::shared_ptr<const call::RouteSettings> route;  // as it is configured
  std::shared_ptr<const call::UpstreamSettings> upstream;
  Fields request;  // what goes upstream, per-attempt fields included
  call::Digest target;
  Instant asked;
  bool get = false;
  bool outdated = false;  // a write went through since it was asked
  bool answered = false;  // from memory, while the upstream's error is read away
  call::AnswerHead head;  // with `copy`
  std::optional<Now> at;  // ... when it came
  std::shared_ptr<StaleCopy> copy;
};

StaleAnswers::StaleAnswers(StaleParts parts)
    : parts_(std::move(parts)), store_(std::make_shared<stale::Store>(parts_.max_bytes)) {
  HF_CHECK(parts_.hasher.has_value());
}
StaleAnswers::~StaleAnswers() = default;

stale::Selector StaleAnswers::selector(const Open& open) const {
  return [this, &open](const std::vector<std::string>& names) {
    // Two upstreams at one address may put different credentials in.
    std::string bytes;
    put_string(bytes, open.upstream->name);
    bytes += stale::selected_by(open.request, names);
    return parts_.hasher->digest("stale-selected", bytes);
  };
}

std::shared_ptr<const stale::Kept> StaleAnswers::find(const Open& open) {
  return store_->find(open.target, selector(open));
}

std::shared_ptr<const call::RouteSettings> StaleAnswers::impatient(
    const std::shared_ptr<const call::RouteSettings>& route) {
  if (route->wait <= kStaleWait) return route;
  auto& [held, made] = impatient_[route.get()];
  if (!made) {
    auto copy = std::make_shared<call::RouteSettings>(*route);
    copy->wait = kStaleWait;
    held = route;
    made = std::move(copy);
  }
  return made;
}

void StaleAnswers::on_call(ExchangeId id, call::NewCall call,
                           std::shared_ptr<ports::BodySource> body) {
  const bool reads =
      call.request && (call.request->method == "GET" || call.request->method == "HEAD");
  const bool ours = reads && !call.has_body && !call.relayed && call.route->stale_if_error;
  if (ours) {
    Open open;
    open.route = call.route;
    open.upstream = call.upstream;
    open.request = call.request->fields;
    open.request.insert(open.request.end(), call.per_attempt.begin(), call.per_attempt.end());
    open.target = target_of(*parts_.hasher, *call.upstream, *call.request, call.route->host_keep);
    open.asked = parts_.clock->read().mono;
    open.get = call.request->method == "GET";
    const auto kept = find(open);
    const bool there = kept && stale::may_serve(*kept, open.request, *open.route->stale_if_error,
                                                open.asked) == Missed::none;
    if (there && down_.contains(call.upstream->name)) call.route = impatient(call.route);
    by_target_.emplace(open.target, id);
    open_.emplace(id, std::move(open));
  }
  parts_.calls->on_call(id, std::move(call), std::move(body));
}

void StaleAnswers::on_ask(ExchangeId id, call::CallAsk ask) {
  parts_.calls->on_ask(id, std::move(ask));
}

void StaleAnswers::on_gone(ExchangeId id) {
  const auto at = open_.find(id);
  if (at != open_.end()) close(at);
  parts_.calls->on_gone(id);
}

void StaleAnswers::close(Exchanges::iterator at) {
  const auto [from, to] = by_target_.equal_range(at->second.target);
  const auto entry =
      std::find_if(from, to, [&](const auto& one) { return one.second == at->first; });
  HF_CHECK(entry != to);
  by_target_.erase(entry);
  // The sink may live on with the attempt.
  if (at->second.copy) at->second.copy->stop();
  open_.erase(at);
}

void StaleAnswers::attempted(const std::string& upstream, bool failed) {
  if (failed) {
    down_.insert(upstream);
  } else {
    down_.erase(upstream);
  }
}

void StaleAnswers::changed(const call::Digest& target) {
  store_->forget(target);
  const auto [from, to] = by_target_.equal_range(target);
  for (auto each = from; each != to; ++each)
    open_.at(each->second).outdated = true;
}

std::optional<call::Reply> StaleAnswers::instead(const Open& open, const stale::Error& error,
                                                 const Fields& error_fields) {
  if (error.reason.empty()) return std::nullopt;
  // From an upstream that is well it is a refusal, not an error.
  if (error.sparing && !down_.contains(open.upstream->name)) return std::nullopt;
  const Now now = parts_.clock->read();
  const auto kept = find(open);
  const Missed missed =
      kept ? stale::may_serve(*kept, open.request, *open.route->stale_if_error, now.mono)
           : Missed::nothing_kept;
  if (missed != Missed::none) {
    counts_.missed[{open.route->path, std::string(stale::to_string(missed))}] += 1;
    return std::nullopt;
  }
  counts_.served[{open.route->path, error.reason}] += 1;
  if (parts_.served) {
    parts_.served({open.route->path, error.reason, stale::age_of(*kept, now.mono)});
  }
  return stale::stand_in(*kept, open.request, error, error_fields, now);
}

void StaleAnswers::reply(ExchangeId id, call::Reply reply) {
  const auto at = open_.find(id);
  if (at == open_.end()) return parts_.clients->reply(id, std::move(reply));
  if (auto other = instead(at->second, stale::error_of(reply), reply.fields)) {
    reply = std::move(*other);
  } else {
    learn(at->second, {reply.status, reply.fields}, reply.body);
  }
  close(at);
  parts_.clients->reply(id, std::move(reply));
}

std::shared_ptr<ports::AnswerSink> StaleAnswers::begin(ExchangeId id, call::AnswerHead head) {
  const auto at = open_.find(id);
  if (at == open_.end()) return parts_.clients->begin(id, std::move(head));
  Open& open = at->second;
  if (auto other = instead(open, stale::error_of(head), head.fields)) {
    open.answered = true;
    parts_.clients->reply(id, std::move(*other));
    return std::make_shared<Nowhere>();
  }
  const auto length = content_length(head.fields);
  const bool large = length && *length > stale::kAnswerMax;
  const NotKept why = open.get ? stale::may_keep(open.request, head) : NotKept::status;
  if (why != NotKept::none || large) {
    if (open.get && why == NotKept::none) not_kept(open, NotKept::too_large);
    if (why != NotKept::none) learn_from_head(open, head);
    close(at);
    return parts_.clients->begin(id, std::move(head));
  }
  open.head = head;
  open.at = parts_.clock->read();
  auto sink = parts_.clients->begin(id, std::move(head));
  const auto still = open_.find(id);
  if (!sink || still == open_.end()) return sink;
  still->second.copy = std::make_shared<StaleCopy>(std::move(sink), store_, length);
  return still->second.copy;
}

void StaleAnswers::finish(ExchangeId id, bool complete) {
  const auto at = open_.find(id);
  if (at == open_.end()) return parts_.clients->finish(id, complete);
  Open& open = at->second;
  const bool answered = open.answered;
  if (open.copy) {
    NotKept why = open.copy->why();
    const Body body = complete && why == NotKept::none ? open.copy->take_copy() : nullptr;
    if (body) {
      learn(open, std::move(open.head), body);
    } else {
      not_kept(open, why == NotKept::none ? NotKept::cut : why);
    }
  }
  close(at);
  if (!answered) parts_.clients->finish(id, complete);
}

void StaleAnswers::not_kept(const Open& open, NotKept why) {
  counts_.not_kept[{open.route->path, std::string(stale::to_string(why))}] += 1;
}

void StaleAnswers::learn_from_head(const Open& open, const call::AnswerHead& head) {
  if (!open.get) return;
  if (head.status == 200) {
    // It says that nothing is to be kept of it: neither is what came before it.
    not_kept(open, stale::may_keep(open.request, head));
    store_->forget_fitting(open.target, selector(open), false);
  } else if (says_gone(head.status)) {
    store_->forget_fitting(open.target, selector(open), false);
  } else if (head.status == 401 || head.status == 403) {
    // Whoever may not see it any more; what is everybody's stays.
    store_->forget_fitting(open.target, selector(open), true);
  }
}

void StaleAnswers::learn(const Open& open, call::AnswerHead head, Body body) {
  if (!open.get) return;
  if (head.status == 304) {
    const auto kept = find(open);
    const Now at = parts_.clock->read();
    auto again = kept ? stale::confirmed(*kept, head.fields, open.asked, at) : std::nullopt;
    if (again) {
      const call::AnswerHead merged{200, again->fields};
      if (stale::may_keep(open.request, merged) != NotKept::none) {
        return learn_from_head(open, merged);
      }
      put(open, merged.fields, std::move(*again));
    }
    return;
  }
  if (stale::may_keep(open.request, head) != NotKept::none) return learn_from_head(open, head);
  if (is_classified(*open.upstream, head, body)) return not_kept(open, NotKept::classified);
  if (view(body).size() > stale::kAnswerMax) return not_kept(open, NotKept::too_large);
  const Fields fields = head.fields;
  put(open, fields,
      stale::keep(std::move(head), std::move(body), open.asked,
                  open.at ? *open.at : parts_.clock->read()));
}

void StaleAnswers::put(const Open& open, const Fields& answer, stale::Kept kept) {
  if (open.outdated) return not_kept(open, NotKept::outdated);
  auto names = stale::selecting_fields(answer, open.route->owner);
  auto shared = std::make_shared<const stale::Kept>(std::move(kept));
  if (!store_->put(open.target, selector(open), std::move(names), std::move(shared))) {
    not_kept(open, NotKept::no_room);
  }
}

}  // namespace hf::runtime
