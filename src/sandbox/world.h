// The sandbox without its sockets: given a request, what happens, and what the client is to see of
// it. Pure but for its own state; one thread calls it, with the time as an argument.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "base/prng.h"
#include "base/time.h"
#include "sandbox/answer.h"
#include "sandbox/charges.h"
#include "sandbox/fault.h"
#include "sandbox/key_store.h"
#include "sandbox/ledger.h"
#include "sandbox/options.h"
#include "sandbox/stripe.h"

namespace hf::sandbox {

// What the client sees of the answer.
enum class Ending {
  send,
  reset,        // RST instead of the answer
  cut_fin,      // head and half of the body, FIN
  cut_rst,      // the same, RST
  hang,         // nothing, for ever
  garbage,      // bytes that are no HTTP; `detail` says which
  idle_close,   // sent; then closed after `wait_ms` without a byte
  doom_read,    // sent; the next request of this connection is read, then FIN
  doom_unread,  // sent; the connection dies with the next request unread in it
};

struct Arrival {
  std::uint64_t seq = 0;         // in the ledger
  std::uint64_t ticket = 0;      // not 0: call finish() after delay_ms, it gives the answer
  std::int64_t delay_ms = 0;     // before the answer, or before the effect
  bool reset_now = false;        // the connection dies at once, whatever the ticket still does
  std::optional<Answer> answer;  // the answer when there is nothing to execute
  Ending ending = Ending::send;
  std::string detail;
  std::int64_t wait_ms = 0;
};

// What a request to /_... asks of the sockets.
struct ControlOutcome {
  Answer answer;
  std::optional<std::int64_t> down_for_ms;  // 0: until told otherwise
  bool up = false;
};

class World {
 public:
  // ErrorKind::invalid when the options' faults do not parse.
  static Result<World> make(const SandboxOptions& options);

  // A request has been read whole. Safe methods are never effects.
  Arrival arrive(const Request& request, WallTime now);
  // Executes what arrive() announced. Exactly once a ticket, whether or not the client is there.
  Answer finish(std::uint64_t ticket, WallTime now);
  // The connection was gone before the answer of finish() could be written.
  void note_unanswered(std::uint64_t seq);
  // A request that the connection swallowed: close_on_reuse.
  void note_dropped(const Request& request, WallTime now);

  static bool is_control(std::string_view path) { return path.substr(0, 2) == "/_"; }
  ControlOutcome control(const Request& request, bool is_down, WallTime now);

  [[nodiscard]] const SandboxOptions& options() const { return options_; }
  [[nodiscard]] const Ledger& ledger() const { return ledger_; }

 private:
  struct Pending {
    Request request;
    Params params;
    Fault fault;
    std::string charge;  // listed already, empty: none
    std::string key;     // with its owner; empty: no key or keys are ignored
    std::uint64_t seq = 0;
    bool answered = true;  // whether the client sees a status line
    std::string request_id;
  };

  World(const SandboxOptions& options, FaultPlan plan);
  RequestEntry entry_of(const Request& request, const Params& params, WallTime now);
  [[nodiscard]] bool honours_keys(std::string_view path) const;
  [[nodiscard]] std::string identity_of(const RequestEntry& entry) const;
  // The answer of a fault that keeps the request from being executed, if it is one.
  static std::optional<Answer> refusal(const Fault& fault);
  Answer perform(const Pending& pending, WallTime now, bool& applied);
  Answer execute(const Pending& pending, WallTime now, bool& applied);
  Answer closing(Answer answer, std::uint64_t seq, bool answered, const std::string& request_id);
  Answer set_faults(const Request& request);
  Answer show_faults() const;
  Answer show_ledger(const Request& request) const;

  SandboxOptions options_;
  FaultPlan plan_;
  Ledger ledger_;
  KeyStore keys_;
  StripeBook stripe_;
  ChargeBook charges_;
  Prng request_ids_;
  std::map<std::uint64_t, Pending> pending_;
  std::uint64_t last_ticket_ = 0;
  std::uint64_t llm_serial_ = 0;
};

}  // namespace hf::sandbox
