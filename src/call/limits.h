// What `limits` and `client_address` of the configuration say: how much each client may ask of us.
// Plain data; traffic/ decides by it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/ip_address.h"
#include "base/quantity.h"
#include "base/time.h"

namespace hf::call {

// What tells one client from another. A limit's parts together are its key.
struct LimitPart {
  enum class Kind : std::uint8_t {
    address,  // who connects, or who the trusted proxies say it is
    header,
    cookie,
    claim,  // of the JSON Web Token in Authorization: a name or a JSON pointer; nobody verified it
    path,   // the value of a {name} in the limit's `match.path`
    body,   // JSON pointer; only where the request is read whole
    form,   // the same, of a form
  } kind = Kind::address;
  std::string name;
  bool operator==(const LimitPart&) const = default;
};

struct LimitMatch {
  // A prefix as a route's, {name} for one segment. Paths are compared as the application would most
  // likely understand them: decoded, without empty and dot segments. Empty: any.
  std::string path;
  std::vector<std::string> methods;  // empty: any
  std::string host;                  // empty: any
  bool operator==(const LimitMatch&) const = default;
};

// Who offends again and again is refused everything that the limit matches, for a while.
struct LimitBan {
  int after = 10;                           // offences ...
  Duration within = Duration::minutes(10);  // ... in this time (leaky: GCRA as well)
  Duration lasts = Duration::hours(1);
  // What an offence is: an answer with one of these statuses; none: a refusal by the limit.
  std::vector<int> on;
  bool operator==(const LimitBan&) const = default;
};

enum class LimitMode : std::uint8_t {
  enforce,
  observe,  // counts and reports what it would have refused
};
// What becomes of a key for which there is no room, while every key kept is of an offender.
enum class WhenFull : std::uint8_t { admit, refuse };

struct LimitSettings {
  std::string name;
  LimitMatch match;
  std::vector<LimitPart> by;              // empty: everybody together
  std::optional<Rate> rate;               // none: only the lists count
  std::int64_t burst = 0;                 // units at once; filled in: rate.count
  std::int64_t cost = 1;                  // units of a request ...
  std::string cost_header;                // ... or what this field says, 1 to burst; empty: `cost`
  std::vector<Network> allow;             // addresses that the limit does not look at
  std::vector<std::string> allow_values;  // the same by the value of its one other part
  std::vector<Network> block;             // addresses that are refused
  std::vector<std::string> block_values;
  std::optional<LimitBan> ban;
  LimitMode mode = LimitMode::enforce;
  bool announce = true;  // RateLimit and RateLimit-Policy on answers
  WhenFull when_full = WhenFull::admit;
  bool operator==(const LimitSettings&) const = default;
};

// Who a request comes from, where proxies stand before us.
struct ClientAddressSettings {
  enum class From : std::uint8_t { x_forwarded_for, forwarded } from = From::x_forwarded_for;
  std::vector<Network> trusted;  // empty: who connects is who it is
  int v6_prefix = 64;            // a client of IPv6 has this many bits of its own, or more
  bool operator==(const ClientAddressSettings&) const = default;
};

struct TrafficSettings {
  ClientAddressSettings client_address;
  std::vector<LimitSettings> limits;
  std::uint64_t keys_max = 1'000'000;  // of all limits together
  bool operator==(const TrafficSettings&) const = default;
};

std::string_view to_string(LimitPart::Kind kind);
std::string_view to_string(LimitMode mode);
std::string_view to_string(WhenFull what);

}  // namespace hf::call
