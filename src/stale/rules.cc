#include "stale/rules.h"

#include <algorithm>
#include <array>

#include "base/quantity.h"
#include "call/parts.h"
#include "http1/hop.h"
#include "stale/directives.h"

namespace hf::stale {
namespace {

constexpr std::size_t kVaryMax = 32;

// What tells users apart where no field says so: applications that look at a session seldom say
// `private`, and seldom `Vary: Cookie`.
constexpr std::array<std::string_view, 4> kCredentials{"api-key", "authorization", "cookie",
                                                       "x-api-key"};

std::optional<WallTime> date_in(const Fields& fields, std::string_view name, WallTime now) {
  const Field* field = find_field(fields, name);
  if (field == nullptr || count_fields(fields, name) > 1) return std::nullopt;
  const auto read = parse_http_date(trim_blanks(field->value), now);
  return read.ok() ? std::optional(*read) : std::nullopt;
}

// Section 4.2.1. An Expires that cannot be read, or is there twice, is in the past (section 5.3).
Duration lifetime_of(const Fields& answer, const AnswerDirectives& says, WallTime at) {
  if (says.s_maxage) return *says.s_maxage;
  if (says.max_age) return *says.max_age;
  const auto expires = date_in(answer, "Expires", at);
  if (!expires) return {};
  return std::max(*expires - date_in(answer, "Date", at).value_or(at), Duration{});
}

// A list of entity tags, weak comparison (RFC 9110 section 8.8.3.2). A tag may hold a comma.
bool names_tag(const Fields& request, std::string_view tag) {
  const auto bare = [](std::string_view text) {
    if (text.starts_with("W/")) text.remove_prefix(2);
    return text;
  };
  for (const Field& field : request) {
    if (!same_name(field.name, "If-None-Match")) continue;
    std::string_view rest = trim_blanks(field.value);
    if (rest == "*") return true;
    while (!rest.empty()) {
      const auto open = rest.find('"');
      const auto close = open == std::string_view::npos ? open : rest.find('"', open + 1);
      if (close == std::string_view::npos) break;
      if (rest.substr(open, close - open + 1) == bare(tag)) return true;
      rest.remove_prefix(close + 1);
    }
  }
  return false;
}

}  // namespace

std::string_view to_string(NotKept why) {
  switch (why) {
    case NotKept::none:
      return "none";
    case NotKept::status:
      return "status";
    case NotKept::no_store:
      return "no-store";
    case NotKept::is_private:
      return "private";
    case NotKept::authorization:
      return "authorization";
    case NotKept::set_cookie:
      return "set-cookie";
    case NotKept::vary:
      return "vary";
    case NotKept::event_stream:
      return "event-stream";
    case NotKept::too_large:
      return "too-large";
    case NotKept::no_room:
      return "no-room";
    case NotKept::cut:
      return "cut";
    case NotKept::outdated:
      return "outdated";
    case NotKept::classified:
      return "classified";
  }
  return {};
}

std::string_view to_string(Missed why) {
  switch (why) {
    case Missed::none:
      return "none";
    case Missed::nothing_kept:
      return "nothing-kept";
    case Missed::too_old:
      return "too-old";
    case Missed::revalidate:
      return "must-revalidate";
    case Missed::client:
      return "no-cache";
    case Missed::precondition:
      return "precondition";
  }
  return {};
}

NotKept may_keep(const Fields& request, const call::AnswerHead& answer) {
  if (answer.status != 200) return NotKept::status;
  const AnswerDirectives says = read_answer_directives(answer.fields);
  if (says.no_store || says.no_cache) return NotKept::no_store;
  if (read_request_directives(request).no_store) return NotKept::no_store;
  if (says.is_private) return NotKept::is_private;
  const bool shared = says.is_public || says.s_maxage || says.must_revalidate;
  if (find_field(request, "Authorization") != nullptr && !shared) return NotKept::authorization;
  if (find_field(answer.fields, "Set-Cookie") != nullptr) return NotKept::set_cookie;
  const auto vary = list_elements(answer.fields, "Vary");
  if (vary.size() > kVaryMax || std::find(vary.begin(), vary.end(), "*") != vary.end()) {
    return NotKept::vary;
  }
  if (call::media_type(answer.fields) == "text/event-stream") return NotKept::event_stream;
  return NotKept::none;
}

std::vector<std::string> selecting_fields(const Fields& answer, const call::OwnerRule& owner) {
  std::vector<std::string> out;
  for (const std::string_view name : list_elements(answer, "Vary"))
    out.push_back(lower_ascii(name));
  // Packed for one reader is unreadable to another, whether or not it says so.
  if (find_field(answer, "Content-Encoding") != nullptr) out.emplace_back("accept-encoding");
  const AnswerDirectives says = read_answer_directives(answer);
  if (!says.is_public && !says.s_maxage) {
    out.insert(out.end(), kCredentials.begin(), kCredentials.end());
    if (owner.kind == call::OwnerRule::Kind::header) out.push_back(lower_ascii(owner.header));
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

std::string selected_by(const Fields& request, const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) {
    put_string(out, name);
    put_u32(out, static_cast<std::uint32_t>(count_fields(request, name)));
    for (const Field& field : request) {
      if (same_name(field.name, name)) put_string(out, trim_blanks(field.value));
    }
  }
  return out;
}

Terms terms_of(const Fields& answer, Duration delay, WallTime at) {
  const AnswerDirectives says = read_answer_directives(answer);
  Terms out;
  // In whole seconds, as Date is: what came at once is not a second old.
  const WallTime second{at.ms - at.ms % 1000};
  const Duration apparent =
      std::max(second - date_in(answer, "Date", at).value_or(second), Duration{});
  Duration told;
  if (const Field* age = find_field(answer, "Age")) {
    told = parse_delta_seconds(trim_blanks(age->value)).value_or(Duration{});
  }
  out.initial_age = std::max(apparent, told + std::max(delay, Duration{}));
  out.lifetime = lifetime_of(answer, says, at);
  // s-maxage means proxy-revalidate (section 5.2.2.10); an answer that says stale-if-error beside
  // it says how it wants to be understood (section 5.2.3).
  out.only_fresh =
      says.must_revalidate || says.proxy_revalidate || (says.s_maxage && !says.stale_if_error);
  out.stale_if_error = says.stale_if_error;
  return out;
}

Kept keep(call::AnswerHead answer, Body body, Instant asked, const Now& at) {
  Kept out;
  out.terms = terms_of(answer.fields, at.mono - asked, at.wall);
  out.fields = std::move(answer.fields);
  http1::drop_hop_by_hop(out.fields);
  http1::drop_holdfast_fields(out.fields);
  for (const std::string_view name : {"Content-Length", "Age", "Proxy-Authentication-Info"})
    remove_fields(out.fields, name);
  if (find_field(out.fields, "Date") == nullptr) {
    out.fields.push_back({"Date", format_http_date(at.wall)});  // RFC 9110 section 6.6.1
  }
  out.body = std::move(body);
  out.asked = asked;
  out.at = at.mono;
  return out;
}

Duration age_of(const Kept& kept, Instant now) {
  return kept.terms.initial_age + std::max(now - kept.at, Duration{});
}

Duration staleness_of(const Kept& kept, Instant now) {
  return age_of(kept, now) - kept.terms.lifetime;
}

Missed may_serve(const Kept& kept, const Fields& request, Duration most, Instant now) {
  const bool condition = find_field(request, "If-Match") != nullptr ||
                         find_field(request, "If-Unmodified-Since") != nullptr;
  if (condition) return Missed::precondition;
  const RequestDirectives asks = read_request_directives(request);
  if (asks.no_cache) return Missed::client;
  const Duration staleness = staleness_of(kept, now);
  if (staleness < Duration{}) return Missed::none;
  if (kept.terms.only_fresh) return Missed::revalidate;
  const Duration window = std::min(
      {most, kept.terms.stale_if_error.value_or(most), asks.stale_if_error.value_or(most)});
  return staleness <= window ? Missed::none : Missed::too_old;
}

bool not_modified(const Kept& kept, const Fields& request, WallTime now) {
  if (find_field(request, "If-None-Match") != nullptr) {
    const Field* tag = find_field(kept.fields, "ETag");
    return names_tag(request, tag == nullptr ? "" : trim_blanks(tag->value));
  }
  const auto since = date_in(request, "If-Modified-Since", now);
  const auto changed = date_in(kept.fields, "Last-Modified", now);
  return since && changed && *changed <= *since;
}

std::optional<Kept> confirmed(const Kept& kept, const Fields& answer, Instant asked,
                              const Now& at) {
  const auto same = [&](std::string_view name) {
    const Field* told = find_field(answer, name);
    const Field* ours = find_field(kept.fields, name);
    return told != nullptr && ours != nullptr &&
           trim_blanks(told->value) == trim_blanks(ours->value);
  };
  const bool tagged = find_field(answer, "ETag") != nullptr;
  if (!(tagged ? same("ETag") : same("Last-Modified"))) return std::nullopt;
  call::AnswerHead head{200, kept.fields};
  std::vector<std::string_view> told;
  for (const Field& field : answer) {
    // Of these the 304 tells its own, if any (section 3.2).
    const bool own =
        same_name(field.name, "Content-Encoding") || same_name(field.name, "Content-Type") ||
        same_name(field.name, "Content-Range") || same_name(field.name, "Content-Length");
    if (own) continue;
    const bool first = std::none_of(told.begin(), told.end(), [&](std::string_view name) {
      return same_name(name, field.name);
    });
    if (first) remove_fields(head.fields, field.name);
    told.push_back(field.name);
    head.fields.push_back(field);
  }
  if (find_field(answer, "Date") == nullptr) remove_fields(head.fields, "Date");
  return keep(std::move(head), kept.body, asked, at);
}

}  // namespace hf::stale
