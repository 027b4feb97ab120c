#include "call/lookup.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/fields.h"
#include "base/planted.h"
#include "call/parts.h"
#include "call/parts_json.h"
#include "call/routing.h"

namespace hf::call {
namespace {

// The template in pieces: plain text, or the inside of a placeholder.
struct Piece {
  std::string_view text;
  bool placeholder = false;
};

// Nothing when a brace has no partner.
std::optional<std::vector<Piece>> pieces_of(std::string_view get) {
  std::vector<Piece> out;
  while (!get.empty()) {
    const auto open = get.find_first_of("{}");
    if (open != 0) out.push_back({get.substr(0, open), false});
    if (open == std::string_view::npos) break;
    const auto close = get.find('}', open);
    if (get[open] == '}' || close == std::string_view::npos) return std::nullopt;
    out.push_back({get.substr(open + 1, close - open - 1), true});
    get.remove_prefix(close + 1);
  }
  return out;
}

bool known_placeholder(std::string_view name) {
  if (name == "key" || name == "path") return true;
  if (name.starts_with("body:/")) return true;
  return name.starts_with("form:") && name.size() > 5;
}

bool unreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_' || c == '~';
}

std::string encoded(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (unreserved(c)) {
      out.push_back(c);
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

std::string_view base_of(const UpstreamSettings& upstream) {
  return upstream.urls.empty() ? std::string_view() : std::string_view(upstream.urls[0].base_path);
}

std::optional<std::string> value_of(std::string_view name, const UpstreamSettings& upstream,
                                    const Request& request, const std::optional<KeyUse>& key) {
  if (name == "key") {
    if (!key || key->value.empty()) return std::nullopt;
    return encoded(parse_key(key->value).value_or(key->value));
  }
  if (name == "path") {
    std::string_view path = path_of(request.target);
    if (path.starts_with(base_of(upstream))) path.remove_prefix(base_of(upstream).size());
    return std::string(path);
  }
  Part part;
  part.kind = name.starts_with("body:") ? Part::Kind::body : Part::Kind::form;
  part.name = std::string(name.substr(5));
  const PartValue value = read_part(part, request.fields, view(request.body));
  if (value.kind != PartValue::Kind::found) return std::nullopt;
  return encoded(value.text);
}

// The parent of a pointer whose last part is an array's index; nothing for any other pointer.
std::optional<std::string_view> collection_of(std::string_view pointer) {
  const auto slash = pointer.rfind('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto last = pointer.substr(slash + 1);
  const bool index = !last.empty() && std::all_of(last.begin(), last.end(),
                                                  [](char c) { return c >= '0' && c <= '9'; });
  if (!index) return std::nullopt;
  return pointer.substr(0, slash);
}

std::string_view slice(std::string_view text, const JsonHit& hit) {
  return text.substr(hit.begin, hit.end - hit.begin);
}

// Elements of a JSON array that is known to be well formed, counted up to `most`.
std::size_t count_elements(std::string_view array, std::size_t most) {
  std::size_t count = 0;
  while (count < most && find_json(array, fmt::format("/{}", count)).result == JsonFind::found)
    count += 1;
  return count;
}

bool condition_holds(const Where& where, std::string_view object) {
  const JsonHit hit = find_json(object, where.pointer);
  if (hit.result != JsonFind::found) return false;
  const auto text = json_scalar_text(slice(object, hit));
  if (!text) return false;
  return std::find(where.values.begin(), where.values.end(), *text) != where.values.end();
}

LookupVerdict judge_body(const Lookup& lookup, std::string_view body) {
  LookupVerdict out;
  if (find_json(body, "").result != JsonFind::found) {
    out.detail = "the answer is not JSON";
    return out;
  }
  std::string of_how_many;
  if (const auto parent = collection_of(lookup.found)) {
    const JsonHit collection = find_json(body, *parent);
    const auto array = collection.result == JsonFind::found ? slice(body, collection) : "";
    if (array.empty() || array.front() != '[') {
      out.detail = "the collection is not in the answer";
      return out;
    }
    constexpr std::size_t kCountMax = 20;
    const std::size_t count = count_elements(array, kCountMax);
    if (count == 0) {
      out.looked = Looked::absent;
      out.detail = "the collection is empty";
      return out;
    }
    of_how_many = fmt::format(", {} in the collection", count);
  }
  const JsonHit object = find_json(body, lookup.found);
  if (object.result != JsonFind::found) {
    out.detail = "what should be found is not in the answer";
    return out;
  }
  const std::string_view found = slice(body, object);
  const bool holds = std::all_of(lookup.where.begin(), lookup.where.end(),
                                 [&](const Where& where) { return condition_holds(where, found); });
  out.looked = holds ? Looked::found : Looked::present;
  out.detail = (holds ? "found" : "found, but the condition does not hold") + of_how_many;
  if (!holds || !lookup.answer) return out;
  const JsonHit answer = find_json(body, *lookup.answer);
  out.answer_missing = answer.result != JsonFind::found;
  if (!out.answer_missing) out.answer = make_body(std::string(slice(body, answer)));
  return out;
}

}  // namespace

std::optional<std::string> lookup_fault(std::string_view get) {
  if (!get.starts_with('/')) return "a lookup's target begins with a slash";
  if (get.size() > kLookupTargetMax) return "a lookup's target this long is refused";
  for (const char c : get) {
    if (c <= ' ' || c > '~' || c == '#') return "a target has visible ASCII characters and no #";
  }
  const auto pieces = pieces_of(get);
  if (!pieces) return "a brace without its partner";
  for (const Piece& piece : *pieces) {
    if (piece.placeholder && !known_placeholder(piece.text)) {
      return fmt::format("{{{}}} is no placeholder", piece.text);
    }
  }
  return std::nullopt;
}

bool lookup_uses(std::string_view get, std::string_view placeholder) {
  return get.find(fmt::format("{{{}}}", placeholder)) != std::string_view::npos;
}

std::optional<std::string> lookup_target(const Lookup& lookup, const UpstreamSettings& upstream,
                                         const Request& request, const std::optional<KeyUse>& key) {
  const auto pieces = pieces_of(lookup.get);
  if (!pieces) return std::nullopt;
  std::string out;
  for (const Piece& piece : *pieces) {
    if (!piece.placeholder) {
      out += piece.text;
      continue;
    }
    const auto value = value_of(piece.text, upstream, request, key);
    if (!value) return std::nullopt;
    out += *value;
  }
  if (out.size() > kLookupTargetMax) return std::nullopt;
  return out;
}

Request lookup_request(const UpstreamSettings& upstream, const Request& request,
                       std::string target) {
  constexpr std::array<std::string_view, 5> kLeftOut{"Prefer", "Range", "Accept", "Digest",
                                                     "Priority"};
  Request out;
  out.method = "GET";
  out.target = std::string(base_of(upstream)) + std::move(target);
  for (const Field& field : request.fields) {
    const std::string name = lower_ascii(field.name);
    const bool left_out =
        name.starts_with("content-") || name.starts_with("if-") ||
        same_name(field.name, upstream.idempotency.header) ||
        std::any_of(kLeftOut.begin(), kLeftOut.end(),
                    [&](std::string_view other) { return same_name(field.name, other); });
    // An encoded answer would be bytes that cannot be read.
    if (!left_out && !same_name(field.name, "Accept-Encoding")) out.fields.push_back(field);
  }
  out.fields.push_back({"Accept", "application/json"});
  return out;
}

LookupVerdict judge_lookup(const Lookup& lookup, const AttemptOutcome& outcome) {
  LookupVerdict out;
  if (outcome.evidence != Evidence::answer_complete) {
    out.detail = outcome.evidence == Evidence::answer_begun ? "the answer was cut" : "no answer";
    return out;
  }
  const int status = outcome.head.status;
  const auto& absent = lookup.absent_status;
  if (std::find(absent.begin(), absent.end(), status) != absent.end()) {
    out.looked = Looked::absent;
    out.detail = fmt::format("status {}", status);
    return out;
  }
  if ((status < 200 || status >= 300) && !HF_BUG("believe-an-error-page")) {
    out.detail = fmt::format("status {}", status);
    return out;
  }
  const Field* encoding = find_field(outcome.head.fields, "Content-Encoding");
  if (encoding != nullptr && !same_name(trim_blanks(encoding->value), "identity")) {
    out.detail = "the answer is encoded";
    return out;
  }
  return judge_body(lookup, view(outcome.body));
}

std::string_view to_string(Looked looked) {
  switch (looked) {
    case Looked::found:
      return "found";
    case Looked::absent:
      return "absent";
    case Looked::present:
      return "present";
    case Looked::unclear:
      return "unclear";
  }
  return "?";
}

}  // namespace hf::call
