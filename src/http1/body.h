// Takes the framing off a body as its bytes come, in constant memory. No I/O; one object a message,
// used by one thread at a time.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <string_view>

#include "http1/head.h"

namespace hf::http1 {

struct BodyLimits {
  std::uint64_t max_body = std::numeric_limits<std::int64_t>::max();  // bytes without the framing
  std::size_t max_trailer = 8192;                                     // bytes of all trailer lines
  std::size_t max_extension = 256;  // bytes of the extensions of one chunk
  // Of all chunks together: tiny chunks with long extensions cost much and carry nothing.
  std::size_t max_extensions = 16384;
};

// Usage: call next() with what is there, hand on `data`, drop `consumed` bytes, and repeat until
// `done`, a refusal, or a step that leaves nothing of the input. Bytes after the body are not
// consumed: they belong to the next message, or to nobody.
//
// Chunk extensions in their plain form (;name or ;name=token) and trailers are checked and dropped.
// Stricter than RFC 9112 section 7.1: no blanks in a chunk line, no quoted extension values, at
// most 16 digits of size, only CRLF, and no trailer that would frame a message.
class BodyDecoder {
 public:
  struct Step {
    std::size_t consumed = 0;
    std::string_view data;  // points into the input
    bool done = false;
    Refusal refusal = Refusal::none;  // sticks: later calls consume nothing and repeat it
  };

  explicit BodyDecoder(BodyFraming framing, BodyLimits limits = {});

  // At most one run of data a step. A declared length over max_body is refused by the first step.
  Step next(std::string_view input);
  // The connection ended cleanly (FIN, with TLS after close_notify): true when the body is complete
  // with it. No more input may follow.
  bool on_eof();
  [[nodiscard]] bool done() const { return state_ == State::done; }
  // Bytes of body so far, without framing.
  [[nodiscard]] std::uint64_t received() const { return received_; }

 private:
  enum class State : std::uint8_t {
    done,
    refused,
    fixed,  // `left_` bytes of a declared length
    until_close,
    size_start,       // before the first digit of a chunk's size
    size,             // behind a digit
    extension_name,   // behind ';'
    extension_more,   // behind the first byte of its name
    extension_value,  // behind '='
    extension_rest,   // behind the first byte of its value
    size_lf,
    data,  // `left_` bytes of a chunk
    data_cr,
    data_lf,
    trailer_start,  // at the start of a trailer line, or of the empty line that ends the body
    trailer_name,
    trailer_value,
    trailer_lf,
    end_lf,
  };

  Step take_run(std::string_view input, std::size_t framing_size);
  // One byte of framing; `refusal_` is set when it is wrong.
  void on_framing(char c);
  void on_size(char c);
  void on_extension(char c);
  void on_trailer(char c);
  void refuse(Refusal refusal);
  void end_size_line();
  [[nodiscard]] bool trailer_name_frames() const;

  BodyLimits limits_;
  State state_ = State::done;
  Refusal refusal_ = Refusal::none;
  std::uint64_t received_ = 0;
  std::uint64_t left_ = 0;
  unsigned digits_ = 0;
  std::size_t extension_ = 0;
  std::size_t extensions_ = 0;
  std::size_t trailer_ = 0;
  // The start of a trailer's name, as long as the longest name that is looked for.
  std::array<char, 17> name_{};
  std::size_t name_size_ = 0;
};

}  // namespace hf::http1
