// Serialising messages: canonical bytes, exactly one framing. What comes here was validated on its
// way in; a control character in it is a bug of ours and stops the process (HF_CHECK) before it can
// split a message.
#pragma once

#include <string>
#include <string_view>

#include "http1/head.h"

namespace hf::http1 {

// All functions append to `out`.
//
// Content-Length and Transfer-Encoding in head.fields are not believed: the framing decides. It is
// written where the first of them stood, or at the end. Other fields keep bytes and order. The
// version written is always HTTP/1.1: it says what we speak, not what came (RFC 9110 section 2.5).

// Kind::none writes no framing field; Kind::until_close is a bug.
void write_request_head(std::string& out, const RequestHead& head, BodyFraming framing);

// Kind::none says that no body follows by the kind of message; the one Content-Length of an answer
// to HEAD or of a 304 is kept then, since it speaks of a body that is not sent. A 200 to GET with
// an empty body is {Kind::length, 0}. With Kind::until_close the caller closes, and says so in
// Connection.
void write_response_head(std::string& out, const ResponseHead& head, BodyFraming framing);

// Empty data writes nothing: an empty chunk would end the body.
void write_chunk(std::string& out, std::string_view data);
// Ends the body, without trailers.
void write_last_chunk(std::string& out);

}  // namespace hf::http1
