#include "http1/body.h"

#include <algorithm>

#include "base/check.h"
#include "base/fields.h"
#include "http1/chars.h"

namespace hf::http1 {
namespace {

constexpr unsigned kMaxSizeDigits = 16;

// The value of a hexadecimal digit, or -1.
int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

BodyDecoder::BodyDecoder(BodyFraming framing, BodyLimits limits) : limits_(limits) {
  switch (framing.kind) {
    case BodyFraming::Kind::none:
      break;
    case BodyFraming::Kind::length:
      left_ = framing.length;
      if (left_ > limits_.max_body) {
        refuse(Refusal::body_too_large);
      } else if (left_ > 0) {
        state_ = State::fixed;
      }
      break;
    case BodyFraming::Kind::chunked:
      state_ = State::size_start;
      break;
    case BodyFraming::Kind::until_close:
      state_ = State::until_close;
      break;
  }
}

BodyDecoder::Step BodyDecoder::next(std::string_view input) {
  std::size_t at = 0;
  while (at < input.size()) {
    switch (state_) {
      case State::done:
      case State::refused:
        return {at, {}, done(), refusal_};
      case State::fixed:
      case State::until_close:
      case State::data:
        return take_run(input, at);
      default:
        on_framing(input[at]);
        if (state_ != State::refused) ++at;
    }
  }
  return {at, {}, done(), refusal_};
}

BodyDecoder::Step BodyDecoder::take_run(std::string_view input, std::size_t framing_size) {
  auto data = input.substr(framing_size);
  if (state_ == State::until_close) {
    if (data.size() > limits_.max_body - received_) {
      refuse(Refusal::body_too_large);
      return {framing_size, {}, false, refusal_};
    }
  } else {
    data = data.substr(0, std::min<std::uint64_t>(left_, data.size()));
    left_ -= data.size();
    if (left_ == 0) state_ = state_ == State::fixed ? State::done : State::data_cr;
  }
  received_ += data.size();
  return {framing_size + data.size(), data, done(), Refusal::none};
}

bool BodyDecoder::on_eof() {
  if (state_ == State::until_close) state_ = State::done;
  return done();
}

void BodyDecoder::refuse(Refusal refusal) {
  state_ = State::refused;
  refusal_ = refusal;
}

void BodyDecoder::on_framing(char c) {
  const auto expect = [&](char wanted, State then, Refusal otherwise) {
    if (c == wanted) {
      state_ = then;
    } else {
      refuse(otherwise);
    }
  };
  switch (state_) {
    case State::size_start:
    case State::size:
      return on_size(c);
    case State::extension_name:
    case State::extension_more:
    case State::extension_value:
    case State::extension_rest:
      return on_extension(c);
    case State::size_lf:
      if (c != '\n') return refuse(Refusal::bad_chunk);
      return end_size_line();
    case State::data_cr:
      return expect('\r', State::data_lf, Refusal::bad_chunk);
    case State::data_lf:
      return expect('\n', State::size_start, Refusal::bad_chunk);
    case State::trailer_start:
    case State::trailer_name:
    case State::trailer_value:
    case State::trailer_lf:
      return on_trailer(c);
    case State::end_lf:
      return expect('\n', State::done, Refusal::bad_trailer);
    case State::done:
    case State::refused:
    case State::fixed:
    case State::until_close:
    case State::data:
      break;
  }
  HF_CHECK(false);
}

void BodyDecoder::on_size(char c) {
  const int digit = hex_value(c);
  if (digit >= 0) {
    if (state_ == State::size_start) {
      left_ = 0;
      digits_ = 0;
      extension_ = 0;
    }
    if (++digits_ > kMaxSizeDigits) return refuse(Refusal::bad_chunk);
    left_ = left_ << 4 | static_cast<unsigned>(digit);
    state_ = State::size;
    return;
  }
  if (state_ == State::size && c == '\r') {
    state_ = State::size_lf;
  } else if (state_ == State::size && c == ';') {
    state_ = State::extension_name;
  } else {
    refuse(Refusal::bad_chunk);
  }
}

void BodyDecoder::on_extension(char c) {
  if (++extension_ > limits_.max_extension || ++extensions_ > limits_.max_extensions) {
    return refuse(Refusal::bad_chunk);
  }
  const bool begun = state_ == State::extension_more || state_ == State::extension_rest;
  const bool in_name = state_ == State::extension_name || state_ == State::extension_more;
  if (is_char(c, kTokenChar)) {
    state_ = in_name ? State::extension_more : State::extension_rest;
  } else if (!begun) {
    refuse(Refusal::bad_chunk);
  } else if (c == '=' && in_name) {
    state_ = State::extension_value;
  } else if (c == ';') {
    state_ = State::extension_name;
  } else if (c == '\r') {
    state_ = State::size_lf;
  } else {
    refuse(Refusal::bad_chunk);
  }
}

void BodyDecoder::end_size_line() {
  if (left_ == 0) {
    state_ = State::trailer_start;
  } else if (left_ > limits_.max_body - received_) {
    refuse(Refusal::body_too_large);
  } else {
    state_ = State::data;
  }
}

bool BodyDecoder::trailer_name_frames() const {
  if (name_size_ > name_.size()) return false;
  const std::string_view name(name_.data(), name_size_);
  return same_name(name, "transfer-encoding") || same_name(name, "content-length") ||
         same_name(name, "connection") || same_name(name, "proxy-connection") ||
         same_name(name, "host");
}

void BodyDecoder::on_trailer(char c) {
  if (++trailer_ > limits_.max_trailer) return refuse(Refusal::bad_trailer);
  switch (state_) {
    case State::trailer_start:
      if (c == '\r') {
        state_ = State::end_lf;
        return;
      }
      name_size_ = 0;
      [[fallthrough]];
    case State::trailer_name:
      if (is_char(c, kTokenChar)) {
        if (name_size_ < name_.size()) name_[name_size_] = c;
        // Stops at one past the array: such a name is longer than any that matters.
        name_size_ = std::min(name_size_ + 1, name_.size() + 1);
        state_ = State::trailer_name;
      } else if (c == ':' && state_ == State::trailer_name && !trailer_name_frames()) {
        state_ = State::trailer_value;
      } else {
        refuse(Refusal::bad_trailer);
      }
      return;
    case State::trailer_value:
      if (c == '\r') {
        state_ = State::trailer_lf;
      } else if (!is_char(c, kValueChar)) {
        refuse(Refusal::bad_trailer);
      }
      return;
    case State::trailer_lf:
      if (c != '\n') return refuse(Refusal::bad_trailer);
      state_ = State::trailer_start;
      return;
    default:
      HF_CHECK(false);
  }
}

}  // namespace hf::http1
