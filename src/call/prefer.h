// The Prefer field (RFC 7240): which of its preferences are ours, and what is left of it after.
#pragma once

#include <optional>

#include "base/fields.h"
#include "base/time.h"

namespace hf::call {

struct Preferences {
  bool respond_async = false;    // section 4.1
  std::optional<Duration> wait;  // section 4.3, whole seconds; nothing when it is not a number
};

// Of a preference given more than once only the first counts (section 2).
Preferences read_preferences(const Fields& fields);

// Takes the named preferences out of every Prefer field; other preferences stay as they were sent,
// and a field with none left goes.
void drop_preferences(Fields& fields, bool respond_async, bool wait);

}  // namespace hf::call
