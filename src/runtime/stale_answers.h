// Answers that stand in for errors, on routes with `stale_if_error` (docs/adr/0019). Stands between
// server and driver in both directions: it notes which exchanges read what, keeps a copy of answers
// that may be kept, and where an error would go out to such a reader it sends what it has kept.
// Nothing is held back: an answer flows on as it comes, and its copy is made beside it.
//
// I/O thread only. Exchanges of other routes cost one look-up.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "call/hasher.h"
#include "call/settings.h"
#include "ports/clients.h"
#include "ports/clock.h"
#include "stale/answer.h"
#include "stale/rules.h"
#include "stale/store.h"

namespace hf::runtime {

// While the upstream is down, who can be answered from memory does not wait longer than this for a
// queue, a pause, an open breaker or another attempt, whatever `wait` says. An attempt on its way
// is not cut.
inline constexpr Duration kStaleWait = Duration::seconds(1);

// One answer from memory.
struct StaleServed {
  std::string route;   // its path
  std::string reason;  // of the error
  Duration age;
};

// Since the process began; by route's path and a label.
struct StaleCounts {
  using ByRoute = std::map<std::pair<std::string, std::string>, std::uint64_t>;
  ByRoute served;    // the error it stood in for
  ByRoute missed;    // errors that went out: why nothing stood in (stale::Missed)
  ByRoute not_kept;  // answers that may not or could not be kept (stale::NotKept)
};

struct StaleParts {
  ports::Clients* clients = nullptr;     // the server
  ports::ClientEvents* calls = nullptr;  // the driver, or what stands before it
  ports::Clock* clock = nullptr;
  std::optional<call::Hasher> hasher;
  std::uint64_t max_bytes = 0;
  std::function<void(const StaleServed&)> served;  // may be empty
};

// What an answer is about: where the request goes and what it asks for, before its fields select
// among answers. `host_keep`: the client's Host goes upstream.
call::Digest target_of(const call::Hasher& hasher, const call::UpstreamSettings& upstream,
                       const call::Request& request, bool host_keep);

class StaleCopy;

class StaleAnswers final : public ports::ClientEvents, public ports::Clients {
 public:
  explicit StaleAnswers(StaleParts parts);
  ~StaleAnswers() override;

  // Where calls go on to. Before the first of them.
  void lead_to(ports::ClientEvents& calls) { parts_.calls = &calls; }
  // How the last attempt at an upstream went: down is who answered with an error, or not at all.
  void attempted(const std::string& upstream, bool failed);
  // The upstream has answered a write to it: what is kept of it goes, and what is on its way to be
  // kept may have been read before.
  void changed(const call::Digest& target);

  [[nodiscard]] const StaleCounts& counts() const { return counts_; }
  [[nodiscard]] const stale::Store& store() const { return *store_; }
  [[nodiscard]] std::size_t under_way() const { return open_.size(); }

  // ports::ClientEvents
  void on_call(ExchangeId id, call::NewCall call, std::shared_ptr<ports::BodySource> body) override;
  void on_ask(ExchangeId id, call::CallAsk ask) override;
  void on_gone(ExchangeId id) override;
  // ports::Clients
  void reply(ExchangeId id, call::Reply reply) override;
  std::shared_ptr<ports::AnswerSink> begin(ExchangeId id, call::AnswerHead head) override;
  void finish(ExchangeId id, bool complete) override;

 private:
  struct Open;
  using Exchanges = std::map<ExchangeId, Open>;

  [[nodiscard]] stale::Selector selector(const Open& open) const;
  std::shared_ptr<const stale::Kept> find(const Open& open);
  std::shared_ptr<const call::RouteSettings> impatient(
      const std::shared_ptr<const call::RouteSettings>& route);
  std::optional<call::Reply> instead(const Open& open, const stale::Error& error,
                                     const Fields& error_fields);
  // What a whole answer, or one's head, says about what is kept.
  void learn(const Open& open, call::AnswerHead head, Body body);
  void learn_from_head(const Open& open, const call::AnswerHead& head);
  void put(const Open& open, const Fields& answer, stale::Kept kept);
  void not_kept(const Open& open, stale::NotKept why);
  void close(Exchanges::iterator at);

  StaleParts parts_;
  std::shared_ptr<stale::Store> store_;  // copies outlive an exchange
  StaleCounts counts_;
  Exchanges open_;
  std::multimap<call::Digest, ExchangeId> by_target_;  // of open_
  std::set<std::string> down_;                         // upstreams, by name
  // Routes as their readers have them while something is kept; the route itself is held beside.
  std::map<const call::RouteSettings*, std::pair<std::shared_ptr<const call::RouteSettings>,
                                                 std::shared_ptr<const call::RouteSettings>>>
      impatient_;
};

}  // namespace hf::runtime
