// Requests: from bytes to a verdict of the intake, and the bodies.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "adapters/http/connection.h"
#include "adapters/http/server_core.h"
#include "base/check.h"
#include "call/client_address.h"

namespace hf::adapters {
namespace {

using http1::BodyFraming;
using http1::Refusal;

constexpr std::size_t kFirstRead = 4 * 1024;
constexpr std::size_t kBodyRead = 16 * 1024;
constexpr std::size_t kPieceMax = 64 * 1024;   // of a streamed body
constexpr std::uint64_t kSkipMax = 64 * 1024;  // of an unread body, to keep the connection
constexpr Duration kBusyRetry = Duration::seconds(1);

call::Code code_of(Refusal refusal) {
  switch (refusal) {
    case Refusal::head_too_large:
      return call::Code::head_too_large;
    case Refusal::body_too_large:
      return call::Code::body_too_large;
    case Refusal::bad_expectation:
      return call::Code::expectation_failed;
    case Refusal::unsupported_version:
    case Refusal::unsupported_method:
      return call::Code::not_supported;
    default:
      return call::Code::bad_request;
  }
}

call::IncomingHead incoming(http1::RequestHead head, const BodyFraming& framing,
                            const Connection::Peer& peer) {
  call::IncomingHead out;
  out.method = std::move(head.method);
  out.target = std::move(head.target);
  out.fields = std::move(head.fields);
  out.client_address = peer.address;
  out.listener = peer.listener;
  out.tls = peer.tls;
  out.has_body = framing.kind != BodyFraming::Kind::none;
  if (framing.kind == BodyFraming::Kind::length) out.length = framing.length;
  return out;
}

}  // namespace

void Connection::next_request() {
  exchange_.reset();
  scanner_.reset();
  if (watching_) {
    // With that wait outstanding the reactor would pay a system call more for every read.
    boost::system::error_code ignored;
    socket_.tcp().cancel(ignored);
  }
  if (body_.capacity() > kBodyRead) body_ = {};
  body_size_ = 0;
  stream_wanted_ = false;
  core_->charge(charged_, 0);
  if (inbox_.empty() && (ended_ || core_->draining())) return close();
  enter(Phase::idle);
  if (!inbox_.empty()) return on_head_bytes();
  if (inbox_.capacity() > kFirstRead) inbox_.release();
  read_more(kFirstRead);
}

void Connection::on_head_bytes() {
  const auto scan = scanner_.scan(inbox_.view());
  if (scan.refusal != Refusal::none) return refuse(scan.refusal);
  if (scan.size == 0) {
    // A lone CRLF is what old clients send behind a body: the next head has not begun with it.
    if (phase_ == Phase::idle && inbox_.view() != "\r\n") enter(Phase::head);
    if (inbox_.size() == inbox_.capacity()) {
      const std::size_t larger = inbox_.capacity() * 2;
      if (!core_->charge(charged_, larger)) {
        return refuse_for_buffers(larger);
      }
      return read_more(larger);
    }
    return read_more(inbox_.capacity());
  }
  auto parsed = http1::parse_request(inbox_.view().substr(0, scan.size));
  inbox_.consume(scan.size);
  on_head(std::move(parsed));
}

void Connection::on_head(http1::ParsedRequest parsed) {
  fresh_ = false;
  exchange_.emplace();
  auto& exchange = *exchange_;
  exchange.head_method = parsed.head.method == "HEAD";
  if (parsed.refusal != Refusal::none) return refuse(parsed.refusal);
  if (parsed.upgrade) {
    return refuse(call::Code::not_supported,
                  "Upgrading to another protocol is not supported; use plain HTTP/1.1.");
  }
  ++core_->counters().requests;
  exchange.framing = parsed.framing;
  exchange.old_version = parsed.head.minor == 0;
  exchange.keep_alive = parsed.keep_alive;
  exchange.intake = core_->intake();
  exchange.head = incoming(std::move(parsed.head), parsed.framing, peer_);
  const bool has_body = exchange.head.has_body;
  body_waited_ = Duration{};
  piece_size_ = kBodyRead;
  enter(Phase::waiting);

  auto verdict = judge_head();
  if (has_body) {
    http1::BodyLimits limits;
    if (const auto* buffered = std::get_if<call::Buffered>(&verdict)) {
      limits.max_body = buffered->body_max;
      exchange.body_max = buffered->body_max;
    }
    exchange.decoder.emplace(exchange.framing, limits);
    exchange.owes_continue = parsed.expect_continue && !body_done();
  }
  if (auto* reply = std::get_if<call::Reply>(&verdict)) return answer_ourselves(std::move(*reply));
  if (auto* ask = std::get_if<call::CallAsk>(&verdict)) {
    exchange_id_ = core_->next_id(slot_);
    return core_->events()->on_ask(exchange_id_, std::move(*ask));
  }
  if (std::holds_alternative<call::Buffered>(verdict)) {
    if (!has_body) return on_request();
    enter(Phase::body);
    return on_body_bytes();
  }
  if (auto refused = judge_body({})) return answer_ourselves(std::move(*refused));
  begin_stream(std::move(std::get<call::Streamed>(verdict)));
}

// Most peers are clients themselves: they are looked at once a connection.
void Connection::note_client(ConnectionExchange& exchange) {
  const call::ClientAddressSettings& proxies = core_->options().client_address;
  if (!proxies.trusted.empty() || !client_) {
    client_ = call::client_address(proxies, exchange.head.client_address, exchange.head.fields);
    if (client_) client_ = call::client_network(proxies, *client_);
  }
  exchange.client = client_;
  if (client_) core_->busiest().asked(*client_, ServerCore::now());
}

// Its client's share first: a refusal there costs nothing further.
call::HeadVerdict Connection::judge_head() {
  auto& exchange = *exchange_;
  note_client(exchange);
  if (ports::Door* door = core_->door()) {
    auto word = door->on_head(exchange.head);
    exchange.stay = std::move(word.stay);
    if (word.refused) return std::move(*word.refused);
  }
  auto verdict = exchange.intake->on_head(exchange.head);
  const auto* reply = std::get_if<call::Reply>(&verdict);
  if (reply != nullptr && reply->problem) tell_refusal(*reply->problem);
  return verdict;
}

std::optional<call::Reply> Connection::judge_body(std::string_view body) {
  if (!exchange_->stay) return std::nullopt;
  return core_->door()->on_body(exchange_->head, body, *exchange_->stay);
}

void Connection::begin_stream(call::Streamed streamed) {
  auto& exchange = *exchange_;
  exchange.relayed = streamed.call.relayed != nullptr;
  if (exchange.decoder) {
    const bool chunked = exchange.framing.kind == BodyFraming::Kind::chunked;
    const std::uint64_t length = chunked ? kPieceMax : exchange.framing.length;
    const std::uint64_t keep = streamed.call.route->retry.live_buffer;
    const std::uint64_t kept = chunked ? keep : std::min(length, keep);
    const std::uint64_t wanted = kept + std::min<std::uint64_t>(length, kPieceMax);
    if (!core_->charge(charged_, wanted)) {
      return refuse_for_buffers(wanted);
    }
    // What has come with the head is judged before anything of the request goes upstream.
    if (const auto refusal = decode_inbox(); refusal != Refusal::none) return refuse(refusal);
    exchange.source = std::make_shared<RequestBody>(
        *this, chunked ? -1 : static_cast<std::int64_t>(length), keep);
  }
  exchange_id_ = core_->next_id(slot_);
  auto source = exchange.source;
  core_->events()->on_call(exchange_id_, std::move(streamed.call), std::move(source));
}

bool Connection::body_done() const {
  return !exchange_->decoder || exchange_->decoder->done();
}

Refusal Connection::decode_inbox() {
  auto& decoder = *exchange_->decoder;
  while (!inbox_.empty() && !decoder.done()) {
    const auto step = decoder.next(inbox_.view());
    if (step.refusal != Refusal::none) return step.refusal;
    HF_CHECK(step.consumed > 0);
    if (!step.data.empty()) {
      body_.resize(body_size_);
      body_.append(step.data);
      body_size_ = body_.size();
    }
    inbox_.consume(step.consumed);
  }
  return Refusal::none;
}

void Connection::send_continue() {
  if (!exchange_->owes_continue) return;
  exchange_->owes_continue = false;
  // A client that did not wait does not need it (RFC 9110 section 10.1.1).
  if (!inbox_.empty() || body_done()) return;
  Outgoing out;
  out.prefix = "HTTP/1.1 100 Continue\r\n\r\n";
  enqueue(std::move(out));
}

// The body of a buffered request: uses what is there and asks for more.
void Connection::on_body_bytes() {
  send_continue();
  if (const auto refusal = decode_inbox(); refusal != Refusal::none) return refuse(refusal);
  if (body_done()) return on_request();
  const bool chunked = exchange_->framing.kind == BodyFraming::Kind::chunked;
  // Memory follows what has come, not what was announced: a length costs a client nothing.
  std::uint64_t room = body_size_ + kBodyRead;
  if (!chunked) {
    room = std::min<std::uint64_t>(exchange_->framing.length,
                                   std::max<std::uint64_t>(2 * body_size_, kBodyRead));
    room = std::max<std::uint64_t>(room, body_.size());
  }
  const std::uint64_t wanted = std::max(charged_, room);
  if (!core_->charge(charged_, wanted)) {
    return refuse_for_buffers(wanted);
  }
  if (chunked) return read_more(kBodyRead);
  read_direct(static_cast<std::size_t>(room) - body_size_);
}

void Connection::on_request() {
  auto& exchange = *exchange_;
  enter(Phase::waiting);
  Body body;
  if (exchange.head.has_body) {
    body_.resize(body_size_);
    body = make_body(std::exchange(body_, {}));
    body_size_ = 0;
  }
  if (auto refused = judge_body(view(body))) return answer_ourselves(std::move(*refused));
  auto verdict = exchange.intake->on_request(exchange.head, std::move(body));
  if (auto* reply = std::get_if<call::Reply>(&verdict)) {
    if (reply->problem) tell_refusal(*reply->problem);
    return answer_ourselves(std::move(*reply));
  }
  exchange_id_ = core_->next_id(slot_);
  core_->events()->on_call(exchange_id_, std::move(std::get<call::NewCall>(verdict)), nullptr);
}

void Connection::read_stream() {
  const auto self = shared_from_this();
  stream_wanted_ = true;
  send_continue();
  if (!reading_) on_stream_bytes();
}

// The body of a streamed request: hands on what is there, or asks for more when somebody waits. The
// socket is not read while nobody does; that is the back-pressure.
void Connection::on_stream_bytes() {
  if (decode_inbox() != Refusal::none) {
    ++core_->counters().malformed;
    return close();
  }
  const auto source = exchange_->source;
  if (body_size_ > 0) {
    if (body_size_ == body_.size() && body_size_ >= piece_size_) piece_size_ = kPieceMax;
    body_.resize(body_size_);
    body_size_ = 0;
    stream_wanted_ = false;
    return source->on_piece(std::exchange(body_, {}), body_done());
  }
  if (body_done()) {
    stream_wanted_ = false;
    return source->on_end();
  }
  if (!stream_wanted_) return;
  if (exchange_->framing.kind == BodyFraming::Kind::chunked) return read_more(kPieceMax);
  const std::uint64_t left = exchange_->framing.length - exchange_->decoder->received();
  read_direct(static_cast<std::size_t>(std::min<std::uint64_t>(left, piece_size_)));
}

bool Connection::body_skippable() {
  if (body_done()) return true;
  // The client may never send it, or it may: nobody can tell where the next request begins.
  if (exchange_->owes_continue) return false;
  if (exchange_->framing.kind == BodyFraming::Kind::length) {
    return exchange_->framing.length - exchange_->decoder->received() <= kSkipMax;
  }
  const bool whole = decode_inbox() == Refusal::none && body_done();
  body_size_ = 0;
  return whole;
}

void Connection::discard_body() {
  if (reading_) return;
  if (decode_inbox() != Refusal::none) return close();
  body_size_ = 0;
  if (body_done()) return next_request();
  read_more(kBodyRead);
}

void Connection::refuse(Refusal refusal) {
  std::optional<call::Measure> measure;
  if (refusal == Refusal::body_too_large) {
    // In chunks: a length that is too large was refused with its head.
    const auto most = static_cast<std::int64_t>(exchange_->body_max);
    measure = {"limits.body", most + 1, most, "bytes or more"};
  }
  if (refusal == Refusal::head_too_large) {
    const auto most = static_cast<std::int64_t>(core_->options().head_max);
    const auto size = static_cast<std::int64_t>(inbox_.size());
    const auto fields = static_cast<std::int64_t>(http1::kFieldsMax);
    measure = size >= most ? call::Measure{"head_max", size, most, "bytes"}
                           : call::Measure{"head_fields", fields + 1, fields, "fields or more"};
  }
  refuse(code_of(refusal), std::string(http1::explain(refusal)), std::move(measure));
}

void Connection::refuse(call::Code code, std::string detail, std::optional<call::Measure> measure) {
  ++core_->counters().malformed;
  call::ProblemSpec spec;
  spec.code = code;
  spec.detail = std::move(detail);
  spec.measure = std::move(measure);
  refuse_with(spec);
}

void Connection::refuse_for_buffers(std::uint64_t wanted) {
  ServerCounters& counters = core_->counters();
  ++counters.refused_buffers;
  refuse_busy({"buffers", static_cast<std::int64_t>(counters.buffered_bytes - charged_ + wanted),
               static_cast<std::int64_t>(core_->options().buffers), "bytes"},
              "Too many requests are being read; try again soon.");
}

// At one of the server's own limits.
void Connection::refuse_busy(call::Measure measure, std::string detail) {
  call::ProblemSpec spec;
  spec.code = call::Code::overloaded;
  spec.detail = std::move(detail);
  spec.safe_to_retry = true;
  spec.retry_after = kBusyRetry;
  spec.measure = std::move(measure);
  refuse_with(spec);
}

void Connection::refuse_with(const call::ProblemSpec& spec) {
  if (!exchange_) exchange_.emplace();
  exchange_->close = true;
  tell_refusal(spec);
  answer_ourselves(call::problem(spec));
}

void Connection::tell_refusal(const call::ProblemSpec& spec) {
  if (!spec.measure) return;
  core_->warn(fmt::format("a request was refused with {} {}: {}", call::status_of(spec.code),
                          call::to_string(spec.code), call::in_words(*spec.measure)));
}

// What the engine never sees.
void Connection::answer_ourselves(call::Reply reply) {
  if (reply.problem) core_->counters().problems.count(*reply.problem);
  answer(std::move(reply));
}

}  // namespace hf::adapters
