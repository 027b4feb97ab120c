// The alerts of one life: looks at the parts once a second or so, keeps the book, and has people
// told. I/O thread only.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "call/settings.h"
#include "control/alert_book.h"
#include "control/alert_mail.h"
#include "control/alert_watch.h"
#include "ports/clock.h"
#include "runtime/driver.h"

namespace hf::control {

// How the journal stands; refusing: it takes no new durable calls.
struct JournalStanding {
  bool refusing = false;
  std::string why;
};

struct AlertParts {
  runtime::Driver* driver = nullptr;
  ports::Clock* clock = nullptr;
  ports::Upstream* mail = nullptr;  // for notices alone
  std::shared_ptr<const call::Settings> settings;
  std::function<JournalStanding()> journal;
  std::function<void(const Notice&)> log;
  std::function<void(const std::string&)> complain;
  std::function<void(const std::string&)> remember;  // what the next process must know; when it
                                                     // has changed
};

class Alerts {
 public:
  // `memory`: what an earlier process remembered, or nothing. What the parts point to outlives
  // this, and calls nothing back once it is gone.
  Alerts(AlertParts parts, const std::string& memory);

  void look();
  [[nodiscard]] std::vector<Alert> active() const { return book_.active(); }
  [[nodiscard]] std::vector<MailCounts> mail() const { return mail_.counts(); }
  [[nodiscard]] ports::UpstreamEvents& mail_events() { return mail_; }
  // {"alerts": [...]}, as GET /v1/alerts answers.
  [[nodiscard]] std::string json() const;

 private:
  struct Numbers {
    AlertNumbers half;
    AlertNumbers three_quarters;
    AlertNumbers parked;
  };

  // The journal is asked for one upstream after the other, then for parked calls; then judge().
  void read(std::size_t upstream);
  void read_parked();
  void take_running_out(const std::string& upstream, const ports::CallPage& page);
  void take_parked(const ports::CallPage& page);
  void add(AlertNumbers& numbers, const call::Call& call, bool runs_out) const;
  void judge();
  [[nodiscard]] AlertFacts facts(const Now& now) const;

  AlertParts parts_;
  AlertWatch watch_;
  AlertBook book_;
  AlertMail mail_;
  std::vector<std::string> names_;          // of the upstreams
  std::map<std::string, Numbers> numbers_;  // of the last whole reading
  std::map<std::string, Numbers> reading_;
  bool busy_ = false;
  Now begun_;          // the present or last reading
  Instant next_read_;  // not before
  std::string remembered_;
};

}  // namespace hf::control
