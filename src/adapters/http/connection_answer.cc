// Answers: heads, bodies, and what becomes of the connection after them.
#include <fmt/format.h>

#include <array>
#include <boost/asio/post.hpp>
#include <iterator>
#include <string_view>
#include <utility>

#include "adapters/http/connection.h"
#include "adapters/http/server_core.h"
#include "base/check.h"
#include "base/content_length.h"
#include "http1/hop.h"
#include "http1/write.h"

namespace hf::adapters {
namespace {

using boost::system::error_code;
using Kind = http1::BodyFraming::Kind;

// Bodies up to this are copied behind their head: cheaper than a second stretch of memory, and with
// TLS one record instead of two.
constexpr std::size_t kJoinPlain = 2 * 1024;
constexpr std::size_t kHeadRoom = 512;  // of most heads
constexpr std::size_t kJoinTls = 16 * 1024;

constexpr std::array<std::string_view, 600> make_reasons() {
  std::array<std::string_view, 600> out{};
  out[200] = "OK";
  out[201] = "Created";
  out[202] = "Accepted";
  out[204] = "No Content";
  out[206] = "Partial Content";
  out[301] = "Moved Permanently";
  out[302] = "Found";
  out[303] = "See Other";
  out[304] = "Not Modified";
  out[307] = "Temporary Redirect";
  out[308] = "Permanent Redirect";
  out[400] = "Bad Request";
  out[401] = "Unauthorized";
  out[402] = "Payment Required";
  out[403] = "Forbidden";
  out[404] = "Not Found";
  out[405] = "Method Not Allowed";
  out[408] = "Request Timeout";
  out[409] = "Conflict";
  out[410] = "Gone";
  out[413] = "Content Too Large";
  out[415] = "Unsupported Media Type";
  out[417] = "Expectation Failed";
  out[422] = "Unprocessable Content";
  out[425] = "Too Early";
  out[429] = "Too Many Requests";
  out[431] = "Request Header Fields Too Large";
  out[500] = "Internal Server Error";
  out[501] = "Not Implemented";
  out[502] = "Bad Gateway";
  out[503] = "Service Unavailable";
  out[504] = "Gateway Timeout";
  out[508] = "Loop Detected";
  return out;
}
// Empty where we know none: the phrase is optional (RFC 9112 section 4).
constexpr auto kReasons = make_reasons();

bool bodiless(int status) {
  return status == 204 || status == 304;
}

}  // namespace

// Consumes the fields; exchange_->close has been decided.
std::string Connection::answer_head(int status, Fields fields, http1::BodyFraming framing,
                                    std::size_t room) {
  HF_CHECK(status >= 200 && status <= 599);
  http1::drop_hop_by_hop(fields);
  if (exchange_->stay) core_->door()->on_answer(*exchange_->stay, status, fields);
  if (find_field(fields, "date") == nullptr) fields.push_back({"Date", core_->date()});
  if (exchange_->close) {
    fields.push_back({"Connection", "close"});
  } else if (exchange_->old_version) {
    fields.push_back({"Connection", "keep-alive"});
  }
  http1::ResponseHead head;
  head.status = status;
  head.reason = kReasons[static_cast<std::size_t>(status)];
  head.fields = std::move(fields);
  std::string out;
  out.reserve(kHeadRoom + room);
  http1::write_response_head(out, head, framing);
  return out;
}

void Connection::reply(call::Reply reply) {
  answer(std::move(reply));
}

void Connection::answer(call::Reply reply) {
  auto& exchange = *exchange_;
  const bool refusal = reply.status == 429 || reply.status == 503;
  if (refusal && exchange.client && reply.problem) {
    core_->busiest().refused(*exchange.client, ServerCore::now());
  }
  exchange_id_ = ExchangeId{};
  enter(Phase::answering);
  exchange.close = exchange.close || reply.close || !exchange.keep_alive || core_->draining() ||
                   !body_skippable();
  http1::BodyFraming framing;
  const std::string_view body = view(reply.body);
  // The answer to a HEAD tells the length of the body that a GET would bring, where it is known.
  const bool told = exchange.head_method && find_field(reply.fields, "content-length") != nullptr;
  const bool untold = exchange.head_method && !reply.body;
  if (!bodiless(reply.status) && !told && !untold) framing = {Kind::length, body.size()};
  const bool with_body = framing.kind == Kind::length && !exchange.head_method;
  const bool joined = with_body && body.size() <= (socket_.tls() ? kJoinTls : kJoinPlain);
  Outgoing out;
  out.prefix =
      answer_head(reply.status, std::move(reply.fields), framing, joined ? body.size() : 0);
  if (with_body) {
    if (joined) {
      out.prefix.append(body);
    } else {
      out.body = std::move(reply.body);
    }
  }
  out.after = After::answer_done;
  exchange.finished = true;
  enqueue(std::move(out));
}

std::shared_ptr<ports::AnswerSink> Connection::begin(call::AnswerHead head) {
  auto& exchange = *exchange_;
  HF_CHECK_MSG(!exchange.begun, "one begin() an exchange");
  exchange.begun = true;
  enter(Phase::answering);
  const auto length = content_length(head.fields);
  exchange.close = !exchange.keep_alive || core_->draining();
  if (exchange.head_method || bodiless(head.status)) {
    exchange.answer = {};
  } else if (length) {
    exchange.answer = {Kind::length, *length};
  } else if (exchange.old_version) {
    exchange.answer = {Kind::until_close, 0};
    exchange.close = true;
  } else {
    exchange.answer = {Kind::chunked, 0};
  }
  exchange.answer_left = exchange.answer.length;
  std::string bytes = answer_head(head.status, std::move(head.fields), exchange.answer, 0);
  const bool head_only = exchange.answer.kind == Kind::none ||
                         (exchange.answer.kind == Kind::length && exchange.answer.length == 0);
  if (head_only) {
    exchange.held = std::move(bytes);
  } else {
    // Goes with the first bytes when they come at once, else by itself.
    pending_head_ = std::move(bytes);
    boost::asio::post(socket_.tcp().get_executor(),
                      [self = shared_from_this()] { self->flush_head(); });
  }
  exchange.pipe = std::make_shared<AnswerPipe>(*this);
  return exchange.pipe;
}

void Connection::flush_head() {
  if (phase_ == Phase::closed || pending_head_.empty()) return;
  Outgoing out;
  out.prefix = std::exchange(pending_head_, {});
  enqueue(std::move(out));
}

void Connection::write_piece(std::string bytes, std::function<void(bool)> ready) {
  const auto self = shared_from_this();
  auto& exchange = *exchange_;
  if (bytes.empty() || exchange.answer.kind == Kind::none) return ready(true);
  Outgoing out;
  out.prefix = std::exchange(pending_head_, {});
  if (exchange.answer.kind == Kind::chunked) {
    fmt::format_to(std::back_inserter(out.prefix), "{:x}\r\n", bytes.size());
    out.suffix = "\r\n";
  } else if (exchange.answer.kind == Kind::length) {
    if (bytes.size() > exchange.answer_left) {
      // More than was declared: the client would read it as the next answer.
      ready(false);
      return close();
    }
    exchange.answer_left -= bytes.size();
    if (exchange.answer_left == 0) {
      exchange.held.assign(1, bytes.back());
      bytes.pop_back();
    }
  }
  out.piece = std::move(bytes);
  out.after = After::ready;
  out.ready = std::move(ready);
  enqueue(std::move(out));
}

void Connection::finish(bool complete) {
  const auto self = shared_from_this();
  auto& exchange = *exchange_;
  HF_CHECK_MSG(exchange.begun, "finish() without begin()");
  exchange_id_ = ExchangeId{};
  exchange.pipe->detach();
  if (!complete || exchange.answer_left > 0) return cut_answer();
  exchange.finished = true;
  Outgoing out;
  out.prefix = std::exchange(pending_head_, {});
  if (exchange.answer.kind == Kind::chunked) {
    http1::write_last_chunk(out.prefix);
  } else {
    out.prefix.append(std::exchange(exchange.held, {}));
  }
  out.after = After::answer_done;
  enqueue(std::move(out));
}

// What was handed over still goes out; then the connection ends where a complete answer would not.
void Connection::cut_answer() {
  exchange_->finished = true;
  ++core_->counters().cut_answers;
  if (exchange_->answer.kind == Kind::until_close) {
    // A FIN would say "complete": only a reset tells the truth.
    error_code ignored;
    socket_.tcp().set_option(boost::asio::socket_base::linger(true, 0), ignored);
    return close();
  }
  Outgoing out;
  out.prefix = std::exchange(pending_head_, {});
  out.after = After::cut;
  enqueue(std::move(out));
}

void Connection::enqueue(Outgoing out) {
  waiting_.push_back(std::move(out));
  pump();
}

void Connection::pump() {
  while (!writing_ && !waiting_.empty()) {
    current_ = std::move(waiting_.front());
    waiting_.erase(waiting_.begin());
    if (current_.size() > 0) return write_current();
    settle(std::exchange(current_, {}));
    if (phase_ == Phase::closed) return;
  }
}

void Connection::write_current() {
  std::array<boost::asio::const_buffer, 3> buffers{boost::asio::buffer(current_.prefix),
                                                   boost::asio::buffer(current_.middle()),
                                                   boost::asio::buffer(current_.suffix)};
  std::size_t skip = current_.sent;
  for (auto& buffer : buffers) {
    const std::size_t part = std::min(skip, buffer.size());
    buffer += part;
    skip -= part;
  }
  writing_ = true;
  write_since_ = ServerCore::lately();
  socket_.async_write_some(buffers,
                           [self = shared_from_this()](const error_code& ec, std::size_t count) {
                             self->on_written(ec, count);
                           });
}

void Connection::on_written(const error_code& ec, std::size_t count) {
  writing_ = false;
  if (phase_ == Phase::closed) return;
  if (ec) return close();
  current_.sent += count;
  if (current_.sent < current_.size()) return write_current();
  settle(std::exchange(current_, {}));
  if (phase_ != Phase::closed) pump();
}

// A write is done. May call out, and close.
void Connection::settle(Outgoing out) {
  switch (out.after) {
    case After::nothing:
      return;
    case After::ready:
      return out.ready(true);
    case After::answer_done:
      return answer_done();
    case After::cut:
      return linger(false);
  }
}

void Connection::answer_done() {
  ++core_->counters().answers;
  auto& exchange = *exchange_;
  stream_wanted_ = false;
  if (const auto source = std::exchange(exchange.source, nullptr)) {
    if (auto deliver = source->detach()) deliver(ports::BodySource::What::aborted, {});
    if (phase_ == Phase::closed) return;
  }
  // After begin() the body may have stayed unread although the answer promised another request.
  if (exchange.close || !body_skippable()) return linger(true);
  if (body_done()) return next_request();
  enter(Phase::discarding);
  discard_body();
}

}  // namespace hf::adapters
