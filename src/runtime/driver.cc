#include "runtime/driver.h"

#include <utility>

#include "base/planted.h"

namespace hf::runtime {
namespace {

constexpr std::size_t kBatchMax = 256;  // events in one commit
constexpr std::size_t kInboxRoom = 1024;

// Where the rest of an answer goes that nobody will read.
class NullSink final : public ports::AnswerSink {
 public:
  void write(std::string, std::function<void(bool)> ready) override { ready(true); }
};

template <typename Map, typename Key>
auto take(Map& map, const Key& key) {
  auto node = map.extract(key);
  HF_CHECK(!node.empty());
  return std::move(node.mapped());
}

}  // namespace

Driver::Driver(engine::EngineOptions options, ports::Journal* journal, ports::Upstream& upstream,
               ports::Clients& clients, ports::Clock& clock, ports::WakeTimer& timer, Hooks hooks)
    : options_(std::move(options)),
      journal_(journal),
      upstream_(upstream),
      clients_(clients),
      clock_(clock),
      timer_(timer),
      hooks_(std::move(hooks)) {
  options_.journal = journal_ != nullptr;
}

void Driver::start(const call::Recovered& recovered) {
  HF_CHECK(!engine_);
  engine::Effects effects;
  running_ = true;
  engine_.emplace(options_, recovered, clock_.read(), effects);
  settle(effects);
  running_ = false;
  run();
}

void Driver::post(engine::Event&& event) {
  if (broken_) return;
  inbox_.push_back(std::move(event));
  run();
}

void Driver::run() {
  if (running_ || broken_ || !engine_) return;
  running_ = true;
  while (next_in_ < inbox_.size() && !broken_) {
    for (std::size_t i = 0; i < kBatchMax && next_in_ < inbox_.size(); ++i) {
      engine::Event event = std::move(inbox_[next_in_]);
      ++next_in_;
      handling(event);
      engine_->step(std::move(event), clock_.read(), effects_);
      handled();
    }
    if (next_in_ == inbox_.size()) forget_inbox();
    settle(effects_);
    effects_.writes = {};
    effects_.actions.clear();
  }
  running_ = false;
  if (!broken_) timer_.wake_at(engine_->next_wake());
}

void Driver::forget_inbox() {
  inbox_.clear();
  // Of a crowd that has been let in.
  if (inbox_.capacity() > kInboxRoom) inbox_ = std::vector<engine::Event>();
  next_in_ = 0;
}

// Tells the crash slot which call is being judged, where an attempt names one.
void Driver::handling(const engine::Event& event) {
  if (!hooks_.handling) return;
  std::optional<AttemptId> attempt;
  if (const auto* ended = std::get_if<engine::AttemptEnded>(&event)) attempt = ended->attempt;
  if (const auto* seen = std::get_if<engine::AnswerHeadSeen>(&event)) attempt = seen->attempt;
  if (!attempt) return;
  const CallId* const found = call_of_.find(*attempt);
  if (found == nullptr) return;
  hooks_.handling(found);
  if (std::holds_alternative<engine::AttemptEnded>(event)) call_of_.erase(*attempt);
}

// One commit for all the writes of a batch; what depends on it (or on any before it) waits.
void Driver::settle(engine::Effects& effects) {
  if (!effects.writes.empty()) {
    HF_CHECK(journal_ != nullptr);
    last_commit_ += 1;
    // What comes to wait for it later waits at most as long as the journal lets unhurried ones.
    effects.writes.awaited =
        std::any_of(effects.actions.begin(), effects.actions.end(),
                    [](const engine::Action& action) { return action.after_writes; });
    journal_->commit(CommitId{last_commit_}, std::move(effects.writes));
  }
  for (engine::Action& action : effects.actions) {
    if (broken_) return;
    if (action.after_writes && synced_ < last_commit_ && !HF_BUG("release-before-commit")) {
      waiting_.push_back({CommitId{last_commit_}, std::move(action.what)});
    } else {
      perform(action.what);
    }
  }
}

void Driver::release() {
  while (!waiting_.empty() && raw(waiting_.front().until) <= synced_ && !broken_) {
    engine::ActionKind what = std::move(waiting_.front().what);
    waiting_.pop_front();
    perform(what);
  }
}

void Driver::break_off(std::string why) {
  if (broken_) return;
  broken_ = true;
  forget_inbox();
  waiting_.clear();
  timer_.wake_at(std::nullopt);
  if (hooks_.on_broken) hooks_.on_broken(std::move(why));
}

void Driver::perform(engine::ActionKind& what) {
  if (auto* start = std::get_if<engine::StartAttempt>(&what)) {
    perform(*start);
  } else if (auto* cancel = std::get_if<engine::CancelAttempt>(&what)) {
    upstream_.cancel(cancel->id);
  } else if (auto* capture = std::get_if<engine::CaptureAnswer>(&what)) {
    upstream_.capture(capture->id, capture->max);
  } else if (auto* forward = std::get_if<engine::ForwardAnswer>(&what)) {
    perform(*forward);
  } else if (auto* discard = std::get_if<engine::DiscardAnswer>(&what)) {
    upstream_.forward(discard->id, std::make_shared<NullSink>());
  } else if (auto* finish = std::get_if<engine::FinishAnswer>(&what)) {
    streams_.erase(finish->exchange);
    clients_.finish(finish->exchange, finish->complete);
  } else if (auto* reply = std::get_if<engine::SendReply>(&what)) {
    streams_.erase(reply->exchange);
    const ExchangeId to{raw(reply->exchange) - (HF_BUG("answer-the-one-before") ? 1 : 0)};
    clients_.reply(to, std::move(reply->reply));
  } else if (auto* find = std::get_if<engine::FindKey>(&what)) {
    if (journal_->surely_lacks(find->identity)) {
      HF_PROBE("a-key-that-nobody-brought");
      post(engine::KeyRead{find->identity, false, std::nullopt, nullptr});
      return;
    }
    const ports::ReadId id = next_read();
    key_reads_.emplace(id, find->identity);
    journal_->find_key(id, find->identity);
  } else if (auto* read = std::get_if<engine::ReadCall>(&what)) {
    const ports::ReadId id = next_read();
    call_reads_.emplace(id, read->id);
    journal_->read_call(id, read->id, ports::Want::with_bodies);
  } else if (auto* page = std::get_if<engine::PageDue>(&what)) {
    const ports::ReadId id = next_read();
    due_reads_.emplace(id, std::pair{page->upstream, page->which});
    journal_->page_due(id, page->upstream, page->which, page->until, page->limit);
  } else if (auto* ordered = std::get_if<engine::ReadLine>(&what)) {
    const ports::ReadId id = next_read();
    line_reads_.emplace(id, ordered->line);
    journal_->read_line(id, ordered->line, ordered->limit);
  } else if (auto* heads = std::get_if<engine::PageLineHeads>(&what)) {
    journal_->page_line_heads(next_read(), heads->after, heads->limit);
  } else if (auto* line = std::get_if<engine::Note>(&what)) {
    if (hooks_.note) hooks_.note(*line);
  } else if (auto* done = std::get_if<engine::CommandDone>(&what)) {
    const CommandAnswer answer = take(commands_, done->id);
    answer(done->ok, std::move(done->message));
  }
}

void Driver::perform(engine::StartAttempt& start) {
  if (start.not_after && clock_.read().mono >= *start.not_after &&
      !HF_BUG("too-late-is-not-late")) {
    HF_PROBE("the-intent-was-written-too-late");
    call::AttemptOutcome outcome;
    outcome.cause = call::Cause::cancelled;
    post(engine::AttemptEnded{start.id, std::move(outcome), false});
    return;
  }
  ports::AttemptSpec spec;
  spec.id = start.id;
  spec.upstream = std::move(start.upstream);
  spec.url = start.url;
  spec.tried = std::move(start.tried);
  spec.request = std::move(start.request);
  spec.per_attempt = std::move(start.per_attempt);
  spec.host_keep = start.host_keep;
  spec.careful_reuse = start.careful_reuse;
  spec.capture_max = start.capture_max;
  spec.whole_if_ready = start.capture_max == 0;
  if (!HF_BUG("too-late-is-not-late")) spec.not_after = start.not_after;
  if (start.stream_of) {
    const auto stream = streams_.find(*start.stream_of);
    if (stream == streams_.end()) {
      // Its client has gone meanwhile, and the body with it: never send the request without.
      call::AttemptOutcome outcome;
      outcome.cause = call::Cause::client_body;
      post(engine::AttemptEnded{start.id, std::move(outcome), false});
      return;
    }
    if (stream->second.begun) stream->second.body->rewind();
    stream->second.begun = true;
    spec.body = stream->second.body;
    stream_of_.emplace(start.id, *start.stream_of);
  }
  if (hooks_.handling) {
    call_of_.insert(start.id, start.call);
    hooks_.handling(&start.call);
  }
  upstream_.start(std::move(spec));
  handled();
}

void Driver::perform(engine::ForwardAnswer& forward) {
  auto sink = clients_.begin(forward.exchange, std::move(forward.head));
  if (sink) {
    upstream_.forward(forward.id, std::move(sink));
  } else {
    HF_PROBE("forwarded-to-a-client-that-has-left");
    upstream_.cancel(forward.id);  // the client has gone meanwhile
  }
}

void Driver::on_wake() {
  post(engine::Woke{});
}
void Driver::drain() {
  post(engine::DrainBegun{});
}

void Driver::command(engine::OperatorCommand command, CommandAnswer answer) {
  command.id = CommandId{next_command_++};
  commands_.emplace(command.id, std::move(answer));
  post(std::move(command));
}

void Driver::list(ports::CallFilter filter, ListAnswer answer) {
  if (journal_ == nullptr) {
    answer(ports::CallPage{});
    return;
  }
  const ports::ReadId id = next_read();
  list_reads_.emplace(id, std::move(answer));
  journal_->list(id, std::move(filter));
}

void Driver::detail(const CallId& call, DetailAnswer answer) {
  if (journal_ == nullptr) {
    answer(ports::CallDetail{});
    return;
  }
  const ports::ReadId id = next_read();
  detail_reads_.emplace(id, std::move(answer));
  journal_->detail(id, call);
}

void Driver::search(ports::SearchSpec spec, ListAnswer answer) {
  if (journal_ == nullptr) {
    answer(ports::CallPage{});
    return;
  }
  const ports::ReadId id = next_read();
  list_reads_.emplace(id, std::move(answer));
  journal_->search(id, std::move(spec));
}

void Driver::find_key(const call::Digest& identity, KeyAnswer answer) {
  if (journal_ == nullptr) {
    answer(ports::KeyFound{});
    return;
  }
  const ports::ReadId id = next_read();
  key_asks_.emplace(id, std::move(answer));
  journal_->find_key(id, identity);
}

void Driver::page_likeness(ports::LikenessSpec spec, LikenessAnswer answer) {
  if (journal_ == nullptr) {
    answer(ports::LikenessPage{});
    return;
  }
  const ports::ReadId id = next_read();
  likeness_reads_.emplace(id, std::move(answer));
  journal_->page_likeness(id, std::move(spec));
}

const engine::Stats& Driver::stats() {
  return engine_->stats(clock_.read());
}
bool Driver::quiet() const {
  return engine_->quiet() && waiting_.empty();
}

void Driver::on_call(ExchangeId id, call::NewCall call, std::shared_ptr<ports::BodySource> body) {
  if (body) streams_.emplace(id, Stream{std::move(body), false});
  const Random128 random = hooks_.random();
  const CallId fresh = ids_.next(clock_.read().wall, random.high, random.low);
  post(engine::CallArrived{id, std::make_unique<call::NewCall>(std::move(call)), fresh});
}

void Driver::on_ask(ExchangeId id, call::CallAsk ask) {
  post(engine::CallAsked{id, std::move(ask)});
}

void Driver::on_gone(ExchangeId id) {
  post(engine::ClientGone{id});
  streams_.erase(id);
}

void Driver::on_answer_head(AttemptId id, call::AnswerHead head, bool overflow) {
  post(engine::AnswerHeadSeen{id, std::move(head), overflow});
}

void Driver::on_attempt_done(AttemptId id, call::AttemptOutcome outcome) {
  bool replayable = true;
  if (const auto node = stream_of_.extract(id); !node.empty()) {
    const auto stream = streams_.find(node.mapped());
    replayable = stream != streams_.end() && stream->second.body->replayable();
    if (!replayable) HF_PROBE("a-streamed-body-cannot-be-sent-again");
  }
  post(engine::AttemptEnded{id, std::move(outcome), replayable});
}

void Driver::on_commit(CommitId id, ports::CommitResult result) {
  if (broken_) return;
  if (result != ports::CommitResult::ok && !HF_BUG("carry-on-after-a-failed-commit")) {
    if (result == ports::CommitResult::conflict) HF_PROBE("commit-conflicted");
    if (result == ports::CommitResult::failed) HF_PROBE("commit-failed");
    if (result == ports::CommitResult::unknown) HF_PROBE("commit-unknown");
    break_off(result == ports::CommitResult::conflict  ? "a commit met another writer's state"
              : result == ports::CommitResult::unknown ? "a commit's outcome is unknown"
                                                       : "a commit failed");
    return;
  }
  HF_CHECK(raw(id) == synced_ + 1);
  synced_ = raw(id);
  // What is released may call back in here: keep its events for after it.
  const bool outer = !running_;
  running_ = true;
  release();
  if (outer) {
    running_ = false;
    run();
  }
}

void Driver::on_key(ports::ReadId id, Result<ports::KeyFound> found) {
  if (const auto asked = key_asks_.extract(id); !asked.empty()) {
    asked.mapped()(std::move(found));
    return;
  }
  engine::KeyRead read;
  read.identity = take(key_reads_, id);
  read.failed = !found.ok();
  if (found.ok()) {
    read.entry = std::move(found->entry);
    read.call = std::move(found->call);
  }
  post(std::move(read));
}

void Driver::on_call(ports::ReadId id, Result<std::shared_ptr<const call::Call>> call) {
  engine::CallRead read;
  read.id = take(call_reads_, id);
  read.failed = !call.ok();
  if (call.ok()) read.call = std::move(*call);
  post(std::move(read));
}

void Driver::on_line(ports::ReadId id, Result<ports::LinePage> page) {
  engine::LineRead read;
  read.line = take(line_reads_, id);
  read.failed = !page.ok();
  if (page.ok()) {
    read.members = std::move(page->members);
    read.more = page->more;
  }
  post(std::move(read));
}

void Driver::on_line_heads(ports::ReadId, Result<ports::LineHeads> page) {
  engine::LineHeadsRead read;
  read.failed = !page.ok();
  if (page.ok()) {
    read.heads = std::move(page->heads);
    read.next = page->next;
  }
  post(std::move(read));
}

void Driver::on_due(ports::ReadId id, Result<ports::DuePage> page) {
  engine::DuePageRead read;
  std::tie(read.upstream, read.which) = take(due_reads_, id);
  read.failed = !page.ok();
  if (page.ok()) {
    read.calls = std::move(page->calls);
    read.next = page->next;
  }
  post(std::move(read));
}

void Driver::on_list(ports::ReadId id, Result<ports::CallPage> page) {
  take(list_reads_, id)(std::move(page));
}

void Driver::on_detail(ports::ReadId id, Result<ports::CallDetail> detail) {
  take(detail_reads_, id)(std::move(detail));
}

void Driver::on_likeness(ports::ReadId id, Result<ports::LikenessPage> page) {
  take(likeness_reads_, id)(std::move(page));
}

// Without this a journal that broke in the background would refuse everything and, with nothing to
// commit, never be opened again.
void Driver::on_health(ports::JournalHealth health) {
  if (health.broken) {
    break_off("the journal broke");
    return;
  }
  post(engine::JournalHealthSeen{health.accepting, std::move(health.why),
                                 std::move(health.measure)});
}

}  // namespace hf::runtime
