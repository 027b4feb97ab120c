// The health listener, for probes and scrapers, without a token: it tells nothing of any call.
//   /healthz  200 while the process runs its loop
//   /readyz   200 while new calls are welcome; 503 with the reason while draining, or when the
//             journal takes no new durable calls or is broken
//   /metrics  Prometheus text
//   /autoscale  how much each upstream is asked for, over what it bears; ?upstream=NAME: one, flat
#pragma once

#include <string>

#include "control/autoscale.h"
#include "control/facts.h"
#include "ports/control.h"
#include "runtime/driver.h"

namespace hf::control {

// The I/O thread. `driver` has been started and outlives this.
class Health {
 public:
  // `autoscale` outlives this.
  Health(runtime::Driver& driver, FactSource facts, const Autoscale& autoscale);
  void handle(const ports::ControlRequest& request, const ports::ControlRespond& respond) const;

 private:
  [[nodiscard]] ports::ControlReply ready() const;
  [[nodiscard]] ports::ControlReply demand(std::string_view query) const;

  runtime::Driver& driver_;
  FactSource facts_;
  const Autoscale& autoscale_;
};

// How it stands, in one line for people: "taking calls; 12 waiting, 1 unknown".
std::string status_line(const Facts& facts);

// Shared with the admin listener, which shows it to holders of the token.
ports::ControlReply metrics_reply(runtime::Driver& driver, const FactSource& facts);

}  // namespace hf::control
