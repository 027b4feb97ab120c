// GET /v1/export (docs/admin-api.md): pages of an export, as lines of JSON. What a line leaves out
// goes with it only sealed, for who has the journal's key: over this API nothing of it is in clear.
#pragma once

#include <optional>
#include <string>

#include "call/record_seal.h"
#include "control/selection_query.h"
#include "ports/control.h"
#include "runtime/driver.h"

namespace hf::control {

inline constexpr std::size_t kExportPage = 100;                        // calls
inline constexpr std::size_t kExportExamined = 250;                    // looked at for one page
inline constexpr std::uint64_t kExportBytes = std::uint64_t{4} << 20;  // of bodies in one page

struct ExportContext {
  runtime::Driver* driver = nullptr;  // outlives what is asked of it
  SelectionContext selection;
  std::optional<call::Sealer> sealer;  // none: there is no journal
};

// The I/O thread; the reply may come later.
void answer_export(const ExportContext& context, const std::string& query,
                   const ports::ControlRespond& respond);

}  // namespace hf::control
