// Reads what an incident's draft needs from the journal, bounded, a page after the other.
#pragma once

#include <functional>
#include <string>

#include "base/result.h"
#include "control/incident.h"
#include "runtime/driver.h"

namespace hf::control {

using IncidentAnswer = std::function<void(Result<Incident>)>;

// The I/O thread. `driver` outlives the reading; `answer` is called once, unless the driver stops
// answering. Errors are the journal's.
void read_incident(runtime::Driver& driver, IncidentWindow window, std::string stake,
                   IncidentAnswer answer);

}  // namespace hf::control
