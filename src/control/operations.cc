#include "control/operations.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "base/quantity.h"
#include "call/reply_json.h"
#include "control/admin_reply.h"
#include "control/json.h"

namespace hf::control {

using engine::OperatorCommand;
using ports::ControlReply;
using ports::ControlRespond;

namespace {

constexpr std::size_t kReasonMax = 500;
constexpr std::size_t kByMax = 100;
constexpr int kTriesMax = 3;  // of a call that changes while it is acted on

ControlReply refused(std::string_view detail) {
  return problem(409, "refused", "This cannot be done as things stand", detail);
}

OperatorCommand::What what_of(call::Word word) {
  switch (word) {
    case call::Word::retry:
      return OperatorCommand::What::retry;
    case call::Word::cancel:
      return OperatorCommand::What::cancel;
    case call::Word::resolve_applied:
      return OperatorCommand::What::resolve_applied;
    case call::Word::resolve_not_applied:
      return OperatorCommand::What::resolve_not_applied;
  }
  return OperatorCommand::What::retry;
}

Result<std::string> one_line(const JsonMembers& body, std::string_view name, std::size_t max) {
  HF_TRY(auto text, body.text(name));
  const bool control = std::any_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
  });
  if (text.size() <= max && !control) return text;
  return fail(ErrorKind::invalid,
              fmt::format("\"{}\" must be one line of at most {} bytes", name, max));
}

Result<call::Word> word_of(const JsonMembers& body) {
  HF_TRY(const auto text, body.text("word"));
  const auto word = call::parse_word(text);
  if (word) return *word;
  return fail(ErrorKind::invalid,
              "\"word\" must be one of: retry, cancel, resolve_applied, resolve_not_applied");
}

struct Begin {
  Operation operation;
  call::Selection selection;
};

Result<Begin> parse_begin(const std::string& text, const SelectionContext& context) {
  Begin out;
  Operation& operation = out.operation;
  HF_TRY(const auto body, JsonMembers::read(text.empty() ? std::string_view("{}") : text));
  HF_TRY_VOID(body.only({"word", "query", "all", "reason", "by", "as_of", "selected"}));
  HF_TRY(operation.word, word_of(body));
  HF_TRY(operation.reason, one_line(body, "reason", kReasonMax));
  HF_TRY(operation.by, one_line(body, "by", kByMax));
  const bool settles = operation.word != call::Word::retry && operation.word != call::Word::cancel;
  if (settles && operation.reason.empty()) {
    return fail(ErrorKind::invalid, "\"reason\" is required: say how you know");
  }
  HF_TRY(const auto query, body.text("query"));
  HF_TRY(auto pairs, query_pairs(query));
  HF_TRY(out.selection, take_selection(pairs, context, &operation.query));
  if (!pairs.empty()) {
    return fail(ErrorKind::invalid,
                fmt::format("query '{}' is no part of a selection", pairs.front().first));
  }
  if (call::selects_all(out.selection) && body.raw("all") != "true") {
    return fail(ErrorKind::invalid,
                "the selection is empty, which is every call: say \"all\": true if you mean that");
  }
  operation.as_of = context.now;
  if (body.has("as_of")) {
    HF_TRY(const auto as_of, body.text("as_of"));
    auto at = parse_rfc3339(as_of);
    if (!at.ok()) return at.take_error().in("\"as_of\"");
    if (*at > context.now) return fail(ErrorKind::invalid, "\"as_of\" lies in the future");
    operation.as_of = *at;
  }
  if (body.has("selected")) {
    HF_TRY(const int selected, body.number("selected", 0, 2'000'000'000));
    operation.selected = static_cast<std::uint64_t>(selected);
  }
  operation.implied = out.selection.states.empty();
  operation.begun = operation.changed = context.now;
  return out;
}

}  // namespace

// The operations in memory and on disk. Lives as long as whoever acts on one of them.
class Operations::Book {
 public:
  explicit Book(OperationParts given) : parts(std::move(given)) {}

  struct Live {
    Operation operation;
    call::Selection selection;
    bool stepping = false;
  };

  [[nodiscard]] SelectionContext context() const {
    return {parts.settings.get(), parts.hasher, parts.now()};
  }
  // not_found, or what kept it from being read.
  Result<std::shared_ptr<Live>> find(const std::string& name) {
    const auto no_such = [&] {
      return fail(ErrorKind::not_found, fmt::format("there is no operation {}", name));
    };
    const auto id = CallId::parse(name);
    if (!id.ok()) return no_such();
    if (const auto found = live_.find(*id); found != live_.end()) return found->second;
    HF_TRY(const std::string text, parts.store->load(*id));
    if (text.empty()) return no_such();
    auto live = std::make_shared<Live>();
    HF_TRY(live->operation, Operation::parse(text));
    HF_TRY(live->selection, live->operation.selection(context()));
    remember(live);
    return live;
  }
  Result<void> save(const Operation& operation) {
    return parts.store->save(operation.id, operation.text());
  }
  void remember(const std::shared_ptr<Live>& live) {
    // Those that nobody drives now are read again when they are wanted.
    if (live_.size() >= kLiveMax) {
      std::erase_if(live_, [](const auto& entry) { return !entry.second->stepping; });
    }
    live_[live->operation.id] = live;
  }
  void make_room() {
    std::vector<CallId> all = parts.store->all();
    for (std::size_t i = 0; i + kOperationsKept <= all.size(); ++i) {
      parts.store->remove(all[i]);
      live_.erase(all[i]);
    }
  }
  void log(std::string_view what, const Operation& operation, const std::string& more) const {
    if (!parts.log) return;
    const std::string by = operation.by.empty() ? operation.from : operation.by;
    parts.log(what,
              fmt::format("{} {} by {} ({}): {}", to_string(operation.word), operation.id.text(),
                          by, shown_selection(operation.query, parts.hasher), more));
  }
  [[nodiscard]] std::string json(const Operation& operation) const {
    return operation.json(parts.hasher);
  }

  OperationParts parts;

 private:
  static constexpr std::size_t kLiveMax = 64;
  std::map<CallId, std::shared_ptr<Live>> live_;
};

// One step: the next calls that fit are noted as in flight, acted on together, and counted.
class Operations::Step : public std::enable_shared_from_this<Step> {
 public:
  Step(std::shared_ptr<Book> book, std::shared_ptr<Book::Live> live, int limit,
       ControlRespond respond)
      : book_(std::move(book)),
        live_(std::move(live)),
        limit_(limit),
        respond_(std::move(respond)) {}

  void begin() {
    live_->stepping = true;
    const std::vector<CallId> cut = operation().in_flight;
    if (cut.empty()) {
      read_page();
      return;
    }
    // The process ended in the midst of them. What became of each stands in its timeline.
    pending_ = cut.size();
    for (const CallId& id : cut)
      look_again(id, 0);
  }

 private:
  Operation& operation() { return live_->operation; }
  runtime::Driver& driver() { return *book_->parts.driver; }

  void give_up(ControlReply reply) {
    live_->stepping = false;
    respond_(std::move(reply));
  }

  void read_page() {
    ports::CallFilter filter;
    filter.select = live_->selection;
    filter.after = operation().after;
    filter.oldest_first = true;
    filter.limit = static_cast<std::size_t>(limit_);
    filter.examine = kStepExamined;
    filter.depth = ports::CallFilter::Depth::timeline;
    filter.pass_over = true;
    driver().list(std::move(filter), [self = shared_from_this()](Result<ports::CallPage> page) {
      if (!page.ok()) {
        self->give_up(journal_unavailable(page.error().context));
      } else {
        self->take(*page);
      }
    });
  }

  void take(const ports::CallPage& page) {
    Operation next = operation();
    next.examined += page.examined;
    next.changed = book_->parts.now();
    if (page.next) {
      next.after = page.next;
    } else if (!page.calls.empty()) {
      next.after = page.calls.back()->id;  // beyond it none fits
    }
    for (const auto& [id, why] : page.unreadable)
      add_to(next.refused, std::string(kUnreadable), id);
    std::vector<std::shared_ptr<const call::Call>> todo;
    for (std::size_t i = 0; i < page.calls.size(); ++i) {
      if (next.acted_on(page.timelines[i])) {
        next.done += 1;  // before what was kept of it was lost
      } else {
        todo.push_back(page.calls[i]);
        next.in_flight.push_back(page.calls[i]->id);
      }
    }
    if (!todo.empty() || page.more) {
      if (const auto kept = book_->save(next); !kept.ok()) {
        give_up(journal_unavailable(kept.error().context + "; nothing was done in this step"));
        return;
      }
    }
    operation() = std::move(next);
    last_ = !page.more;
    pending_ = todo.size() + 1;
    for (const auto& call : todo)
      act(call, 1);
    one_less();
  }

  void act(const std::shared_ptr<const call::Call>& call, int tries) {
    OperatorCommand command;
    command.what = what_of(operation().word);
    command.call = call->id;
    command.reason = operation().reason;
    command.if_epoch = call->epoch;
    command.operation = operation().name();
    driver().command(std::move(command), [self = shared_from_this(), id = call->id, tries](
                                             bool ok, const std::string& message) {
      if (ok) {
        self->operation().done += 1;
        self->acted_ += 1;
      } else if (message == call::kChangedMeanwhile && tries < kTriesMax) {
        self->look_again(id, tries);
        return;
      } else {
        add_to(self->operation().refused, message, id);
      }
      self->one_less();
    });
  }

  // Does it fit still, and was it acted on already?
  void look_again(const CallId& id, int tries) {
    driver().detail(
        id, [self = shared_from_this(), id, tries](const Result<ports::CallDetail>& detail) {
          if (!detail.ok()) {
            add_to(self->operation().refused, "the journal could not be read", id);
          } else if ((*detail).call && self->operation().acted_on((*detail).timeline)) {
            self->operation().done += 1;
          } else if (!(*detail).call || !call::fits(*(*detail).call, self->live_->selection)) {
            self->operation().left += 1;
          } else {
            self->act((*detail).call, tries + 1);
            return;
          }
          self->one_less();
        });
  }

  void one_less() {
    if (--pending_ > 0) return;
    Operation& done = operation();
    done.in_flight.clear();
    done.changed = book_->parts.now();
    if (last_) {
      done.stage = Operation::Stage::finished;
      done.ended = done.changed;
      // Were it lost, the last step would be made again, and find nothing to do.
      if (const auto kept = book_->save(done); !kept.ok()) {
        book_->log("operation_not_kept", done, kept.error().context);
      }
      std::uint64_t refused_calls = 0;
      for (const auto& [why, tally] : done.refused)
        refused_calls += tally.calls;
      book_->log("operation_ended", done,
                 fmt::format("{} done, {} refused, {} no longer fitted", done.done, refused_calls,
                             done.left));
    }
    live_->stepping = false;
    const std::string step = call::JsonObject()
                                 .boolean("finished", last_)
                                 .number("acted", static_cast<std::int64_t>(acted_))
                                 .done();
    respond_(json(join_objects(book_->json(done), step)));
  }

  std::shared_ptr<Book> book_;
  std::shared_ptr<Book::Live> live_;
  int limit_;
  ControlRespond respond_;
  std::size_t pending_ = 0;
  std::uint64_t acted_ = 0;
  bool last_ = false;
};

Operations::Operations(OperationParts parts) : book_(std::make_shared<Book>(std::move(parts))) {}

namespace {

ControlReply no_journal() {
  return refused("no journal is open here, so there are no calls to act on");
}

ControlReply reply_of(const Error& error) {
  if (error.kind == ErrorKind::not_found) {
    return problem(404, "no-such-operation", "There is no such operation", error.context);
  }
  // It does not get better by asking again.
  if (error.kind == ErrorKind::corrupt) {
    return problem(409, "unreadable", "What was kept of this operation cannot be read",
                   error.context + "; its calls are as they are: begin another one");
  }
  return error.kind == ErrorKind::invalid ? refused(error.context)
                                          : journal_unavailable(error.context);
}

}  // namespace

void Operations::begin(const std::string& body, const std::string& peer,
                       const ControlRespond& respond) {
  if (!book_->parts.store) return respond(no_journal());
  auto parsed = parse_begin(body, book_->context());
  if (!parsed.ok()) return respond(bad_request(parsed.error().context));
  auto live = std::make_shared<Book::Live>();
  live->operation = std::move(parsed->operation);
  live->operation.id = book_->parts.fresh_id();
  live->operation.from = peer;
  live->selection = std::move(parsed->selection);
  if (live->operation.implied) imply_states(live->selection, live->operation.word);
  live->selection.as_of = live->operation.as_of;
  book_->make_room();
  if (const auto kept = book_->save(live->operation); !kept.ok()) {
    return respond(journal_unavailable(kept.error().context));
  }
  book_->remember(live);
  book_->log("operation_begun", live->operation,
             fmt::format("{} calls as they were counted", live->operation.selected));
  respond(json(book_->json(live->operation)));
}

void Operations::list(const ControlRespond& respond) {
  JsonArray out;
  bool more = false;
  if (book_->parts.store) {
    std::vector<CallId> all = book_->parts.store->all();
    more = all.size() > kOperationsShown;
    std::reverse(all.begin(), all.end());
    all.resize(std::min(all.size(), kOperationsShown));
    for (const CallId& id : all) {
      const auto live = book_->find(id.text());
      out.add(live.ok() ? book_->json((*live)->operation)
                        : call::JsonObject()
                              .text("operation", id.text())
                              .text("stage", "unreadable")
                              .text("why", live.error().context)
                              .done());
    }
  }
  respond(json(call::JsonObject().raw("operations", out.done()).boolean("more", more).done()));
}

void Operations::one(const std::string& name, const ControlRespond& respond) {
  if (!book_->parts.store) return respond(no_journal());
  const auto live = book_->find(name);
  respond(live.ok() ? json(book_->json((*live)->operation)) : reply_of(live.error()));
}

void Operations::act(const std::string& name, const std::string& action, const std::string& body,
                     const ControlRespond& respond) {
  if (!book_->parts.store) return respond(no_journal());
  const auto found = book_->find(name);
  if (!found.ok()) return respond(reply_of(found.error()));
  const std::shared_ptr<Book::Live>& live = *found;
  Operation& operation = live->operation;
  const auto members = JsonMembers::read(body.empty() ? std::string_view("{}") : body);
  if (!members.ok()) return respond(bad_request(members.error().context));
  if (live->stepping) {
    return respond(problem(409, "busy", "A step of this operation is being made",
                           "ask again when it has ended"));
  }
  if (action != "resume") {
    const auto driver = (*members).number("driver", 0, 2'000'000'000);
    if (!driver.ok()) return respond(bad_request(driver.error().context));
    if (static_cast<std::uint64_t>(*driver) != operation.driver) {
      return respond(problem(409, "taken-over", "Somebody else goes on with this operation",
                             "it was resumed by another command, which drives it now"));
    }
  }
  if (operation.stage == Operation::Stage::finished) {
    return respond(json(join_objects(book_->json(operation), R"({"finished":true,"acted":0})")));
  }
  if (action == "step") {
    const auto limit = (*members).number("limit", 1, kStepMax);
    if (!limit.ok()) return respond(bad_request(limit.error().context));
    operation.stage = Operation::Stage::running;
    std::make_shared<Step>(book_, live, *limit, respond)->begin();
    return;
  }
  Operation next = operation;
  next.changed = book_->parts.now();
  next.stage = action == "resume" ? Operation::Stage::running : Operation::Stage::stopped;
  if (action == "resume") next.driver += 1;
  if (const auto kept = book_->save(next); !kept.ok()) {
    return respond(journal_unavailable(kept.error().context));
  }
  operation = std::move(next);
  book_->log(action == "resume" ? "operation_resumed" : "operation_stopped", operation,
             fmt::format("{} done so far", operation.done));
  respond(json(book_->json(operation)));
}

}  // namespace hf::control
