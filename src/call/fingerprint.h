// What must be equal for two requests with one key to be the same request (DESIGN section 3).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "call/hasher.h"
#include "call/intake.h"
#include "call/settings.h"

namespace hf::call {

// A digest over method, path, query, content type, `scope` values and body, without the parts that
// the route ignores:
// - a header part: Content-Type alone of the headers counts. Of a multipart type its boundary is
// left
//   out there and behind the two dashes at each delimiter line; of any other type all of it is.
// - a body part: the value at the pointer, where the body is JSON and has it once.
// - a form part: every pair of that name, in a urlencoded body.
// A rule that does not fit the body leaves the body whole.
Digest fingerprint_of(const RouteSettings& route, const IncomingHead& head, std::string_view body,
                      const std::vector<std::string>& scope, const Hasher& hasher);

// What two calls have in common that are one intent sent twice under two keys: owner, route,
// method, path, query, content type, `scope` values and body, without the parts that the route's
// fingerprint or its suspect rule leaves out. `content` is content_of(body)'s. Of no use but
// comparing.
Digest likeness_of(const RouteSettings& route, const IncomingHead& head, std::string_view body,
                   const std::vector<std::string>& scope, const Digest& owner,
                   const Digest& content, const Hasher& hasher);

}  // namespace hf::call
