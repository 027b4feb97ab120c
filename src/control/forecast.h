// GET /v1/count (docs/admin-api.md): how many calls a selection means, and what would come of a
// word for each of them, without saying it. A page at a time, like a list.
#pragma once

#include <memory>
#include <string>

#include "control/selection_query.h"
#include "ports/control.h"
#include "runtime/driver.h"

namespace hf::control {

// Of one page: some milliseconds in which no commit is written.
inline constexpr std::size_t kCountExamined = 250;
inline constexpr std::size_t kCountSample = 5;  // calls shown

// The I/O thread; the reply may come later. `driver` and `context.settings` outlive it.
void answer_count(runtime::Driver& driver, const SelectionContext& context,
                  const std::string& query, const ports::ControlRespond& respond);

}  // namespace hf::control
