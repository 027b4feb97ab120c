#include "http1/write.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <iterator>

#include "base/check.h"
#include "http1/chars.h"
#include "http1/field_lines.h"
#include "http1/target.h"

namespace hf::http1 {
namespace {

bool is_framing_field(std::string_view name) {
  return same_name(name, "content-length") || same_name(name, "transfer-encoding");
}

void write_field(std::string& out, std::string_view name, std::string_view value) {
  HF_CHECK_MSG(is_token(name), "field name");
  HF_CHECK_MSG(all_of(value, kValueChar), "field value");
  out.append(name).append(": ").append(value).append("\r\n");
}

void write_framing(std::string& out, BodyFraming framing) {
  if (framing.kind == BodyFraming::Kind::length) {
    std::array<char, 20> digits;  // of 64 bits
    const auto end = std::to_chars(digits.begin(), digits.end(), framing.length).ptr;
    out.append("Content-Length: ").append(digits.begin(), end).append("\r\n");
  } else if (framing.kind == BodyFraming::Kind::chunked) {
    out.append("Transfer-Encoding: chunked\r\n");
  }
}

// `length_only`: with Kind::none, the first well-formed Content-Length may stay.
void write_fields(std::string& out, const Fields& fields, BodyFraming framing, bool length_only) {
  bool framed = false;
  for (const auto& field : fields) {
    if (!is_framing_field(field.name)) {
      write_field(out, field.name, field.value);
    } else if (framing.kind == BodyFraming::Kind::none) {
      const bool keep = length_only && !framed && same_name(field.name, "content-length") &&
                        parse_content_length(field.value).has_value();
      if (!keep) continue;
      write_field(out, field.name, field.value);
      framed = true;
    } else if (!framed) {
      write_framing(out, framing);
      framed = true;
    }
  }
  if (!framed) write_framing(out, framing);
  out.append("\r\n");
}

std::size_t estimate(const Fields& fields) {
  std::size_t size = 64;  // start line but for its own strings, framing field, empty line
  for (const auto& field : fields)
    size += field.name.size() + field.value.size() + 4;
  return size;
}

}  // namespace

void write_request_head(std::string& out, const RequestHead& head, BodyFraming framing) {
  HF_CHECK(framing.kind != BodyFraming::Kind::until_close);
  HF_CHECK_MSG(is_token(head.method), "method");
  HF_CHECK_MSG(is_wire_target(head.target), "target");
  out.reserve(out.size() + head.method.size() + head.target.size() + estimate(head.fields));
  out.append(head.method).append(" ").append(head.target).append(" HTTP/1.1\r\n");
  write_fields(out, head.fields, framing, false);
}

void write_response_head(std::string& out, const ResponseHead& head, BodyFraming framing) {
  HF_CHECK(head.status >= 100 && head.status <= 599);
  HF_CHECK_MSG(all_of(head.reason, kValueChar), "reason");
  const bool bodiless = head.status < 200 || head.status == 204;
  HF_CHECK(framing.kind == BodyFraming::Kind::none || (!bodiless && head.status != 304));
  out.reserve(out.size() + head.reason.size() + estimate(head.fields));
  const std::array<char, 3> digits{static_cast<char>('0' + head.status / 100),
                                   static_cast<char>('0' + head.status / 10 % 10),
                                   static_cast<char>('0' + head.status % 10)};
  out.append("HTTP/1.1 ").append(digits.data(), digits.size()).append(" ");
  out.append(head.reason).append("\r\n");
  write_fields(out, head.fields, framing, !bodiless);
}

void write_chunk(std::string& out, std::string_view data) {
  if (data.empty()) return;
  out.reserve(out.size() + data.size() + 20);  // 16 digits and two line ends
  fmt::format_to(std::back_inserter(out), "{:x}\r\n", data.size());
  out.append(data).append("\r\n");
}

void write_last_chunk(std::string& out) {
  out.append("0\r\n\r\n");
}

}  // namespace hf::http1
