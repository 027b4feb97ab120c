// Telling an application the end of a held call: which URLs may be told, and what a receiver is to
// the engine. Pure.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "call/call.h"
#include "call/settings.h"

namespace hf::call {

inline constexpr std::size_t kCallbackUrlMax = 2048;
inline constexpr std::string_view kCallbackField = "Holdfast-Callback";
// What a call that tells another's end has for its route. No path is like it.
inline constexpr std::string_view kCallbackRoute = "callback";
// Identifies a callback over all its attempts (Standard Webhooks).
inline constexpr std::string_view kWebhookId = "webhook-id";

struct CallbackPlace {
  std::string upstream;  // a name that callback_upstreams() gives
  std::string target;    // path and query
};
// Where a callback to `url` goes. ErrorKind::invalid, with a sentence that does not repeat the URL:
// it is none, has a user, password or fragment, a path that two readers may read in two ways (dot
// segments, backslashes, encoded slashes), or does not lie below any of `allow`.
Result<CallbackPlace> callback_place(const CallbackSettings& settings, std::string_view url);

// One upstream for each scheme and authority in `allow`: a receiver that is dead or slow costs only
// itself. Entries that are no URLs are left out; config/ refuses them.
std::map<std::string, std::shared_ptr<const UpstreamSettings>> callback_upstreams(
    const CallbackSettings& settings);
// What stands for the route of a callback: its schedule, deadline and limits.
std::shared_ptr<const RouteSettings> callback_route(const CallbackSettings& settings);
bool is_callback_upstream(std::string_view name);

// The JSON document that tells the end of `call` as it stands now (docs/client.md). The answer's
// body is in it where it is at hand, kept and no larger than `answer_max`; sensitive fields never.
std::string callback_body(const Call& call, WallTime now, bool settled_by_operator,
                          std::uint64_t answer_max);

}  // namespace hf::call
