// Calls of routes that only observe (`mode: observe`): sent at once, once, as they came, past the
// engine and the journal; what became of them is told to the observer. Stands between the ports and
// the driver, which sees none of these calls, and only where some route observes.
//
// I/O thread only.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "call/intake.h"
#include "engine/observer.h"
#include "ports/clients.h"
#include "ports/clock.h"
#include "ports/upstream.h"

namespace hf::runtime {

// Bytes of request bodies kept at once to be judged; beyond it a call goes unseen.
inline constexpr std::uint64_t kCopiesMax = 64ULL << 20;

// What is told of a call beside each finding: never a body, a query, a key or a credential.
struct Passage {
  std::string route;  // its path
  std::string method;
  std::string path;
};

struct RelayParts {
  ports::Upstream* upstream = nullptr;
  ports::Clients* clients = nullptr;
  ports::Clock* clock = nullptr;
  ports::ClientEvents* calls = nullptr;        // for all other calls: the driver
  ports::UpstreamEvents* attempts = nullptr;   // for all other attempts: the driver
  std::shared_ptr<const call::Intake> intake;  // of call::acting(settings), without side effects
  std::shared_ptr<const call::Settings> settings;  // the same
  std::uint64_t seed = 0;
  std::uint64_t copies_max = kCopiesMax;
  // One observed call has ended. `seen` may be empty: nothing would have been otherwise.
  std::function<void(const Passage&, const std::vector<engine::Sighting>& seen)> ended;
};

class RelayedBody;
class RelayedAnswer;

class Relay final : public ports::ClientEvents, public ports::UpstreamEvents {
 public:
  explicit Relay(RelayParts parts);
  ~Relay() override;

  [[nodiscard]] const engine::Observer& observer() const { return observer_; }
  [[nodiscard]] std::size_t under_way() const { return passing_.size(); }
  // Bytes of bodies that are kept at this moment.
  [[nodiscard]] std::uint64_t copies() const { return copies_; }

  // ports::ClientEvents
  void on_call(ExchangeId id, call::NewCall call, std::shared_ptr<ports::BodySource> body) override;
  void on_ask(ExchangeId id, call::CallAsk ask) override;
  void on_gone(ExchangeId id) override;
  // ports::UpstreamEvents
  void on_answer_head(AttemptId id, call::AnswerHead head, bool overflow) override;
  void on_attempt_done(AttemptId id, call::AttemptOutcome outcome) override;

 private:
  friend class RelayedBody;
  struct Passing;

  void look(Passing& passing);
  void look_at_whole(Passing& passing, Body body);
  void arrived(Passing& passing, const call::NewCall& call);
  void unseen(Passing& passing, std::string_view why);
  void refused(Passing& passing, const call::Reply& reply);
  void refuse_too_large(Passing& passing);
  // For RelayedBody.
  bool reserve(std::uint64_t bytes);
  void release(std::uint64_t bytes) { copies_ -= bytes; }
  void body_over(AttemptId id);
  void rest_over(AttemptId id);
  void finish(AttemptId id, call::AttemptOutcome outcome);
  void answer(const Passing& passing, call::AttemptOutcome& outcome);
  engine::Ending ending_of(const Passing& passing, call::AttemptOutcome outcome) const;

  RelayParts parts_;
  engine::Observer observer_;
  std::map<AttemptId, std::unique_ptr<Passing>> passing_;
  std::map<ExchangeId, AttemptId> attempt_of_;
  std::uint64_t next_ = 1;
  std::uint64_t copies_ = 0;
};

}  // namespace hf::runtime
