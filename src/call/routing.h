// Which route a request takes, and what it asks the upstream for.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/fields.h"
#include "call/settings.h"

namespace hf::call {

struct IncomingHead;

// The target up to its query, and the query with its question mark (empty when there is none).
std::string_view path_of(std::string_view target);
std::string_view query_of(std::string_view target);

// The longest path prefix among the routes that fit listener, host and method; of equally long ones
// the one that names a host, then the one that names methods, then the first. Null: none fits.
// Paths are compared as sent: nothing is decoded and no dot segment resolved, because the upstream
// gets those very bytes.
std::shared_ptr<const RouteSettings> find_route(const Settings& settings, const IncomingHead& head);

// Whether `path` lies below the route's prefix. A prefix without a slash at its end takes itself
// and what follows on a segment boundary: /v1 takes /v1 and /v1/x, not /v10.
bool below(std::string_view path, std::string_view prefix);

// The target to send: the prefix taken off if the route says so, the base path of the upstream's
// first address put before. All other bytes, the query included, are as sent.
std::string upstream_target(const RouteSettings& route, const UpstreamSettings& upstream,
                            std::string_view target);

// How often a request may come through a Holdfast. Counted by the pseudonym in Via, which every
// Holdfast shares: several in a row are legitimate, a ring of them passes this soon.
inline constexpr int kPasses = 5;
inline constexpr std::string_view kPseudonym = "holdfast";
// True when Via names more than kPasses of them (RFC 9110 section 7.6.3).
bool is_loop(const Fields& fields);

bool safe_method(std::string_view method);  // RFC 9110 section 9.2.1

}  // namespace hf::call
