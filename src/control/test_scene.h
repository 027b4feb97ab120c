// For tests of the admin API: the real driver and engine over a journal in a map, asked as the
// server would ask.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "call/reply_json.h"
#include "control/admin.h"
#include "control/health.h"

namespace hf::control::testing {

using ports::ControlReply;

class NoUpstream final : public ports::Upstream {
 public:
  void start(ports::AttemptSpec) override { ++started; }
  void cancel(AttemptId) override {}
  void forward(AttemptId, std::shared_ptr<ports::AnswerSink>) override {}
  void capture(AttemptId, std::uint64_t) override {}
  int started = 0;
};

class NoClients final : public ports::Clients {
 public:
  void reply(ExchangeId, call::Reply) override {}
  std::shared_ptr<ports::AnswerSink> begin(ExchangeId, call::AnswerHead) override { return {}; }
  void finish(ExchangeId, bool) override {}
};

class StillClock final : public ports::Clock {
 public:
  Now read() noexcept override { return now; }
  Now now{Instant{5'000'000'000}, WallTime{1'800'000'000'000}, BootId{7}};
};

class NoTimer final : public ports::WakeTimer {
 public:
  void wake_at(std::optional<Instant>) override {}
};

// Calls in a map; answers wait until pump().
class MapJournal final : public ports::Journal {
 public:
  Result<call::Recovered> open() override { return call::Recovered{}; }
  void attach(ports::JournalEvents& events) override { events_ = &events; }
  void commit(CommitId id, call::Batch batch) override {
    for (const auto& write : batch.calls) {
      calls[write.after->id] = write.after;
      auto& events = timelines[write.after->id];
      events.insert(events.end(), write.events.begin(), write.events.end());
    }
    pauses += batch.pauses.size();
    queue_.push_back([this, id] { events_->on_commit(id, ports::CommitResult::ok); });
  }
  void find_key(ports::ReadId id, const call::Digest&) override {
    queue_.push_back([this, id] { events_->on_key(id, ports::KeyFound{}); });
  }
  void read_call(ports::ReadId id, const CallId& call, ports::Want) override {
    queue_.push_back([this, id, call] { events_->on_call(id, find(call)); });
  }
  void read_line(ports::ReadId id, const call::Digest&, std::size_t) override {
    queue_.push_back([this, id] { events_->on_line(id, ports::LinePage{}); });
  }
  void page_line_heads(ports::ReadId id, std::optional<call::Digest>, std::size_t) override {
    queue_.push_back([this, id] { events_->on_line_heads(id, ports::LineHeads{}); });
  }
  void page_due(ports::ReadId id, const std::string&, call::DueClass, WallTime,
                std::size_t) override {
    queue_.push_back([this, id] { events_->on_due(id, ports::DuePage{}); });
  }
  void list(ports::ReadId id, ports::CallFilter filter) override {
    filters.push_back(filter);
    queue_.push_back([this, id, filter] {
      if (fail_reads) {
        events_->on_list(id, fail(ErrorKind::unavailable, "the disk is gone"));
        return;
      }
      ports::CallPage page;
      if (honest) {
        events_->on_list(id, honest_page(filter));
        return;
      }
      for (const auto& [name, call] : calls)
        page.calls.push_back(call);
      page.more = true;
      page.next = calls.begin()->first;
      events_->on_list(id, std::move(page));
    });
  }
  void detail(ports::ReadId id, const CallId& call) override {
    queue_.push_back([this, id, call] {
      events_->on_detail(id, ports::CallDetail{find(call), timelines[call]});
    });
  }
  void search(ports::ReadId id, ports::SearchSpec spec) override {
    searches.push_back(spec);
    queue_.push_back([this, id] {
      ports::CallPage page;
      for (const auto& [name, call] : calls)
        page.calls.insert(page.calls.begin(), call);
      events_->on_list(id, std::move(page));
    });
  }
  void page_likeness(ports::ReadId id, ports::LikenessSpec spec) override {
    walks.push_back(spec);
    queue_.push_back([this, id, spec] {
      events_->on_likeness(id, spec.after.empty() ? likeness : ports::LikenessPage{});
    });
  }
  void close() override {}

  void pump() {
    while (!queue_.empty())
      pump_one();
  }
  void pump_one() {
    const auto next = std::move(queue_.front());
    queue_.pop_front();
    next();
  }
  // Nobody is told of what was asked for.
  void forget() { queue_.clear(); }

  std::map<CallId, std::shared_ptr<const call::Call>> calls;
  std::map<CallId, std::vector<call::TimelineEvent>> timelines;
  std::set<CallId> broken;  // their records cannot be read
  std::vector<ports::CallFilter> filters;
  std::vector<ports::SearchSpec> searches;
  std::vector<ports::LikenessSpec> walks;
  ports::LikenessPage likeness;
  std::size_t pauses = 0;
  bool fail_reads = false;
  bool honest = false;  // a list is what was asked for, and not the same page again and again

 private:
  ports::CallPage honest_page(const ports::CallFilter& filter) {
    std::vector<std::shared_ptr<const call::Call>> all;
    for (const auto& [name, call] : calls)
      all.push_back(call);
    if (!filter.oldest_first) std::reverse(all.begin(), all.end());
    ports::CallPage page;
    for (const auto& call : all) {
      const bool beyond = !filter.after || (filter.oldest_first ? call->id > *filter.after
                                                                : call->id < *filter.after);
      if (!beyond) continue;
      if (page.calls.size() == filter.limit ||
          (filter.examine > 0 && page.examined == filter.examine)) {
        page.more = true;
        return page;
      }
      page.examined += 1;
      page.next = call->id;
      if (filter.state && call->state != *filter.state) continue;
      if (filter.pass_over && broken.contains(call->id)) {
        page.unreadable[call->id] = "record does not match its seal";
        continue;
      }
      if (!call::fits(*call, filter.select)) continue;
      page.calls.push_back(call);
      if (filter.blocking) page.behind.push_back(3);
      if (filter.depth != ports::CallFilter::Depth::head) {
        page.timelines.push_back(timelines[call->id]);
      }
    }
    page.next.reset();
    return page;
  }
  std::shared_ptr<const call::Call> find(const CallId& id) {
    const auto found = calls.find(id);
    return found == calls.end() ? nullptr : found->second;
  }
  ports::JournalEvents* events_ = nullptr;
  std::deque<std::function<void()>> queue_;
};

inline call::Digest digest(unsigned char fill) {
  call::Digest out;
  out.bytes.fill(fill);
  return out;
}

inline call::Call unknown_call(const Now& now) {
  call::Call out;
  out.id = CallId::make(now.wall, 1, 2);
  out.epoch = 4;
  out.state = call::State::unknown;
  out.route = "/v1/";
  out.upstream = "stripe";
  out.owner = digest(0xAB);
  call::KeyUse key;
  key.identity = digest(0xCD);
  key.field = "Idempotency-Key";
  key.value = "canary-key";
  out.key = key;
  auto request = std::make_shared<call::Request>();
  request->method = "POST";
  request->target = "/v1/charges?token=canary-query";
  request->fields = {{"Authorization", "Bearer canary-credential"}};
  request->body = make_body("canary-body");
  out.request = request;
  out.has_body = true;
  out.body_bytes = 11;
  out.accepted = call::Stamp::of(now);
  out.deadline = Duration::hours(23);
  out.account = std::string(64, 'a');
  out.attempts = 2;
  out.unresolved = true;
  out.first_sent = out.accepted;
  out.first_sent_authority = "api.stripe.com";
  out.last_cause = call::Cause::reset;
  out.ended = out.accepted;
  return out;
}

struct Scene {
  Scene() {
    auto made = std::make_shared<call::Settings>();
    auto upstream = std::make_shared<call::UpstreamSettings>();
    upstream->name = "stripe";
    upstream->urls = {{true, "api.stripe.com", 443, ""}};
    made->upstreams["stripe"] = upstream;
    auto route = std::make_shared<call::RouteSettings>();
    route->path = "/v1/";
    route->upstream = "stripe";
    route->key.from = {{call::Part::Kind::header, "Idempotency-Key"}};
    route->index = {{"customer", {call::Part::Kind::form, "customer"}, false},
                    {"card", {call::Part::Kind::form, "card"}, true}};
    made->routes.push_back(route);
    settings = made;
    start_driver();
    start_admin();
    health = std::make_unique<Health>(
        *driver, [this] { return facts; }, autoscale);
  }

  void start_driver() {
    engine::EngineOptions options;
    options.settings = settings;
    journal.forget();
    driver = std::make_unique<runtime::Driver>(options, &journal, upstreams, clients, clock, timer,
                                               runtime::Hooks{});
    journal.attach(*driver);
    driver->start({});
    journal.pump();
  }

  // As a new process would, with what was kept.
  void start_admin() {
    AdminOptions options;
    options.token = "hf_secret";
    options.listen = "127.0.0.1:8081";
    options.settings = settings;
    options.facts = [this] { return facts; };
    options.hasher = call::Hasher({});
    options.now = [this] { return clock.now.wall; };
    options.alerts = [] { return std::string(R"({"alerts":["one"]})"); };
    options.observed = [this](WallTime since, const std::string& route,
                              const ObservedAnswer& answer) {
      if (route == "/broken") return answer(fail(ErrorKind::unavailable, "no disk"));
      answer(call::JsonObject()
                 .number("ago", (clock.now.wall - since).ns / 1'000'000'000)
                 .text("route", route)
                 .done());
    };
    options.fresh_id = [this] { return CallId::make(clock.now.wall, ++ids_made, 9); };
    options.log = [this](std::string_view what, const std::string& detail) {
      lines.push_back(std::string(what) + ": " + detail);
    };
    OperationStore store;
    store.save = [this](const CallId& id, const std::string& text) -> Result<void> {
      if (disk_full) return fail(ErrorKind::full, "no room");
      files[id] = text;
      return {};
    };
    store.load = [this](const CallId& id) -> Result<std::string> {
      return files.contains(id) ? files[id] : std::string();
    };
    store.all = [this] {
      std::vector<CallId> out;
      for (const auto& [id, text] : files)
        out.push_back(id);
      return out;
    };
    store.remove = [this](const CallId& id) { files.erase(id); };
    options.operations = std::move(store);
    options.sealer.emplace(call::Sealer::Key{});
    admin = std::make_unique<Admin>(*driver, std::move(options));
  }

  std::optional<ControlReply> ask(const std::string& method, const std::string& target,
                                  const std::string& body = {}, Fields fields = good()) {
    std::optional<ControlReply> out;
    admin->handle({method, target, std::move(fields), body, "127.0.0.1:5"},
                  [&](ControlReply reply) { out = std::move(reply); });
    journal.pump();
    return out;
  }
  int status(const std::string& method, const std::string& target, const std::string& body = {}) {
    const auto reply = ask(method, target, body);
    return reply ? reply->status : 0;
  }
  ControlReply probe(const std::string& target, const std::string& method = "GET") {
    ControlReply out;
    health->handle({method, target, {}, {}, {}}, [&](ControlReply reply) { out = reply; });
    return out;
  }
  static Fields good() {
    return {{"Host", "localhost:8081"}, {"Authorization", "Bearer hf_secret"}};
  }
  CallId put(const call::Call& call) {
    journal.calls[call.id] = std::make_shared<call::Call>(call);
    call::TimelineEvent event;
    event.at = clock.now.wall;
    event.what = call::Happening::attempt_ended;
    event.attempt = 1;
    event.evidence = call::Evidence::sent;
    event.cause = call::Cause::reset;
    event.where = "192.0.2.1:443";
    event.rule = "no-status";
    journal.timelines[call.id] = {event};
    return call.id;
  }

  MapJournal journal;
  NoUpstream upstreams;
  NoClients clients;
  StillClock clock;
  NoTimer timer;
  Facts facts;
  std::shared_ptr<const call::Settings> settings;
  std::unique_ptr<runtime::Driver> driver;
  std::unique_ptr<Admin> admin;
  Autoscale autoscale;
  std::unique_ptr<Health> health;
  std::map<CallId, std::string> files;  // operations, as they are kept
  bool disk_full = false;
  std::uint64_t ids_made = 0;
  std::vector<std::string> lines;  // of the log
};

inline bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace hf::control::testing
