#include "control/admin_explain.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "base/quantity.h"
#include "call/intake_key.h"
#include "control/admin_reply.h"
#include "control/call_view.h"
#include "control/explain.h"
#include "control/json.h"
#include "control/selection_query.h"

namespace hf::control {

using call::JsonObject;
using ports::ControlRespond;

namespace {

constexpr Duration kSinceDefault = Duration::hours(48);
constexpr Duration kSinceMax = Duration::hours(24 * 400);
constexpr Duration kNear = Duration::hours(24);  // where calls like a given one are looked for

WallTime ago(WallTime now, Duration length) {
  return now + (Duration{} - length);
}

Result<Duration> parse_since(const std::string& text) {
  auto length = parse_duration(text);
  if (!length.ok()) return length.take_error().in("'since'");
  if (*length <= Duration{} || *length > kSinceMax) {
    return fail(ErrorKind::invalid, "'since' must be more than 0 and at most 400d");
  }
  return *length;
}

// --- what is asked ---

struct Question {
  std::optional<CallId> call;
  std::string key;
  std::vector<ports::FieldMatch> matches;
  Duration since = kSinceDefault;
};

Result<Question> parse_question(const ExplainContext& context, std::string_view query) {
  Question out;
  HF_TRY(const auto pairs, query_pairs(query));
  std::set<std::string> seen;
  for (const auto& [name, value] : pairs) {
    if (name != "match" && !seen.insert(name).second) {
      return fail(ErrorKind::invalid, fmt::format("query '{}' is there twice", name));
    }
    if (name == "call") {
      const auto id = CallId::parse(value);
      if (!id.ok()) return fail(ErrorKind::invalid, "'call' must be the id of a call");
      out.call = id.value();
    } else if (name == "key") {
      out.key = value;
    } else if (name == "match") {
      HF_TRY(auto match, parse_match(value, {context.settings.get(), context.hasher, context.now}));
      out.matches.push_back(std::move(match));
    } else if (name == "since") {
      HF_TRY(out.since, parse_since(value));
    } else {
      return fail(
          ErrorKind::invalid,
          fmt::format("query '{}' is not known here; known are: call, key, match, since", name));
    }
  }
  const int ways = (out.call ? 1 : 0) + (out.key.empty() ? 0 : 1) + (out.matches.empty() ? 0 : 1);
  if (ways != 1) {
    return fail(ErrorKind::invalid, "say one of: call=ID, key=KEY, match=NAME=VALUE");
  }
  if (out.matches.size() > kMatchesMax) {
    return fail(ErrorKind::invalid, fmt::format("at most {} matches", kMatchesMax));
  }
  return out;
}

// --- the answer ---

std::string event_json(const std::vector<ports::CallDetail>& calls, EventRef ref) {
  auto members = event_members(calls[ref.call].timeline[ref.event]);
  return join_objects(JsonObject()
                          .text("call", call_label(ref.call))
                          .number("event", static_cast<std::int64_t>(ref.event + 1))
                          .done(),
                      members.done());
}

std::string sentence_json(const Sentence& sentence) {
  JsonArray calls;
  JsonArray evidence;
  std::set<std::size_t> named;
  for (const EventRef ref : sentence.evidence) {
    if (named.insert(ref.call).second) calls.add(call::json_string(call_label(ref.call)));
    evidence.add(JsonObject()
                     .text("call", call_label(ref.call))
                     .number("event", static_cast<std::int64_t>(ref.event + 1))
                     .done());
  }
  return JsonObject()
      .text("rule", sentence.rule)
      .text("weight", to_string(sentence.weight))
      .text("text", sentence.text)
      .text("unproved", sentence.unproved)
      .raw("calls", calls.done())
      .raw("evidence", evidence.done())
      .done();
}

std::string explanation_json(const std::vector<ports::CallDetail>& calls, bool cut,
                             const std::vector<std::string>& looked, WallTime now) {
  const Explanation explanation = explain(calls, cut);
  JsonArray heads;
  for (std::size_t i = 0; i < calls.size(); ++i) {
    heads.add(
        join_objects(JsonObject().text("label", call_label(i)).done(), head_json(*calls[i].call)));
  }
  JsonArray sentences;
  for (const Sentence& sentence : explanation.sentences)
    sentences.add(sentence_json(sentence));
  JsonArray timeline;
  for (const EventRef ref : explanation.timeline)
    timeline.add(event_json(calls, ref));
  JsonArray where;
  for (const std::string& line : looked)
    where.add(call::json_string(line));
  return JsonObject()
      .text("verdict", to_string(explanation.verdict))
      .text("headline", explanation.headline)
      .text("at", format_rfc3339(now))
      .raw("looked", where.done())
      .raw("sentences", sentences.done())
      .raw("calls", heads.done())
      .raw("timeline", timeline.done())
      .done();
}

// One question on its way: ids first, then their timelines one by one, then the words.
class Asking : public std::enable_shared_from_this<Asking> {
 public:
  Asking(ExplainContext context, Question question, ControlRespond respond)
      : context_(std::move(context)),
        question_(std::move(question)),
        respond_(std::move(respond)) {}

  void begin() {
    if (question_.call) {
      looked_.push_back("call " + question_.call->text());
      add(*question_.call);
      read_next();
    } else if (!question_.key.empty()) {
      plan_keys();
      next_key();
    } else {
      ports::SearchSpec spec;
      spec.matches = question_.matches;
      spec.since = ago(context_.now, question_.since);
      search(std::move(spec));
    }
  }

 private:
  struct KeyPlace {
    std::string name;
    call::Digest identity;
  };

  void add(const CallId& id) {
    if (std::find(ids_.begin(), ids_.end(), id) == ids_.end()) ids_.push_back(id);
  }

  void fail_with(const Error& error) { respond_(journal_unavailable(error.context)); }

  // A header key is the same wherever it is sent in one space; of business keys the text says too
  // little, because method and path belong to them.
  void plan_keys() {
    if (!context_.hasher) return;
    std::set<call::Digest> seen;
    for (const auto& route : context_.settings->routes) {
      const auto upstream = context_.settings->upstreams.find(route->upstream);
      if (upstream == context_.settings->upstreams.end()) continue;
      const auto identity =
          call::header_key_identity(*route, *upstream->second, question_.key, *context_.hasher);
      if (!seen.insert(identity).second) continue;
      keys_.push_back({route->key.space.empty() ? upstream->first : route->key.space, identity});
    }
  }

  void next_key() {
    if (next_key_ == keys_.size()) {
      if (ids_.empty()) {
        looked_.push_back(
            "a key made of business fields cannot be found by its text: use --match on a field "
            "that the route declares under `index`, or the call's id");
      }
      read_next();
      return;
    }
    const KeyPlace place = keys_[next_key_++];
    context_.driver->find_key(
        place.identity, [self = shared_from_this(), place](const Result<ports::KeyFound>& found) {
          if (!found.ok()) {
            self->fail_with(found.error());
            return;
          }
          std::string line = fmt::format("as a client's key in space {}: ", place.name);
          const auto& entry = found.value().entry;
          if (!entry) {
            line += "not there";
          } else if (entry->tombstone) {
            line += fmt::format("its call was retired; its effect was {}",
                                call::to_string(entry->verdict));
          } else {
            line += "call " + entry->call.text();
            self->add(entry->call);
          }
          self->looked_.push_back(std::move(line));
          self->next_key();
        });
  }

  static std::string told(const ports::SearchSpec& spec, Duration since) {
    if (spec.likeness) return "calls of the same content within a day";
    std::string out = "calls with ";
    for (const auto& match : spec.matches) {
      if (&match != &spec.matches.front()) out += " and ";
      out += match.name + "=...";
    }
    return out + " of the last " + format_duration(since);
  }

  // One page looks at so much only; a search over fields that seldom meet goes on for some pages.
  void search(ports::SearchSpec spec, int pages = kSearchPagesMax) {
    spec.limit = kExplainCallsMax - found_;
    context_.driver->search(
        spec, [self = shared_from_this(), spec, pages](const Result<ports::CallPage>& page) {
          if (!page.ok()) {
            self->fail_with(page.error());
            return;
          }
          for (const auto& call : page.value().calls)
            self->add(call->id);
          self->found_ += page.value().calls.size();
          if (page.value().more && pages > 1 && self->found_ < kExplainCallsMax) {
            ports::SearchSpec next = spec;
            next.after = page.value().next;
            self->search(std::move(next), pages - 1);
            return;
          }
          self->looked_.push_back(
              fmt::format("{}: {}", told(spec, self->question_.since), self->found_));
          self->cut_ = self->cut_ || page.value().more;
          self->read_next();
        });
  }

  void read_next() {
    const bool enough = events_ > kExplainEventsMax;
    cut_ = cut_ || (enough && details_.size() + missing_ < ids_.size());
    if (enough || details_.size() + missing_ == ids_.size()) {
      if (!widened_ && ids_.size() == 1 && !details_.empty() && widen()) return;
      finish();
      return;
    }
    context_.driver->detail(ids_[details_.size() + missing_],
                            [self = shared_from_this()](Result<ports::CallDetail> detail) {
                              if (!detail.ok()) {
                                self->fail_with(detail.error());
                                return;
                              }
                              if (detail->call) {
                                self->events_ += detail->timeline.size();
                                self->details_.push_back(std::move(*detail));
                              } else {
                                ++self->missing_;
                              }
                              self->read_next();
                            });
  }

  // Of one call alone, those that look like it are part of its story.
  bool widen() {
    widened_ = true;
    const call::Call& call = *details_.front().call;
    if (!call.likeness) return false;
    const WallTime born = call.id.born();
    ports::SearchSpec spec;
    spec.likeness = call.likeness;
    spec.since = ago(born, kNear);
    spec.after = CallId::make(born + kNear, 0, 0);
    search(std::move(spec));
    return true;
  }

  void finish() {
    std::stable_sort(details_.begin(), details_.end(), [](const auto& a, const auto& b) {
      return std::pair(a.call->accepted.wall, a.call->id) <
             std::pair(b.call->accepted.wall, b.call->id);
    });
    respond_(json(explanation_json(details_, cut_, looked_, context_.now)));
  }

  ExplainContext context_;
  Question question_;
  ControlRespond respond_;
  std::vector<KeyPlace> keys_;
  std::size_t next_key_ = 0;
  std::vector<CallId> ids_;
  std::vector<ports::CallDetail> details_;
  std::size_t missing_ = 0;
  std::size_t found_ = 0;  // by search
  std::size_t events_ = 0;
  bool widened_ = false;
  bool cut_ = false;
  std::vector<std::string> looked_;
};

// --- duplicates ---

struct Walk {
  Duration since = Duration::hours(24);
  Duration window = Duration::seconds(60);
};

Result<Walk> parse_walk(std::string_view query) {
  Walk out;
  HF_TRY(const auto pairs, query_pairs(query));
  for (const auto& [name, value] : pairs) {
    if (name == "since") {
      HF_TRY(out.since, parse_since(value));
    } else if (name == "window") {
      auto length = parse_duration(value);
      if (!length.ok()) return length.take_error().in("'window'");
      if (*length <= Duration{} || *length > Duration::hours(24)) {
        return fail(ErrorKind::invalid, "'window' must be more than 0 and at most 1d");
      }
      out.window = *length;
    } else {
      return fail(ErrorKind::invalid,
                  fmt::format("query '{}' is not known here; known are: since, window", name));
    }
  }
  return out;
}

// The whole walk, a page at a time, so that commits go on between pages.
class Walking : public std::enable_shared_from_this<Walking> {
 public:
  Walking(ExplainContext context, Walk walk, ControlRespond respond)
      : context_(std::move(context)), walk_(walk), respond_(std::move(respond)) {}

  void next(std::string after) {
    context_.driver->page_likeness({ago(context_.now, walk_.since), walk_.window, std::move(after)},
                                   [self = shared_from_this()](Result<ports::LikenessPage> page) {
                                     if (!page.ok()) {
                                       self->respond_(journal_unavailable(page.error().context));
                                       return;
                                     }
                                     self->take(*page);
                                     if (page->next && ++self->pages_ < kDuplicatePagesMax) {
                                       self->next(*page->next);
                                     } else {
                                       self->complete_ = !page->next;
                                       self->finish();
                                     }
                                   });
  }

 private:
  struct Caller {
    std::uint64_t calls = 0;
    std::uint64_t repeats = 0;
    std::optional<ports::LikePair> latest;
  };

  void take(ports::LikenessPage& page) {
    for (const auto& [caller, calls] : page.calls)
      callers_[caller].calls += calls;
    for (ports::LikePair& pair : page.pairs) {
      Caller& caller = callers_[pair.caller];
      caller.repeats += 1;
      if (!caller.latest || caller.latest->later->id < pair.later->id) caller.latest = pair;
      if (pairs_.size() < kDuplicatePairsMax) pairs_.push_back(std::move(pair));
    }
  }

  static std::string pair_json(const ports::LikePair& pair) {
    const call::Call& later = *pair.later;
    return join_objects(
        JsonObject()
            .text("earlier", pair.earlier->id.text())
            .text("later", later.id.text())
            .number("apart_ms", (later.accepted.wall - pair.earlier->accepted.wall).ms())
            .text("earlier_state", call::to_string(pair.earlier->state))
            .text("later_state", call::to_string(later.state))
            .done(),
        list_json(later));
  }

  static std::string caller_json(const Caller& caller) {
    const call::Call& later = *caller.latest->later;
    const std::uint64_t meant = std::max<std::uint64_t>(caller.calls - caller.repeats, 1);
    const Field* agent = later.request ? find_field(later.request->fields, "User-Agent") : nullptr;
    return JsonObject()
        .text("route", later.route)
        .text("upstream", later.upstream)
        .text("owner", owner_hash(later))
        .text("agent", agent == nullptr ? std::string_view{} : std::string_view(agent->value))
        .number("calls", static_cast<std::int64_t>(caller.calls))
        .number("repeats", static_cast<std::int64_t>(caller.repeats))
        .number("load_percent", static_cast<std::int64_t>(caller.calls * 100 / meant))
        .raw("latest", pair_json(*caller.latest))
        .done();
  }

  void finish() {
    std::vector<const Caller*> repeating;
    std::uint64_t calls = 0;
    std::uint64_t repeats = 0;
    for (const auto& [name, caller] : callers_) {
      calls += caller.calls;
      repeats += caller.repeats;
      if (caller.latest) repeating.push_back(&caller);
    }
    std::stable_sort(repeating.begin(), repeating.end(),
                     [](const Caller* a, const Caller* b) { return a->repeats > b->repeats; });
    const bool all = repeating.size() <= kDuplicateCallersMax;
    if (!all) repeating.resize(kDuplicateCallersMax);
    JsonArray callers;
    for (const Caller* caller : repeating)
      callers.add(caller_json(*caller));
    JsonArray pairs;
    for (const auto& pair : pairs_)
      pairs.add(pair_json(pair));
    respond_(json(JsonObject()
                      .text("since", format_rfc3339(ago(context_.now, walk_.since)))
                      .text("window", format_duration(walk_.window))
                      .number("calls", static_cast<std::int64_t>(calls))
                      .number("repeats", static_cast<std::int64_t>(repeats))
                      .boolean("complete", complete_ && all)
                      .raw("callers", callers.done())
                      .raw("pairs", pairs.done())
                      .done()));
  }

  ExplainContext context_;
  Walk walk_;
  ControlRespond respond_;
  int pages_ = 0;
  bool complete_ = true;
  std::map<std::string, Caller> callers_;
  std::vector<ports::LikePair> pairs_;
};

}  // namespace

void answer_explain(const ExplainContext& context, const std::string& query,
                    const ControlRespond& respond) {
  auto question = parse_question(context, query);
  if (!question.ok()) {
    respond(bad_request(question.error().context));
    return;
  }
  std::make_shared<Asking>(context, std::move(*question), respond)->begin();
}

void answer_duplicates(const ExplainContext& context, const std::string& query,
                       const ControlRespond& respond) {
  const auto walk = parse_walk(query);
  if (!walk.ok()) {
    respond(bad_request(walk.error().context));
    return;
  }
  std::make_shared<Walking>(context, walk.value(), respond)->next({});
}

}  // namespace hf::control
