// Takes notices to webhooks and to an Alertmanager. Nothing waits for it: each target has a short
// queue and one request under way; what cannot be delivered is tried again with growing pauses, and
// given up when it is an hour old or pushed out by newer ones. I/O thread only.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "call/settings.h"
#include "control/alert.h"
#include "ports/upstream.h"

namespace hf::control {

inline constexpr std::size_t kLettersMax = 100;  // of one target
inline constexpr Duration kLetterAge = Duration::hours(1);
inline constexpr Duration kPostAgain = Duration::minutes(1);      // Alertmanager, while active
inline constexpr Duration kResolvedAfter = Duration::minutes(5);  // ... unless posted again

struct MailCounts {
  std::string target;  // webhook, alertmanager
  std::uint64_t sent = 0;
  std::uint64_t failed = 0;   // tries that did not succeed
  std::uint64_t dropped = 0;  // letters that were given up
};

class AlertMail final : public ports::UpstreamEvents {
 public:
  // `upstream` reports its events here and to nobody else, and outlives this. `complain` gets a
  // line for the log, without secrets.
  AlertMail(ports::Upstream& upstream, const call::AlertSettings& settings,
            std::function<void(const std::string&)> complain);

  // What is to be told, and everything that is active now. To be called once a second or so, also
  // with nothing to tell.
  void send(const std::vector<Notice>& notices, const std::vector<Alert>& active, const Now& now);
  [[nodiscard]] std::vector<MailCounts> counts() const;

  // ports::UpstreamEvents
  void on_answer_head(AttemptId id, call::AnswerHead head, bool overflow) override;
  void on_attempt_done(AttemptId id, call::AttemptOutcome outcome) override;

 private:
  struct Letter {
    std::string body;
    Instant written;
  };
  struct Box {
    call::AlertTarget::Format format{};
    std::shared_ptr<const call::UpstreamSettings> to;
    std::deque<Letter> letters;
    std::optional<AttemptId> flying;  // of the first letter
    int failures = 0;                 // in a row
    Instant next_try;
    Instant posted;
    MailCounts counts;
  };

  void write(Box& box, const std::vector<Notice>& notices, const std::vector<Alert>& active,
             const Now& now);
  void push(Box& box, std::string body);
  void pump(Box& box);
  void start(Box& box);

  ports::Upstream& upstream_;
  std::string stake_;
  std::function<void(const std::string&)> complain_;
  std::vector<Box> boxes_;
  Now now_;
  std::uint64_t next_attempt_ = 1;
};

// The body of a POST to /api/v2/alerts: those that are active, and those that are over (resolved).
std::string alertmanager_body(const std::vector<Alert>& active, const std::vector<Notice>& notices,
                              std::string_view stake_field, WallTime now);

}  // namespace hf::control
