// Bulk operations as files beside the journal, sealed: what an operator selects by may name a
// customer.
#pragma once

#include <string>

#include "call/record_seal.h"
#include "control/operations.h"
#include "ports/clock.h"

namespace hf::app {

// One file an operation in `folder`, which is made with the first of them. `clock` outlives the
// store.
control::OperationStore operation_files(const std::string& folder, const call::Sealer& sealer,
                                        ports::Clock& clock);

}  // namespace hf::app
