// The admin API (docs/admin-api.md): calls to look at and to settle, upstreams to pause. Every
// request needs the bearer token, and a Host that is this listener's own.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "call/hasher.h"
#include "call/record_seal.h"
#include "call/settings.h"
#include "control/admin_traffic.h"
#include "control/facts.h"
#include "control/operations.h"
#include "control/selection_query.h"
#include "ports/control.h"
#include "runtime/driver.h"

namespace hf::control {

// GET /v1/observed: the JSON, once.
using ObservedAnswer = std::function<void(Result<std::string>)>;

struct AdminOptions {
  std::string token;               // empty: every request is refused
  std::string listen;              // "127.0.0.1:8081", to judge Host by
  std::vector<std::string> hosts;  // further names that Host may have
  std::shared_ptr<const call::Settings> settings;
  FactSource facts;
  // For explain: to find what is kept as a hash alone.
  std::optional<call::Hasher> hasher = std::nullopt;
  std::function<WallTime()> now = {};        // empty: the beginning of 1970
  std::function<std::string()> alerts = {};  // {"alerts": [...]}; empty: there are none
  TrafficAdmin traffic = {};
  // For bulk operations. None: there is no journal to keep them beside.
  std::optional<OperationStore> operations = std::nullopt;
  std::function<CallId()> fresh_id = {};
  std::function<void(std::string_view what, const std::string& detail)> log = {};
  std::optional<call::Sealer> sealer = std::nullopt;  // of the journal, for exports
  // What routes that only observe saw since then; empty: nothing.
  std::function<void(WallTime since, const std::string& route, const ObservedAnswer& answer)>
      observed = {};
};

// The I/O thread. `driver` has been started and outlives this; replies may come after this is gone.
class Admin {
 public:
  Admin(runtime::Driver& driver, AdminOptions options);
  void handle(const ports::ControlRequest& request, const ports::ControlRespond& respond);

 private:
  struct Route;
  [[nodiscard]] WallTime wall_now() const;
  [[nodiscard]] SelectionContext context() const;
  // False: there is nothing at this path.
  bool dispatch(const Route& route, const ports::ControlRequest& request,
                const ports::ControlRespond& respond);
  bool operations(const Route& route, const std::string& peer,
                  const ports::ControlRespond& respond);
  void calls(const Route& route, const ports::ControlRespond& respond);
  void count(const Route& route, const ports::ControlRespond& respond);
  void export_page(const Route& route, const ports::ControlRespond& respond);
  void alerts(const Route& route, const ports::ControlRespond& respond);
  void blocked(const Route& route, const ports::ControlRespond& respond);
  void observed(const Route& route, const ports::ControlRespond& respond);
  void one_call(const Route& route, const ports::ControlRespond& respond);
  void evidence(const Route& route, const ports::ControlRespond& respond);
  void command(const Route& route, const ports::ControlRespond& respond);
  void incident(const Route& route, const ports::ControlRespond& respond);
  void upstreams(const Route& route, const ports::ControlRespond& respond);
  void top(const Route& route, const ports::ControlRespond& respond);
  [[nodiscard]] std::string upstreams_json() const;
  void pause(const Route& route, const ports::ControlRespond& respond);

  runtime::Driver& driver_;
  AdminOptions options_;
  Operations operations_;
};

}  // namespace hf::control
