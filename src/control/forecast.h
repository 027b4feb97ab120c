// GET /v1/count (docs/admin-api.md): how many calls a selection means, and what would come of a
// word for each of them, without saying it. A page at a time, like a list.
#pragma once

#include <memory>
#include <string>

#include "control/selection_query.h"
#include "ports/control.h"
#include "runtime/driver.h"

namespace hf::control {

inline constexpr std::size_t kCountExamined = 1000;  // of one page
inline constexpr std::size_t kCountSample = 5;       // calls shown of one page

// The I/O thread; the reply may come later. `driver` and `context.settings` outlive it.
void answer_count(runtime::Driver& driver, const SelectionContext& context,
                  const std::string& query, const ports::ControlRespond& respond);

}  // namespace hf::control
