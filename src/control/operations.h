// Bulk operations over the admin API (docs/admin-api.md): begun, driven a step at a time by
// whoever wants it done, and kept, so that a step that was cut anywhere is gone on from and nothing
// is done twice.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "call/hasher.h"
#include "call/settings.h"
#include "control/operation.h"
#include "ports/control.h"
#include "runtime/driver.h"

namespace hf::control {

// Where operations are kept. What is saved is there after a crash of the process, whole or as it
// was before; after a power loss it may be as it was.
struct OperationStore {
  std::function<Result<void>(const CallId&, const std::string& text)> save;
  std::function<Result<std::string>(const CallId&)> load;  // empty: there is none
  std::function<std::vector<CallId>()> all;                // the oldest first
  std::function<void(const CallId&)> remove;
};

inline constexpr std::size_t kOperationsKept = 1000;
inline constexpr std::size_t kOperationsShown = 100;
// Of one step: calls acted on, at most, and calls looked at.
inline constexpr int kStepMax = 200;
inline constexpr std::size_t kStepExamined = 250;

struct OperationParts {
  runtime::Driver* driver = nullptr;  // outlives what is asked of it
  std::shared_ptr<const call::Settings> settings;
  std::optional<call::Hasher> hasher;
  std::function<WallTime()> now;
  std::function<CallId()> fresh_id;
  std::optional<OperationStore> store;  // none: no journal is open
  // One line for the log, `what` a fixed word. May be empty.
  std::function<void(std::string_view what, const std::string& detail)> log;
};

// The I/O thread. Replies may come after this is gone.
class Operations {
 public:
  explicit Operations(OperationParts parts);

  // POST /v1/operations
  void begin(const std::string& body, const std::string& peer,
             const ports::ControlRespond& respond);
  // GET /v1/operations, GET /v1/operations/{id}
  void list(const ports::ControlRespond& respond);
  void one(const std::string& name, const ports::ControlRespond& respond);
  // POST /v1/operations/{id}/step, /stop, /resume
  void act(const std::string& name, const std::string& action, const std::string& body,
           const ports::ControlRespond& respond);

 private:
  class Book;
  class Step;
  std::shared_ptr<Book> book_;
};

}  // namespace hf::control
