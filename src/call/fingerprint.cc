#include "call/fingerprint.h"

#include <algorithm>

#include "base/bytes.h"
#include "call/parts.h"
#include "call/parts_json.h"
#include "call/routing.h"

namespace hf::call {
namespace {

// Raised when the rule changes: a fingerprint by another rule then matches nothing.
constexpr std::string_view kRule = "1";

struct Span {
  std::size_t begin = 0;
  std::size_t end = 0;
};

// A parameter of a media type (RFC 9110 section 8.3.1): where its value lies, quotes included.
struct Parameter {
  Span whole;  // from its semicolon
  std::string_view value;
};

std::optional<Parameter> boundary_of(std::string_view type) {
  std::size_t at = type.find(';');
  while (at < type.size()) {
    const std::size_t end = std::min(type.find(';', at + 1), type.size());
    const auto text = trim_blanks(type.substr(at + 1, end - at - 1));
    const auto equals = text.find('=');
    if (equals != std::string_view::npos && same_name(text.substr(0, equals), "boundary")) {
      auto value = text.substr(equals + 1);
      if (value.size() >= 2 && value.front() == '"' && value.back() == '"') {
        value = value.substr(1, value.size() - 2);
      }
      if (value.empty()) return std::nullopt;
      return Parameter{{at, end}, value};
    }
    at = end;
  }
  return std::nullopt;
}

// Each occurrence of the boundary behind "--" at the start of a line (RFC 2046 section 5.1.1).
void find_delimiters(std::string_view body, std::string_view boundary, std::vector<Span>& out) {
  const std::string delimiter = "--" + std::string(boundary);
  std::size_t at = body.find(delimiter);
  while (at != std::string_view::npos) {
    const std::size_t end = at + delimiter.size();
    const bool line_start = at == 0 || body[at - 1] == '\n';
    const bool whole =
        end == body.size() || std::string_view("\r\n- \t").find(body[end]) != body.npos;
    if (line_start && whole) out.push_back({at + 2, end});
    at = body.find(delimiter, end);
  }
}

// The content type as it counts: these two, one behind the other.
struct ContentType {
  std::string_view front;
  std::string_view back;
};

// Adds what of a multipart body does not count.
ContentType content_type(const IncomingHead& head, bool ignored, std::string_view body,
                         std::vector<Span>& left_out) {
  const Field* field = find_field(head.fields, "Content-Type");
  if (field == nullptr) return {};
  const std::string_view type = trim_blanks(field->value);
  if (!ignored) return {type, {}};
  if (!media_type(head.fields).starts_with("multipart/")) return {};
  const auto boundary = boundary_of(type);
  if (!boundary) return {type, {}};
  find_delimiters(body, boundary->value, left_out);
  return {type.substr(0, boundary->whole.begin), type.substr(boundary->whole.end)};
}

void leave_out(const Part& part, const IncomingHead& head, std::string_view body,
               std::vector<Span>& out) {
  if (part.kind == Part::Kind::body) {
    const JsonHit hit = find_json(body, part.name);
    if (hit.result == JsonFind::found) out.push_back({hit.begin, hit.end});
  }
  if (part.kind == Part::Kind::form &&
      media_type(head.fields) == "application/x-www-form-urlencoded") {
    for (const auto& pair : form_pairs(body)) {
      if (pair.name == part.name) out.push_back({pair.begin, pair.end});
    }
  }
}

// The body in pieces around what is left out, each with its length, so that no two bodies run
// together.
void put_body(std::string& bytes, std::string_view body, std::vector<Span> left_out) {
  std::sort(left_out.begin(), left_out.end(),
            [](const Span& a, const Span& b) { return a.begin < b.begin; });
  std::size_t at = 0;
  for (const auto& span : left_out) {
    if (span.end <= at) continue;  // inside one that is already out
    put_string(bytes, body.substr(at, std::max(span.begin, at) - at));
    at = span.end;
  }
  put_string(bytes, body.substr(at));
}

// The rule's own part: content type and what of the body is left out.
struct LeftOut {
  ContentType type;
  std::vector<Span> spans;
};

LeftOut left_out_of(const std::vector<Part>& ignore, const IncomingHead& head,
                    std::string_view body) {
  const bool type_ignored = std::any_of(ignore.begin(), ignore.end(), [](const Part& part) {
    return part.kind == Part::Kind::header && same_name(part.name, "Content-Type");
  });
  LeftOut out;
  out.type = content_type(head, type_ignored, body, out.spans);
  for (const auto& part : ignore)
    leave_out(part, head, body, out.spans);
  return out;
}

constexpr std::size_t kHeadRoom = 256;  // of most heads

void put_head(std::string& bytes, const IncomingHead& head, const ContentType& type,
              const std::vector<std::string>& scope) {
  put_string(bytes, head.method);
  put_string(bytes, path_of(head.target));
  put_string(bytes, query_of(head.target));
  put_u32(bytes, static_cast<std::uint32_t>(type.front.size() + type.back.size()));
  bytes.append(type.front).append(type.back);
  put_u32(bytes, static_cast<std::uint32_t>(scope.size()));
  for (const auto& value : scope)
    put_string(bytes, value);
}

}  // namespace

Digest fingerprint_of(const RouteSettings& route, const IncomingHead& head, std::string_view body,
                      const std::vector<std::string>& scope, const Hasher& hasher) {
  LeftOut out = left_out_of(route.fingerprint_ignore, head, body);
  std::string bytes;
  bytes.reserve(kHeadRoom + body.size());
  put_string(bytes, kRule);
  put_head(bytes, head, out.type, scope);
  put_body(bytes, body, std::move(out.spans));
  return hasher.digest("fingerprint", bytes);
}

Digest likeness_of(const RouteSettings& route, const IncomingHead& head, std::string_view body,
                   const std::vector<std::string>& scope, const Digest& owner,
                   const Digest& content, const Hasher& hasher) {
  std::vector<Part> ignore = route.fingerprint_ignore;
  ignore.insert(ignore.end(), route.suspect.ignore.begin(), route.suspect.ignore.end());
  LeftOut out = left_out_of(ignore, head, body);
  std::string bytes;
  bytes.reserve(kHeadRoom);
  put_string(bytes, kRule);
  put_string(bytes, route.path);
  bytes.append(owner.raw());
  put_head(bytes, head, out.type, scope);
  if (out.spans.empty()) {
    bytes.append(content.raw());  // the whole body, which has been hashed already
  } else {
    put_body(bytes, body, std::move(out.spans));
  }
  return hasher.digest("likeness", bytes);
}

}  // namespace hf::call
