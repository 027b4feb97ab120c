// One exchange with an upstream: a small machine over a connection. Internal to the upstream side.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "adapters/http/upstream_dial.h"
#include "adapters/http/upstream_link.h"
#include "adapters/tls/client_contexts.h"
#include "http1/body.h"
#include "http1/head.h"
#include "ports/upstream.h"

namespace hf::adapters {

class UpstreamCore;

// The request side is in upstream_attempt.cc, the answer side in upstream_answer.cc. I/O thread
// only; owned by the core until its end is reported.
class UpstreamAttempt : public std::enable_shared_from_this<UpstreamAttempt> {
 public:
  UpstreamAttempt(UpstreamCore& core, ports::AttemptSpec spec);

  void start();
  // Ends the attempt with what is known. Idempotent.
  void finish(call::Cause cause);
  void forward(std::shared_ptr<ports::AnswerSink> sink);
  void capture(std::uint64_t max);
  // Looks whether a time is up.
  void tick(Instant now);

 private:
  enum class Reading : std::uint8_t {
    head,
    capturing,
    waiting,  // the head is reported; the owner has to say what becomes of the body
    forwarding,
  };

  // Request side.
  bool read_tls();
  bool read_credentials(std::string& out);
  bool prepare();
  bool resolve_injected(Fields& injected);
  bool sign(Fields& injected);
  void write_head(const Fields& injected);
  void connect();
  void dial();
  void use(std::shared_ptr<UpstreamLink> link, bool reused);
  void on_ready(UpstreamLink::Ready ready);
  void run_request();
  bool flush();
  void on_write_failed();
  void ask_body();
  void on_body(ports::BodySource::What what, std::string bytes);
  void frame_body(std::string_view bytes);
  void request_over();
  void stop_source();
  [[nodiscard]] std::uint64_t taken() const;
  [[nodiscard]] bool too_late(Instant now) const;
  [[nodiscard]] bool has_output() const;
  [[nodiscard]] call::Cause timed_out(Instant now) const;
  void add_dial_phases();
  [[nodiscard]] call::Phases phases(Instant end) const;

  // Answer side.
  void run_answer();
  void read_once();
  [[nodiscard]] bool wants_read() const;
  void take(std::string_view bytes);
  bool take_head(std::string_view& bytes);
  // False: more is needed, or the attempt is over.
  bool take_interim(std::string_view& bytes, http1::ParsedResponse& parsed);
  void begin_answer(http1::ParsedResponse parsed, std::size_t ready);
  void take_body(std::string_view bytes);
  void settle_capture();
  void on_peer_gone(UpstreamLink::Io what);
  void complete_answer(bool clean);
  void wait_with_head(bool overflow);
  void hand_over();
  void on_sink_ready(bool more);
  void refuse_answer(http1::Refusal refusal);

  UpstreamCore& core_;
  ports::AttemptSpec spec_;
  const call::Url& url_;
  Instant started_;
  ReadContext tls_;  // null where the URL has none
  std::string target_;
  AddressBooks::Lease lease_;
  bool connected_ = false;  // the request met a connection: what comes of it tells of the address
  bool over_ = false;

  std::shared_ptr<UpstreamDial> dial_;  // while there is no connection
  std::shared_ptr<UpstreamLink> link_;  // until the answer is complete
  std::string address_;
  bool reused_ = false;
  std::uint64_t taken_before_ = 0;  // of the connection, when it became ours
  std::uint64_t taken_ = 0;         // once it is no longer ours

  std::string out_;  // the head, then framed pieces of a streamed body
  std::size_t out_at_ = 0;
  std::size_t body_at_ = 0;  // in spec_.request->body
  bool chunked_ = false;
  std::uint64_t source_left_ = 0;  // of a streamed body with a declared length
  bool source_over_ = true;        // nothing more is to be asked for
  bool asking_ = false;
  bool request_running_ = false;
  bool request_sent_ = false;
  bool write_dead_ = false;
  Instant last_write_;
  Instant sent_at_;  // the last request byte
  std::optional<Instant> first_byte_at_;
  call::Phases phases_;              // of the dials that are over
  std::optional<Instant> head_at_;   // the final status line
  std::optional<Instant> whole_at_;  // the last byte of the answer

  Reading reading_ = Reading::head;
  http1::HeadScanner scanner_;
  std::string head_bytes_;  // of a head that came in pieces
  int interim_ = 0;
  call::Evidence answer_evidence_ = call::Evidence::nothing_sent;  // answer_begun from the head on
  call::AnswerHead head_;
  bool keep_alive_ = false;
  std::optional<Duration> keep_alive_hint_;
  std::optional<http1::BodyDecoder> decoder_;
  std::uint64_t capture_max_ = 0;
  std::string held_;  // decoded, not handed on yet
  bool answer_running_ = false;
  bool drained_ = false;  // the last read left nothing behind
  bool complete_ = false;
  Instant last_read_;
  std::uint64_t received_ = 0;
  std::shared_ptr<ports::AnswerSink> sink_;
  bool sink_busy_ = false;
  bool forwarded_ = false;
};

}  // namespace hf::adapters
