// The key of a request: who names it, what makes two of them one, and what goes upstream for it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "call/hasher.h"
#include "call/intake.h"
#include "call/settings.h"

namespace hf::call {

// Why a request is refused for its key.
struct KeyFault {
  Code code = Code::key_invalid;  // or key_missing
  std::string detail;             // never the key itself
};

struct KeyFound {
  std::optional<KeyUse> key;       // none: the request has no key of its own
  std::vector<std::string> scope;  // the values of the route's scope parts; absent ones are empty
};

using KeyVerdict = std::variant<KeyFault, KeyFound>;

// The key of a request with a non-safe method (on a safe one a key is forwarded and otherwise
// ignored).
//
// First by the route's rule: all parts, or no key. A lone header gives a header key, anything else
// a business key. Then, at an upstream of mode key, the upstream's own key field counts as a header
// key where the rule named none: a client that sent it repeats with it, and replacing it by one
// made here would turn its safe repeat into a second effect. A part that is there twice is a fault,
// not an absence.
KeyVerdict find_key(const RouteSettings& route, const UpstreamSettings& upstream,
                    const IncomingHead& head, std::string_view body, const Hasher& hasher);

// The identity that a header key `key` has on this route where the scope's values are absent; a
// person who knows only the key can ask with it.
Digest header_key_identity(const RouteSettings& route, const UpstreamSettings& upstream,
                           std::string_view key, const Hasher& hasher);

// What can be said of the key before the body is there: a fault in a header part.
std::optional<KeyFault> header_key_fault(const RouteSettings& route,
                                         const UpstreamSettings& upstream,
                                         const IncomingHead& head);

// The key of a request that has none of its own, on a route that derives one (KeyRule::derive). Of
// two such requests one may join the other while that one is in flight or unresolved; nothing of it
// goes upstream, so field and value are empty.
KeyUse derived_key(const RouteSettings& route, const UpstreamSettings& upstream,
                   const Digest& owner, const Digest& fingerprint, const Hasher& hasher);

// Puts the key's value into the field that carries it upstream, in place of whatever an SDK put
// there. It becomes part of the frozen request because every copy must carry the same.
void put_key_field(Fields& fields, const KeyUse& key);

}  // namespace hf::call
