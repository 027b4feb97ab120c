#include "load/requests.h"

#include <fmt/format.h>

#include <array>

#include "http1/chars.h"
#include "http1/head.h"
#include "http1/write.h"

namespace hf::load {
namespace {

// The load's own: a request frames itself by its body, and keeps its connection.
constexpr std::array<std::string_view, 6> kOwnFields{
    "host", "content-length", "transfer-encoding", "connection", "expect", "upgrade"};

}  // namespace

Result<PreparedRequest> prepare(const RequestSpec& spec, std::string_view authority) {
  if (spec.target.empty() || spec.target.front() != '/') {
    return fail(ErrorKind::invalid, "a path begins with /");
  }
  // The writer takes no excuses: what it checks is checked here, where it can be said.
  if (!http1::all_of(spec.target, http1::kTargetChar)) {
    return fail(ErrorKind::invalid,
                "a blank, a control character or one beyond ASCII in the path: "
                "write it percent-encoded");
  }
  if (!http1::is_token(spec.method)) return fail(ErrorKind::invalid, "the method is no word");
  http1::RequestHead head;
  head.method = spec.method;
  head.target = spec.target;
  head.fields.push_back({"Host", std::string(authority)});
  for (const Field& field : spec.headers) {
    for (const std::string_view own : kOwnFields) {
      if (own == "host" || !same_name(field.name, own)) continue;
      return fail(ErrorKind::invalid,
                  fmt::format("the field {} is written by the load itself", field.name));
    }
    if (!http1::is_token(field.name)) {
      return fail(ErrorKind::invalid, "the name of a field is no word");
    }
    if (!http1::all_of(field.value, http1::kValueChar)) {
      return fail(ErrorKind::invalid,
                  fmt::format("a line break or control character in the field {}", field.name));
    }
    if (same_name(field.name, "host")) {
      set_field(head.fields, "Host", std::string(trim_blanks(field.value)));
    } else {
      head.fields.push_back({field.name, std::string(trim_blanks(field.value))});
    }
  }
  const bool bare = spec.body.empty() && (spec.method == "GET" || spec.method == "HEAD");
  http1::BodyFraming framing;
  framing.kind = bare ? http1::BodyFraming::Kind::none : http1::BodyFraming::Kind::length;
  framing.length = spec.body.size();
  PreparedRequest out;
  out.method = spec.method;
  http1::write_request_head(out.bytes, head, framing);
  // What a strict reader takes is what every server should; the rest is said before a load begins.
  const auto read = http1::parse_request(out.bytes);
  if (read.refusal != http1::Refusal::none) {
    return fail(ErrorKind::invalid, std::string(http1::explain(read.refusal)));
  }
  out.bytes += spec.body;
  return out;
}

}  // namespace hf::load
