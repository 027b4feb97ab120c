// The files of `holdfast load`: requests to send (one JSON object a line, docs/load.md), and files
// that are read and written as a whole.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "load/capacity.h"
#include "load/requests.h"
#include "traffic/path_match.h"

namespace hf::app {

inline constexpr std::size_t kMostRequests = 100'000;
inline constexpr std::size_t kMostRequestBytes = 64U << 20;

// One object a line: {"method": "POST", "path": "/v1/x", "headers": {"Accept": "a"} or [["Accept",
// "a"], ...], "body": "..."}; only `path` is required; empty lines are left out. A `body` of null
// was not recorded.
// ErrorKind::invalid names the line and what is wrong with it.
Result<std::vector<load::RequestSpec>> read_requests(std::string_view text);

// A body for requests that a file has none for: those of that method (empty: any) and path.
struct BodyTemplate {
  std::string method;
  traffic::PathTemplate path;
  std::string body;
};
// "POST /users/{id}/orders=TEXT" or "=@FILE"; a path as a route's, a prefix in whole segments.
Result<BodyTemplate> read_body_template(const std::string& text);
// The first template that fits; never instead of a body that is there. ErrorKind::invalid: one of
// them is for none of the requests.
Result<void> fill_bodies(const std::vector<BodyTemplate>& templates,
                         std::vector<load::RequestSpec>& requests);
// What is to be known of requests that are sent without their bodies; nothing where none is.
std::optional<std::string> bodies_note(const std::vector<load::RequestSpec>& requests);

// {"currency": "EUR", "hourly": 0.4, "per_call": 0, "upstreams": {"payments": 0.0001}}: a price for
// each attempt at an upstream. All may be missing but one. ErrorKind::invalid says what is wrong.
Result<load::Prices> read_prices(std::string_view text);

// At most `most` bytes. Errors name the file.
Result<std::string> read_whole(const std::string& path, std::size_t most = kMostRequestBytes);
Result<void> write_whole(const std::string& path, std::string_view text);

}  // namespace hf::app
