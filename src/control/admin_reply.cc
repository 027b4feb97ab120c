#include "control/admin_reply.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/bytes.h"
#include "call/reply_json.h"
#include "control/json.h"

namespace hf::control {

using ports::ControlReply;

ControlReply problem(int status, std::string_view code, std::string_view title,
                     std::string_view detail) {
  ControlReply out;
  out.status = status;
  out.content_type = "application/problem+json";
  out.body = call::JsonObject()
                 .text("type", fmt::format("urn:holdfast:admin:{}", code))
                 .text("title", title)
                 .number("status", status)
                 .text("detail", detail)
                 .done();
  return out;
}

ControlReply bad_request(std::string_view detail) {
  return problem(400, "bad-request", "The request cannot be understood", detail);
}

ControlReply journal_unavailable(const std::string& why) {
  return problem(503, "journal-unavailable", "The journal cannot be read", why);
}

ControlReply json(std::string body) {
  return {200, "application/json", std::move(body), {}};
}

std::optional<std::string> percent_decoded(std::string_view text, bool plus_is_blank) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      auto byte = from_hex(text.substr(i + 1, 2));
      if (!byte.ok() || byte->size() != 1) return {};
      out += *byte;
      i += 2;
    } else {
      out += text[i] == '+' && plus_is_blank ? ' ' : text[i];
    }
  }
  return out;
}

std::string percent_encoded(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || c == '.' || c == '~';
    out += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

Result<std::vector<std::pair<std::string, std::string>>> query_pairs(std::string_view text) {
  std::vector<std::pair<std::string, std::string>> out;
  while (!text.empty()) {
    const std::string_view pair = text.substr(0, text.find('&'));
    text.remove_prefix(std::min(text.size(), pair.size() + 1));
    if (pair.empty()) continue;
    const auto equals = std::min(pair.find('='), pair.size());
    auto name = percent_decoded(pair.substr(0, equals), true);
    auto value = percent_decoded(pair.substr(std::min(equals + 1, pair.size())), true);
    if (!name || !value) return fail(ErrorKind::invalid, "the query is not well encoded");
    out.emplace_back(std::move(*name), std::move(*value));
  }
  return out;
}

Result<std::string> read_reason(const JsonMembers& body) {
  HF_TRY(auto reason, body.text("reason"));
  if (reason.size() > kReasonMax) {
    return fail(ErrorKind::invalid,
                fmt::format("\"reason\" may have at most {} bytes", kReasonMax));
  }
  for (const char c : reason) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      return fail(ErrorKind::invalid, "\"reason\" must be one line of text");
    }
  }
  return reason;
}

ports::ControlReply wrong_method(std::string_view allow) {
  auto out = problem(405, "wrong-method", "This method is not for this path",
                     fmt::format("use {}", allow));
  out.fields = {{"Allow", std::string(allow)}};
  return out;
}

}  // namespace hf::control
