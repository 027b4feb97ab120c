// The few shapes of answer that the admin API gives, and its reading of queries.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "ports/control.h"

namespace hf::control {

class JsonMembers;

constexpr std::size_t kReasonMax = 500;

// RFC 9457; `code` ends the type "urn:holdfast:admin:".
ports::ControlReply problem(int status, std::string_view code, std::string_view title,
                            std::string_view detail);
ports::ControlReply bad_request(std::string_view detail);
ports::ControlReply journal_unavailable(const std::string& why);
ports::ControlReply json(std::string body);
// What an operator's body says as "reason": one line, kReasonMax bytes at most; empty: nothing.
Result<std::string> read_reason(const JsonMembers& body);
// 405: `allow` lists the methods of this path.
ports::ControlReply wrong_method(std::string_view allow);

// Nothing when a percent sign has no two hex digits behind it.
std::optional<std::string> percent_decoded(std::string_view text, bool plus_is_blank);
// For one part of a target.
std::string percent_encoded(std::string_view text);
// "a=1&b=2", decoded, in order; invalid when malformed.
Result<std::vector<std::pair<std::string, std::string>>> query_pairs(std::string_view text);

}  // namespace hf::control
