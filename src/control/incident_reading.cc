#include "control/incident_reading.h"

#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace hf::control {
namespace {

constexpr std::size_t kPage = 1000;
constexpr std::size_t kPagesMax = 100;  // some may be short

// The first call id of a millisecond: those before it were made earlier.
CallId first_of(WallTime time) {
  return CallId::make(time, 0, 0);
}

class Reading : public std::enable_shared_from_this<Reading> {
 public:
  Reading(runtime::Driver& driver, IncidentWindow window, std::string stake, IncidentAnswer answer)
      : driver_(driver),
        window_(window),
        incident_(window, std::move(stake)),
        answer_(std::move(answer)) {}

  void begin() { page(first_of({window_.until.ms + 1})); }

 private:
  using Pages = Result<ports::CallPage>;

  // Calls that began in the window, the newest first.
  void page(const CallId& after) {
    ports::CallFilter filter;
    filter.after = after;
    filter.limit = kPage;
    driver_.list(std::move(filter), [self = shared_from_this()](const Pages& page) {
      if (!page.ok()) return self->give_up(page.error());
      bool past = false;
      for (const auto& call : (*page).calls) {
        past = past || call->id.born() < self->window_.since;
        if (!past) self->take(*call);
        self->seen_ += 1;
      }
      const bool more = !past && (*page).more && (*page).next;
      const bool full = self->seen_ >= kIncidentCallsMax || ++self->pages_ == kPagesMax;
      if (more && full) self->incident_.cut_calls();
      if (more && !full) return self->page(*(*page).next);
      self->earlier(call::State::unknown);
    });
  }

  // Calls that began before it and have no end yet.
  void earlier(call::State state) {
    ports::CallFilter filter;
    filter.after = first_of(window_.since);
    filter.state = state;
    filter.limit = kPage;
    driver_.list(std::move(filter), [self = shared_from_this(), state](const Pages& page) {
      if (!page.ok()) return self->give_up(page.error());
      for (const auto& call : (*page).calls)
        self->take(*call);
      if ((*page).more) self->incident_.cut_calls();
      if (state == call::State::unknown) return self->earlier(call::State::waiting);
      self->detail(0);
    });
  }

  void take(const call::Call& call) {
    if (!incident_.add(call)) return;
    if (wanted_.size() < kIncidentDetailsMax) {
      wanted_.push_back(call.id);
    } else {
      incident_.cut_details();
    }
  }

  void detail(std::size_t at) {
    if (at == wanted_.size()) return answer_(std::move(incident_));
    driver_.detail(wanted_[at],
                   [self = shared_from_this(), at](const Result<ports::CallDetail>& detail) {
                     if (!detail.ok()) return self->give_up(detail.error());
                     self->incident_.add(*detail);
                     self->detail(at + 1);
                   });
  }

  void give_up(const Error& why) { answer_(why); }

  runtime::Driver& driver_;
  IncidentWindow window_;
  Incident incident_;
  IncidentAnswer answer_;
  std::size_t seen_ = 0;
  std::size_t pages_ = 0;
  std::vector<CallId> wanted_;
};

}  // namespace

void read_incident(runtime::Driver& driver, IncidentWindow window, std::string stake,
                   IncidentAnswer answer) {
  std::make_shared<Reading>(driver, window, std::move(stake), std::move(answer))->begin();
}

}  // namespace hf::control
