// Texts that are sealed as the journal's records are, and lie elsewhere: in a file beside it, or in
// an export.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "call/record_seal.h"

namespace hf::call {

// `name` is bound to it: a text moved to another name does not open.
std::string seal_text(const Sealer& sealer, RecordKind kind, std::string_view name,
                      std::string_view text, WallTime at);
// Errors as of Sealer::open; corrupt for one of another kind.
Result<std::string> open_text(const Sealer& sealer, RecordKind kind, std::string_view name,
                              std::string_view sealed);

}  // namespace hf::call
