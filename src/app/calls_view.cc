#include "app/calls_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <vector>

#include "app/json_view.h"
#include "base/quantity.h"

namespace hf::app {
namespace {

namespace json = boost::json;

std::string when(const json::object& object, std::string_view name, const ViewOptions& options) {
  const auto at = parse_rfc3339(text_of(object, name));
  return at.ok() ? relative(*at, options.now) : std::string{};
}

std::string when_long(const json::object& object, std::string_view name,
                      const ViewOptions& options) {
  const std::string text = text_of(object, name);
  return text.empty() ? text : fmt::format("{} ({})", text, when(object, name, options));
}

// Why a call stands where it stands, in a word or two.
std::string reason_of(const json::object& call) {
  const std::string state = text_of(call, "state");
  const std::string cause = text_of(call, "last_cause");
  const std::int64_t status = number_of(call, "last_status");
  if (state == "waiting") return text_of(call, "reason");
  if (!cause.empty() && cause != "none") return cause;
  return status == 0 ? std::string{} : fmt::format("status {}", status);
}

std::string what_now(const json::object& call) {
  const std::string state = text_of(call, "state");
  const std::string id = text_of(call, "call");
  if (state == "unknown") {
    return fmt::format(
        "\nNobody knows whether this took effect. Look at the upstream, then tell Holdfast:\n"
        "  holdfast calls resolve {0} applied --reason '...'\n"
        "  holdfast calls resolve {0} not_applied --reason '...'\n",
        id);
  }
  if (state == "dead") {
    return fmt::format("\nIt did not take effect. To try again: holdfast calls retry {}\n", id);
  }
  return {};
}

}  // namespace

std::string relative(WallTime at, WallTime now) {
  const bool past = at <= now;
  const std::int64_t total = (past ? now.ms - at.ms : at.ms - now.ms) / 1000;
  if (total == 0) return "now";
  struct Unit {
    std::int64_t seconds;
    std::string_view name;
  };
  static constexpr Unit kUnits[] = {{86400, "d"}, {3600, "h"}, {60, "m"}, {1, "s"}};
  std::string text;
  for (std::size_t i = 0; i < 4; ++i) {
    if (total < kUnits[i].seconds) continue;
    text = fmt::format("{}{}", total / kUnits[i].seconds, kUnits[i].name);
    const std::int64_t rest = total % kUnits[i].seconds;
    const bool fine = i < 3 && total / kUnits[i].seconds < 10;
    if (fine && rest / kUnits[i + 1].seconds > 0) {
      text += fmt::format("{}{}", rest / kUnits[i + 1].seconds, kUnits[i + 1].name);
    }
    break;
  }
  return past ? text + " ago" : "in " + text;
}

std::string show_calls(const json::object& page, const ViewOptions& options) {
  const json::array* calls = list_of(page, "calls");
  const json::array* broken = list_of(page, "unreadable");
  std::string unreadable;
  for (std::size_t i = 0; broken != nullptr && i < broken->size(); ++i) {
    const auto* id = (*broken)[i].if_string();
    if (id != nullptr) unreadable += fmt::format("{}: its record cannot be read\n", safe(*id));
  }
  if (calls == nullptr || calls->empty()) return "no such calls\n" + unreadable;
  Table table({"CALL", "STATE", "WHY", "UPSTREAM", "REQUEST", "TRIES", "BEGAN", "NEXT"});
  for (const json::value& value : *calls) {
    const json::object* call = value.if_object();
    if (call == nullptr) continue;
    table.add({text_of(*call, "call"), text_of(*call, "state"), reason_of(*call),
               text_of(*call, "upstream"), request_of(*call), text_of(*call, "attempts"),
               when(*call, "created_at", options), when(*call, "next_attempt_at", options)});
  }
  std::string out = table.text(options.colour, 1) + unreadable;
  if (flag_of(page, "more") && !text_of(page, "next").empty()) {
    out += fmt::format("more: --after {}\n", text_of(page, "next"));
  }
  return out;
}

std::string show_call(const json::object& call, const ViewOptions& options) {
  std::string out;
  const auto line = [&out](std::string_view name, const std::string& value) {
    if (!value.empty()) out += fmt::format("{:<14}{}\n", name, value);
  };
  const std::string state = text_of(call, "state");
  const std::string why = reason_of(call);
  line("call", text_of(call, "call"));
  std::string standing = state + (why.empty() ? "" : " (" + why + ")");
  if (options.colour) {
    standing = std::string(colour_of(state)) + standing + std::string(kReset);
  }
  line("state", standing);
  line("effect", text_of(call, "effect"));
  line("request", request_of(call));
  line("route", text_of(call, "route"));
  line("upstream", text_of(call, "upstream") + ", mode " + text_of(call, "mode"));
  if (const auto* key = object_of(call, "key")) {
    const std::string field = text_of(*key, "field");
    line("key", fmt::format("{}, {}{}{}", text_of(*key, "hash"),
                            field.empty() ? "not sent upstream" : "sent as " + field,
                            flag_of(*key, "business") ? ", business key" : "",
                            flag_of(*key, "made")      ? ", made by Holdfast"
                            : flag_of(*key, "derived") ? ", derived from the content"
                                                       : ""));
  }
  line("owner", text_of(call, "owner"));
  line("account", text_of(call, "account"));
  line("fields", fields_of(call));
  line("resembles", text_of(call, "resembles"));
  line("attempts", text_of(call, "attempts"));
  line("began", when_long(call, "created_at", options));
  line("first sent", when_long(call, "first_sent_at", options));
  line("next attempt", when_long(call, "next_attempt_at", options));
  line("deadline", when_long(call, "deadline", options));
  line("last try by", when_long(call, "last_attempt_before", options));
  line("not before", when_long(call, "not_before", options));
  line("order", text_of(call, "order"));
  line("in doubt", when_long(call, "in_doubt_since", options));
  line("absent", when_long(call, "absent_since", options));
  line("ended", when_long(call, "ended_at", options));
  if (const auto* answer = object_of(call, "answer")) {
    line("answer", fmt::format("status {}, body {} ({} bytes)", text_of(*answer, "status"),
                               flag_of(*answer, "body_kept") ? "kept" : "not kept",
                               number_of(*answer, "body_bytes")));
  }
  const json::array* timeline = list_of(call, "timeline");
  if (timeline != nullptr && !timeline->empty()) {
    Table table({"TIME", "WHO", "TRY", "WHAT", "DETAIL"});
    for (const json::value& value : *timeline) {
      const json::object* event = value.if_object();
      if (event == nullptr) continue;
      table.add({text_of(*event, "at"), text_of(*event, "who"), text_of(*event, "attempt"),
                 text_of(*event, "what"), happening_of(*event)});
    }
    out += "\n" + table.text(false, 0);
  }
  return out + what_now(call);
}

std::string show_alerts(const json::object& answer, const ViewOptions& options) {
  const json::array* alerts = list_of(answer, "alerts");
  if (alerts == nullptr || alerts->empty()) return "nothing is wrong\n";
  std::string out;
  for (const json::value& value : *alerts) {
    const json::object* one = value.if_object();
    if (one == nullptr) continue;
    std::string name = text_of(*one, "cause");
    if (options.colour) {
      const bool critical = text_of(*one, "severity") == "critical";
      name = std::string(colour_of(critical ? "unknown" : "waiting")) + name + std::string(kReset);
    }
    if (!out.empty()) out += "\n";
    out += fmt::format("{}  {}  since {}\n", name, text_of(*one, "upstream"),
                       when_long(*one, "since", options));
    out += "  " + text_of(*one, "text") + "\n";
    const json::array* advice = list_of(*one, "do");
    if (advice == nullptr) continue;
    for (const json::value& line : *advice) {
      if (const auto* text = line.if_string()) {
        out += "    " + safe({text->data(), text->size()}) + "\n";
      }
    }
  }
  return out;
}

std::string show_blocked(const json::object& answer, const ViewOptions& options) {
  const json::array* lines = list_of(answer, "lines");
  std::string out;
  if (lines == nullptr || lines->empty()) {
    out = "nothing is blocked\n";
  } else {
    Table table({"CALL", "STATE", "WHY", "UPSTREAM", "ORDER", "BEHIND", "SINCE"});
    std::string advice;
    for (const json::value& value : *lines) {
      const json::object* head = value.if_object();
      if (head == nullptr) continue;
      table.add({text_of(*head, "call"), text_of(*head, "state"), reason_of(*head),
                 text_of(*head, "upstream"), text_of(*head, "order"), text_of(*head, "behind"),
                 when(*head, "since", options)});
      advice += "  " + text_of(*head, "do") + "\n";
    }
    out = table.text(options.colour, 1) + "\nTo free them, once you know what became of each:\n" +
          advice;
  }
  if (flag_of(answer, "more")) out += "there are more lines than could be looked at\n";
  return out;
}

namespace {

// Nothing where every upstream has one.
std::string show_addresses(const json::array& upstreams, const ViewOptions& options) {
  Table table({"UPSTREAM", "URL", "ADDRESS", "STATE", "LAST FAILURE", "IN A ROW", "BACK",
               "IN FLIGHT", "ATTEMPTS", "FAILURES", "EJECTIONS"});
  bool any = false;
  for (const json::value& value : upstreams) {
    const json::object* upstream = value.if_object();
    const json::array* addresses = upstream == nullptr ? nullptr : list_of(*upstream, "addresses");
    if (addresses == nullptr) continue;
    for (const json::value& entry : *addresses) {
      const json::object* one = entry.if_object();
      if (one == nullptr) continue;
      any = true;
      table.add({text_of(*upstream, "name"), text_of(*one, "url"), text_of(*one, "address"),
                 text_of(*one, "state"), text_of(*one, "last_failure"),
                 text_of(*one, "failures_in_a_row"), when(*one, "back_at", options),
                 text_of(*one, "in_flight"), text_of(*one, "attempts"), text_of(*one, "failures"),
                 text_of(*one, "ejections")});
    }
  }
  return any ? "\n" + table.text(false, 0) : std::string();
}

// "optional 12, low 3", of all rules together.
std::string shed_of(const json::object& load) {
  const json::object* classes = object_of(load, "shed");
  std::string out;
  if (classes == nullptr) return out;
  for (const auto& entry : *classes) {
    const json::object* rules = entry.value().if_object();
    if (rules == nullptr) continue;
    std::int64_t all = 0;
    for (const auto& rule : *rules)
      all += rule.value().is_int64() ? rule.value().as_int64() : 0;
    if (all == 0) continue;
    const std::string name = safe({entry.key().data(), entry.key().size()});
    out += fmt::format("{}{} {}", out.empty() ? "" : ", ", name, all);
  }
  return out.empty() ? "none" : out;
}

std::string in_ms(const json::object& of, std::string_view key, double unit) {
  const json::value* value = of.if_contains(key);
  if (value == nullptr || !value->is_int64()) return {};
  return fmt::format("{:.1f}ms", static_cast<double>(value->as_int64()) * unit);
}

// Of upstreams whose limit is learnt, or that are watched for overload.
std::string show_load(const json::array& upstreams) {
  Table table({"UPSTREAM", "LIMIT", "LEARNT BY", "BASELINE", "LATENCY", "QUEUE DELAY", "TARGET",
               "REFUSED NOW", "SENT AWAY"});
  bool any = false;
  for (const json::value& value : upstreams) {
    const json::object* upstream = value.if_object();
    const json::object* load = upstream == nullptr ? nullptr : object_of(*upstream, "load");
    if (load == nullptr) continue;
    const json::object* learnt = object_of(*load, "learnt");
    const std::string target = in_ms(*load, "threshold_ms", 1);
    if (learnt == nullptr && target.empty()) continue;
    any = true;
    const json::object none;
    const json::object& of = learnt == nullptr ? none : *learnt;
    const std::string below = text_of(*load, "shed_below");
    table.add({text_of(*upstream, "name"), text_of(*load, "limit"), text_of(of, "lesson"),
               in_ms(of, "baseline_us", 0.001), in_ms(of, "latency_us", 0.001),
               in_ms(*load, "queue_delay_ms", 1), target,
               below.empty() || below == "-" ? "none" : "below " + below, shed_of(*load)});
  }
  return any ? "\n" + table.text(false, 0) : std::string();
}

// "3 opened, 2 proxy_refused".
std::string connections_of(const json::object& proxy) {
  const json::object* connections = object_of(proxy, "connections");
  std::string out;
  if (connections == nullptr) return out;
  for (const auto& entry : *connections) {
    const std::string result = safe({entry.key().data(), entry.key().size()});
    out += fmt::format("{}{} {}", out.empty() ? "" : ", ", text_of(*connections, result), result);
  }
  return out;
}

// Nothing where none has one.
std::string show_proxies(const json::array& upstreams) {
  Table table({"UPSTREAM", "PROXY", "CONNECTIONS"});
  bool any = false;
  for (const json::value& value : upstreams) {
    const json::object* upstream = value.if_object();
    const json::object* proxy = upstream == nullptr ? nullptr : object_of(*upstream, "proxy");
    if (proxy == nullptr) continue;
    any = true;
    table.add({text_of(*upstream, "name"), text_of(*proxy, "address"), connections_of(*proxy)});
  }
  return any ? "\n" + table.text(false, 0) : std::string();
}

}  // namespace

std::string show_upstreams(const json::object& answer, const ViewOptions& options) {
  const json::array* upstreams = list_of(answer, "upstreams");
  if (upstreams == nullptr || upstreams->empty()) return "no upstreams\n";
  Table table({"UPSTREAM", "BREAKER", "IN FLIGHT", "QUEUE", "HELD LOADED", "NEXT DUE", "ATTEMPTS",
               "RETRIES", "UNKNOWN", "DEAD", "PAUSED UNTIL"});
  for (const json::value& value : *upstreams) {
    const json::object* one = value.if_object();
    if (one == nullptr) continue;
    table.add({text_of(*one, "name"), text_of(*one, "breaker"), text_of(*one, "in_flight"),
               text_of(*one, "queue"), text_of(*one, "held_loaded"),
               when(*one, "next_due_at", options), text_of(*one, "attempts"),
               text_of(*one, "retries"), text_of(*one, "became_unknown"), text_of(*one, "died"),
               when(*one, "paused_until", options)});
  }
  return table.text(false, 0) + show_load(*upstreams) + show_proxies(*upstreams) +
         show_addresses(*upstreams, options);
}

}  // namespace hf::app
