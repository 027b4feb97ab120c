// How long a message says that its body is.
#pragma once

#include <cstdint>
#include <optional>

#include "base/fields.h"

namespace hf {

// Content-Length where it is one plain number; nothing where it is absent, repeated or anything
// else (RFC 9112 section 6.3).
std::optional<std::uint64_t> content_length(const Fields& fields);

}  // namespace hf
