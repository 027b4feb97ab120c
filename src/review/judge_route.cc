// What is to be said of one route. Each function is one rule: it looks at what a rehearsal showed.
#include <fmt/format.h>

#include <algorithm>

#include "base/quantity.h"
#include "review/review.h"
#include "review/story.h"

namespace hf::review {
namespace {

using call::Column;
using Story = std::vector<std::string>;

constexpr std::string_view kTakeKeys =
    "key: { required: true, from: [ { header: Idempotency-Key } ] }";
constexpr std::uint64_t kFewCalls = 1'000;  // that a journal of held calls should have room for
constexpr int kMuchBudget = 500;            // permille

class Judge {
 public:
  Judge(const RouteFacts& facts, const config::Loaded& loaded, std::vector<Finding>& out)
      : facts_(facts), loaded_(loaded), out_(out) {}

  void run() {
    if (!facts_.reached) return route_unreached();
    if (facts_.answer_lost.moments.empty()) return key_never();
    if (!facts_.changing) return less_safe_only();
    key_never();
    repeats();
    owner_anyone();
    limit_final();
    doubts();
    restarts();
    traffic();
    less_key_repeatable();
  }

 private:
  // ---- retries

  void route_unreached() {
    add(Rule::route_unreached, "path", "Other routes take every request that could come here",
        {fmt::format("A request for {} comes", facts_.route->path),
         "A route with the same path, and a host or methods besides, goes before this one",
         "What is configured here is not applied to it"},
        "path", "path: a path, host_match or methods of its own");
  }

  void key_never() {
    if (facts_.keyed || facts_.route->key.from.empty() || !facts_.reached) return;
    const auto& from = facts_.route->key.from;
    const bool any_method = facts_.changing;
    if (!any_method) return;
    const std::string end = facts_.route->key.required
                                ? "It is refused with 400 `key-missing`, and so is every other"
                                : "It has no key, and so has no other: a repeat is another call";
    add(Rule::key_never, "key.from", fmt::format("{} cannot all be in one request", text_of(from)),
        {fmt::format("A client sends {}, with as many of these parts as fit", facts_.name()),
         "One body is JSON or a form, not both, and a value has one place in it", end},
        "key.from", "key: { from: [ ... ] } with parts of one kind of body, or headers");
  }

  void repeats() {
    const auto& route = *facts_.route;
    if (facts_.column == Column::safe) return;
    const bool put = facts_.ask.method == "PUT" || facts_.ask.method == "DELETE";
    if (put && facts_.column == Column::none && !facts_.keyed) return method_idempotent();
    if (facts_.repeated.effects > 1) {
      add(Rule::repeat_doubles, "key.from",
          "A lost answer and one repeat of the client's make two effects",
          twice(story_of(facts_.repeated)), "key.from", std::string(kTakeKeys));
    } else if (facts_.bare_repeated && facts_.bare_repeated->effects > 1) {
      const auto parts = key_parts(route, *facts_.upstream);
      StoryOptions options;
      options.asks[1] =
          fmt::format("The client sends {} without {}", facts_.name(), text_of(parts));
      add(Rule::key_optional, "key.required",
          fmt::format("A request without {} has no key: its repeat is a second effect",
                      text_of(parts)),
          twice(story_of(*facts_.bare_repeated, options)), "key.required",
          route.key.from.empty()
              ? fmt::format("key: {{ required: true, from: [ {{ header: {} }} ] }}",
                            facts_.upstream->idempotency.header)
              : "required: true");
    }
    fresh_key();
    if (facts_.window_over && facts_.window_over->effects > 1) {
      add(Rule::derive_window, "key.window",
          fmt::format("A repeat joins for {}, an attempt may take {}",
                      format_duration(route.key.derive_window),
                      format_duration(facts_.upstream->timeouts.head)),
          twice(story_of(*facts_.window_over)), "key.window",
          fmt::format("window: {}", format_duration(facts_.upstream->timeouts.head * 2)));
    }
  }

  void fresh_key() {
    if (!facts_.fresh_key || facts_.fresh_key->effects < 2 || facts_.route->key.stable) return;
    StoryOptions options;
    options.asks[1] =
        fmt::format("The application's loop calls its SDK, which makes a key: {}", facts_.name());
    options.asks[2] = "The loop calls the SDK again, which makes another key";
    add(Rule::fresh_key, "key.from", "A client that makes a new key for each try is not recognised",
        twice(story_of(*facts_.fresh_key, options)), "key.from",
        "key: { from: [ { body: /order_id } ] }, or key: { stable: true } if it is made once");
  }

  void method_idempotent() {
    add(Rule::method_idempotent, "methods",
        fmt::format("{} is idempotent by HTTP, and a lost answer is not retried",
                    facts_.ask.method),
        story_of(facts_.answer_lost), "upstream",
        "upstream: one with idempotency: { mode: repeatable }");
  }

  void owner_anyone() {
    if (!facts_.stranger || facts_.route->webhook) return;
    const Told* told = facts_.stranger->client(2);
    if (told == nullptr || !told->replayed) return;
    StoryOptions options;
    options.asks[2] = "Somebody with another credential sends the same request under the same key";
    add(Rule::owner_anyone, "owner", "Whoever knows a key is given the stored answer",
        story_of(*facts_.stranger, options), "owner", "owner: credential");
  }

  void limit_final() {
    const Told* later = facts_.limited.client(2);
    const bool kept = later != nullptr && later->status == 429 && later->replayed;
    if (!kept) return;
    add_upstream(Rule::limit_final, "idempotency.refused",
                 "A 429 of the upstream becomes the final answer of its key",
                 story_of(facts_.limited), "refused: [421, 425, 429]");
  }

  // ---- answer lost

  void doubts() {
    const bool never_asked =
        facts_.upstream->idempotency.mode == call::Mode::verify && facts_.column == Column::none;
    if (never_asked) {
      add_upstream(Rule::lookup_never, "idempotency.lookup.get",
                   fmt::format("No {} carries what the lookup asks for: nobody is ever asked",
                               facts_.name()),
                   story_of(facts_.answer_lost),
                   "get: with {body:...} or {form:...} that the requests have, or {key}");
    } else if (facts_.column == Column::none && facts_.answer_lost.state == call::State::unknown) {
      add_upstream(Rule::doubt_needs_person, "idempotency.mode",
                   "Each lost answer leaves a call `unknown` until a person has settled it",
                   story_of(facts_.answer_lost),
                   "idempotency: { mode: verify, lookup: { get: ..., found: ..., where: ..., "
                   "settle: ... } }, if it can be asked; mode: key, if it honours keys");
    }
    const Told* declined = facts_.declined.client(1);
    const bool in_doubt = facts_.declined.state == call::State::unknown ||
                          (declined != nullptr && declined->effect == "unknown");
    if (facts_.column == Column::key && facts_.declined.copies > 1 && in_doubt) {
      add_upstream(Rule::settles_nothing, "idempotency.settles",
                   "After a lost answer a decline under the same key is not believed",
                   story_of(facts_.declined),
                   "settles: [400, 402, 404], if it says these by itself");
    }
    const Told* verified = facts_.request_lost.client(1);
    const bool untold = verified == nullptr || verified->effect == "unknown";
    if (facts_.column == Column::verify && untold && !facts_.request_lost.held) {
      add(Rule::verify_outlasts_wait, "wait",
          fmt::format("The lookup needs {} and more, the client waits {}",
                      format_duration(facts_.upstream->idempotency.settle),
                      format_duration(facts_.route->wait)),
          story_of(facts_.request_lost), "hold", "hold: on_failure, or wait: longer than `settle`");
    }
  }

  // ---- restart

  void restarts() {
    const bool forgotten = facts_.column == Column::key && facts_.keyed && !facts_.all_lost.held &&
                           facts_.all_lost.state == call::State::unknown;
    if (!forgotten) return;
    add(Rule::open_forgotten, "hold",
        "A call in doubt waits for its client, and ends `unknown` if that does not come back",
        story_of(facts_.all_lost), "hold", "hold: on_failure");
  }

  // ---- traffic, journal

  void traffic() {
    const auto& settings = *loaded_.settings;
    const auto& upstream = *facts_.upstream;
    const std::uint64_t body = facts_.route->limits.body;
    const auto slots = static_cast<std::uint64_t>(upstream.concurrency);
    if (!facts_.streamed && body > 0 && settings.buffers / body < slots) {
      add(Rule::bodies_fill_memory, "limits.body",
          fmt::format("{} bodies of {} may be under way, `buffers` has room for {}", slots,
                      format_size(body), settings.buffers / body),
          {fmt::format("{} clients send {} each", settings.buffers / body + 1, format_size(body)),
           "The bodies fill `buffers`",
           "The next request, of whatever route, is refused with 503 `overloaded`, although slots "
           "are free"},
          "limits.body",
          fmt::format("limits: {{ body: {} }}, or buffers: {}",
                      format_size(settings.buffers / slots), "more"));
    }
    if (facts_.route->retry.budget_permille > kMuchBudget) {
      const auto budget = format_permille(facts_.route->retry.budget_permille);
      add(Rule::budget_high, "retry.budget",
          fmt::format(
              "A budget of {} lets retries add as much to the load of an upstream in trouble",
              budget),
          {fmt::format("`{}` slows down, and attempts begin to time out", upstream.name),
           fmt::format("Each success pays for {} of a further attempt", budget),
           "The upstream, which could not keep up with the calls, gets their retries as well"},
          "retry.budget", "retry: { budget: 20% }");
    }
    const std::uint64_t room = body == 0 ? kFewCalls : settings.journal.max_bytes / body;
    if (facts_.down.held && room < kFewCalls) {
      journal_small(room);
    }
  }

  void journal_small(std::uint64_t room) {
    const auto& journal = loaded_.settings->journal;
    Finding finding;
    finding.rule = Rule::journal_small;
    finding.place = loaded_.places.of_service("journal.max_bytes");
    finding.subject = facts_.name();
    finding.message =
        fmt::format("{} hold {} of the largest calls", format_size(journal.max_bytes), room);
    finding.story = {
        fmt::format("`{}` is down", facts_.upstream->name),
        fmt::format("{} calls with bodies of {} are held", room,
                    format_size(facts_.route->limits.body)),
        "The journal is full: bodies and timelines of ended calls go first",
        fmt::format("The next client is told {}", facts_.full.client(1) == nullptr
                                                      ? "nothing"
                                                      : words_of(*facts_.full.client(1)))};
    finding.change = {finding.place, fmt::format("max_bytes: {}",
                                                 format_size(facts_.route->limits.body * 10'000))};
    out_.push_back(std::move(finding));
  }

  // ---- where less would do

  void less_safe_only() {
    const auto& route = *facts_.route;
    const std::string_view key = route.hold != call::Hold::never ? "hold"
                                 : !route.callback.empty()       ? "callback"
                                 : !route.key.from.empty()       ? "key.from"
                                 : !route.key.derive.empty()     ? "key.derive"
                                                                 : "";
    if (key.empty()) return;
    add(Rule::less_safe_only, key,
        fmt::format("Only safe methods get here: `{}` does nothing", key), {}, key,
        fmt::format("leave `{}` out", key.substr(0, key.find('.'))));
  }

  void less_key_repeatable() {
    if (facts_.column != Column::safe || !facts_.journaled() || facts_.holds()) return;
    add(Rule::less_key_repeatable, "key.from",
        "Each call waits for a synced write, and repeating it would only cost money", {},
        "key.from", "leave `key` out, unless repeats are to get the stored answer");
  }

  // ----

  // A story of two effects says so at its end.
  static Story twice(Story story) {
    story.emplace_back("The upstream has done it twice");
    return story;
  }

  void add(Rule rule, std::string_view key, std::string message, Story story,
           std::string_view change_key, std::string text) {
    const auto place = [&](std::string_view of) {
      return loaded_.places.of_route(facts_.index, *facts_.route, *facts_.upstream, of);
    };
    put(rule, place(key), std::move(message), std::move(story),
        {place(change_key), std::move(text)});
  }

  // About one key of the upstream, which is also what would change it.
  void add_upstream(Rule rule, std::string_view key, std::string message, Story story,
                    std::string text) {
    const auto place = loaded_.places.of_upstream(*facts_.upstream, key);
    put(rule, place, std::move(message), std::move(story), {place, std::move(text)});
  }

  void put(Rule rule, config::Place place, std::string message, Story story, Change change) {
    out_.push_back({rule,
                    std::move(place),
                    facts_.name(),
                    std::move(message),
                    std::move(story),
                    std::move(change),
                    {}});
  }

  const RouteFacts& facts_;
  const config::Loaded& loaded_;
  std::vector<Finding>& out_;
};

}  // namespace

void judge_route(const RouteFacts& facts, const config::Loaded& loaded, std::vector<Finding>& out) {
  Judge(facts, loaded, out).run();
}

}  // namespace hf::review
