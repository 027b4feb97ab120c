// The result of `holdfast load` as JSON (docs/load.md, format 1): written, and read back to be
// compared.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "load/result.h"

namespace hf::app {

inline constexpr int kLoadFormat = 1;

std::string load_json(const load::RunResult& run);
// ErrorKind::invalid: not a result of `holdfast load`, or of a format that this version does not
// know; corrupt: it is one, and a member is missing or of another kind. Unknown members are left
// out.
Result<load::RunResult> read_load_json(std::string_view text);

}  // namespace hf::app
