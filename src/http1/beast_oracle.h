// For tests and fuzzing only: what Boost.Beast's parser makes of the same bytes. A second reader,
// written by others, that ours must never disagree with on a message ours accepts.
#pragma once

#include <boost/beast/http/basic_parser.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/fields.h"
#include "http1/body.h"
#include "http1/head.h"

namespace hf::http1::oracle {

struct BeastReading {
  std::string error;  // empty when the whole message was taken
  bool header_done = false;
  bool done = false;
  std::size_t consumed = 0;
  std::string method;
  std::string target;
  int status = 0;
  std::string reason;
  int version = 0;  // 10 or 11
  Fields fields;    // through the end of the head; trailers are left out
  bool chunked = false;
  bool need_eof = false;
  bool keep_alive = false;
  std::optional<std::uint64_t> length;
  std::string body;
};

namespace detail {
namespace http = boost::beast::http;

template <bool kIsRequest>
class Reader final : public http::basic_parser<kIsRequest> {
 public:
  using Code = boost::beast::error_code;
  using View = boost::beast::string_view;

  BeastReading read(std::string_view bytes, bool no_body) {
    this->header_limit(1 << 20);
    this->body_limit(boost::none);
    this->eager(true);
    if constexpr (!kIsRequest) {
      this->skip(no_body);
    }
    Code code;
    while (!this->is_done() && out_.consumed < bytes.size()) {
      const auto rest = bytes.substr(out_.consumed);
      const auto taken = this->put(boost::asio::const_buffer(rest.data(), rest.size()), code);
      out_.consumed += taken;
      if (code || taken == 0) break;
    }
    // More input would be welcome: the same as reaching the end of ours.
    if (code && code != http::error::need_more) out_.error = code.message();
    out_.done = this->is_done();
    if (this->is_header_done()) {
      out_.header_done = true;
      out_.chunked = this->chunked();
      out_.need_eof = this->need_eof();
      out_.keep_alive = this->keep_alive();
      if (const auto length = this->content_length()) out_.length = *length;
    }
    return std::move(out_);
  }

 private:
  static std::string text(View view) { return {view.data(), view.size()}; }

  void on_request_impl(http::verb, View method, View target, int version, Code&) override {
    out_.method = text(method);
    out_.target = text(target);
    out_.version = version;
  }
  void on_response_impl(int code, View reason, int version, Code&) override {
    out_.status = code;
    out_.reason = text(reason);
    out_.version = version;
  }
  void on_field_impl(http::field, View name, View value, Code&) override {
    if (!in_body_) out_.fields.push_back({text(name), text(value)});
  }
  void on_header_impl(Code&) override { in_body_ = true; }
  void on_body_init_impl(const boost::optional<std::uint64_t>&, Code&) override {}
  std::size_t on_body_impl(View body, Code&) override {
    out_.body += text(body);
    return body.size();
  }
  void on_chunk_header_impl(std::uint64_t, View, Code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, View body, Code&) override {
    out_.body += text(body);
    return body.size();
  }
  void on_finish_impl(Code&) override {}

  BeastReading out_;
  bool in_body_ = false;
};
}  // namespace detail

inline BeastReading read_request(std::string_view bytes) {
  return detail::Reader<true>().read(bytes, false);
}
inline BeastReading read_response(std::string_view bytes, bool no_body) {
  return detail::Reader<false>().read(bytes, no_body);
}

// In what the two readers of a request head differ, or empty. For heads that ours accepts.
inline std::string difference(std::string_view head_bytes, const ParsedRequest& ours) {
  // Beast takes no empty line before the request line; RFC 9112 section 2.2 asks for it.
  if (head_bytes.starts_with("\r\n")) head_bytes.remove_prefix(2);
  const auto theirs = read_request(head_bytes);
  if (!theirs.error.empty() || !theirs.header_done) return "refused: " + theirs.error;
  if (theirs.method != ours.head.method) return "method";
  // An absolute-form target was brought to origin-form by us alone.
  const bool same_target = theirs.target == ours.head.target || !theirs.target.starts_with('/');
  if (!same_target) return "target";
  if (theirs.version != 10 + ours.head.minor) return "version";
  if (theirs.fields != ours.head.fields) return "fields";
  if (theirs.chunked != (ours.framing.kind == BodyFraming::Kind::chunked)) return "chunked";
  const bool has_length = ours.framing.kind == BodyFraming::Kind::length;
  if (theirs.length.has_value() != has_length) return "length there or not";
  if (has_length && *theirs.length != ours.framing.length) return "length";
  if (ours.keep_alive && !theirs.keep_alive) return "keep-alive";
  return {};
}

inline std::string difference(std::string_view head_bytes, const ParsedResponse& ours,
                              std::string_view request_method) {
  const auto theirs = read_response(head_bytes, request_method == "HEAD");
  if (!theirs.error.empty() || !theirs.header_done) return "refused: " + theirs.error;
  if (theirs.status != ours.head.status) return "status";
  if (theirs.reason != ours.head.reason) return "reason";
  if (theirs.version != 10 + ours.head.minor) return "version";
  if (theirs.fields != ours.head.fields) return "fields";
  if (ours.keep_alive && !theirs.keep_alive) return "keep-alive";
  switch (ours.framing.kind) {
    case BodyFraming::Kind::none:
      return theirs.done ? "" : "body where ours sees none";
    case BodyFraming::Kind::length:
      return theirs.length == ours.framing.length && !theirs.chunked ? "" : "length";
    case BodyFraming::Kind::chunked:
      return theirs.chunked ? "" : "chunked";
    case BodyFraming::Kind::until_close:
      return theirs.need_eof && !theirs.chunked && !theirs.length ? "" : "until close";
  }
  return "framing kind";
}

// The whole of a chunked body, decoded from pieces of `step` bytes.
struct Decoded {
  std::string data;
  std::size_t consumed = 0;
  bool done = false;
  Refusal refusal = Refusal::none;
  bool operator==(const Decoded&) const = default;
};

inline Decoded decode(std::string_view bytes, BodyFraming framing, std::size_t step,
                      BodyLimits limits = {}) {
  BodyDecoder decoder(framing, limits);
  Decoded out;
  while (!out.done && out.refusal == Refusal::none && out.consumed < bytes.size()) {
    const auto taken = decoder.next(bytes.substr(out.consumed, step));
    out.consumed += taken.consumed;
    out.data += taken.data;
    out.done = taken.done;
    out.refusal = taken.refusal;
  }
  return out;
}

// The same for a chunked body that ours takes to its end.
inline std::string difference(std::string_view body, const Decoded& ours) {
  const std::string head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  const auto theirs = read_request(head + std::string(body));
  if (!theirs.error.empty() || !theirs.done) return "refused: " + theirs.error;
  if (theirs.consumed != head.size() + ours.consumed) return "size";
  if (theirs.body != ours.data) return "data";
  return {};
}

}  // namespace hf::http1::oracle
