// Request targets (RFC 9112 section 3.2). Bytes are never rewritten: no decoding, no dot segments.
#pragma once

#include <string_view>

#include "http1/head.h"

namespace hf::http1 {

// Views into the target they were split from.
struct Target {
  std::string_view path;
  std::string_view query;  // from the '?' on, or empty
};
Target split_target(std::string_view target);

// Visible ASCII without '#', not empty: what may go over the wire at all.
bool is_wire_target(std::string_view target);

// A host name, IPv4 or bracketed IPv6 address, with an optional port 0 to 65535. Narrower than RFC
// 3986's authority: no user, no percent-encoding, no commas, which is how merged Host fields look.
bool is_authority(std::string_view text);

// A target as it came, brought to what is sent to an upstream: an origin-form one as it is, "*" for
// OPTIONS, an absolute-form one (http or https) without scheme and authority. `authority` is then
// set, and has to be the Host: the two must not send a request to different places.
struct WireTarget {
  std::string_view rest;  // a view into the target; with `missing_path`, what follows the path
  std::string_view authority;
  bool missing_path = false;  // absolute-form without a path: "/" stands before `rest`
  Refusal refusal = Refusal::none;
};
WireTarget read_target(std::string_view target, std::string_view method);

}  // namespace hf::http1
