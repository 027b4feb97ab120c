// GET /v1/explain and GET /v1/duplicates: find the calls, read their timelines, and say what they
// show (docs/admin-api.md).
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/time.h"
#include "call/hasher.h"
#include "call/settings.h"
#include "ports/control.h"
#include "runtime/driver.h"

namespace hf::control {

// Calls laid on one timeline; callers and pairs told of; pages of a walk for duplicates.
inline constexpr std::size_t kExplainCallsMax = 50;
inline constexpr std::size_t kExplainEventsMax = 5000;  // then no further timeline is read
inline constexpr int kSearchPagesMax = 20;
inline constexpr std::size_t kDuplicateCallersMax = 50;
inline constexpr std::size_t kDuplicatePairsMax = 200;
inline constexpr int kDuplicatePagesMax = 2000;

struct ExplainContext {
  runtime::Driver* driver = nullptr;  // outlives what is asked of it
  std::shared_ptr<const call::Settings> settings;
  std::optional<call::Hasher> hasher;
  WallTime now;
};

// The I/O thread; the reply may come later.
void answer_explain(const ExplainContext& context, const std::string& query,
                    const ports::ControlRespond& respond);
void answer_duplicates(const ExplainContext& context, const std::string& query,
                       const ports::ControlRespond& respond);

}  // namespace hf::control
