// The files of `holdfast load`: requests to send (one JSON object a line, docs/load.md), and files
// that are read and written as a whole.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "load/capacity.h"
#include "load/requests.h"

namespace hf::app {

inline constexpr std::size_t kMostRequests = 100'000;
inline constexpr std::size_t kMostRequestBytes = 64U << 20;

// One object a line: {"method": "POST", "path": "/v1/x", "headers": {"Accept": "a"} or [["Accept",
// "a"], ...], "body": "..."}; only `path` is required; empty lines are left out.
// ErrorKind::invalid names the line and what is wrong with it.
Result<std::vector<load::RequestSpec>> read_requests(std::string_view text);

// {"currency": "EUR", "hourly": 0.4, "per_call": 0, "upstreams": {"payments": 0.0001}}: a price for
// each attempt at an upstream. All may be missing but one. ErrorKind::invalid says what is wrong.
Result<load::Prices> read_prices(std::string_view text);

// At most `most` bytes. Errors name the file.
Result<std::string> read_whole(const std::string& path, std::size_t most = kMostRequestBytes);
Result<void> write_whole(const std::string& path, std::string_view text);

}  // namespace hf::app
