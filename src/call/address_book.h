// The addresses that the calls of one upstream may go to: how each is doing, how much it has under
// way, and where the next call goes. The engine has one for the URLs of an upstream, the adapter
// one for what a name stands for. Where a call in doubt is bound to an address is not decided here.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/prng.h"
#include "base/time.h"
#include "call/attempt.h"
#include "call/settings.h"
#include "policy/ejection.h"

namespace hf::call {

// What the end of an attempt says of the address that it went to.
enum class Sign : std::uint8_t {
  none,  // it was not asked, or what came of it says nothing of it
  ok,
  failed,
};
// Failed: it could not be reached, the connection broke, no status came in time, or a 5xx that is
// no declared refusal. None: we gave the attempt up, the client's body broke off, a refusal, it was
// our own fault that nothing was sent, or that of a proxy which asked nobody.
Sign sign_of(const AttemptOutcome& outcome, const Idempotency& rules);
// What failed, in a word: "connect_refused", "status 503".
std::string failure_of(const AttemptOutcome& outcome);

// One attempt at an address, from take() to give_back().
struct AddressTicket {
  std::string address;
  bool probe = false;
  Instant begun;
};

struct AddressFacts {
  std::string address;
  policy::Standing standing = policy::Standing::in;
  std::optional<WallTime> back_at;  // of one that is out: when its probe may go
  std::string last_failure;         // since its last success; empty: none
  int streak = 0;                   // failures since then
  int under_way = 0;
  std::uint64_t attempts = 0;  // these three since the address is known
  std::uint64_t failures = 0;
  std::uint64_t ejections = 0;
};

class AddressBook {
 public:
  AddressBook(const EjectionSettings& settings, Prng prng);

  // What addresses there are now; those already known keep what is known of them.
  void set(const std::vector<std::string>& addresses);
  [[nodiscard]] std::size_t size() const { return order_.size(); }

  // Where a call goes that may go anywhere: the address that waits for its probe, else of two of
  // those that are in the one with less under way; among `prefer` where one of these may be chosen.
  // `harmless`: it may be sent again whatever happens. There must be an address.
  AddressTicket take(Instant now, bool harmless, const std::vector<std::string>& prefer = {});
  // A call that goes to this one, however it is doing.
  AddressTicket take_this(std::string_view address, Instant now);
  // The attempt is over. `failure` is kept for people where the sign is `failed`.
  policy::Verdict give_back(const AddressTicket& ticket, Sign sign, std::string_view failure,
                            Instant now);
  // The same address tells of itself without a ticket: a connection that could not be made, say.
  policy::Verdict note(std::string_view address, Sign sign, std::string_view failure, Instant begun,
                       Instant now);

  // Some other address answered well when it was last asked, so that a failure of this one tells of
  // it and not of the upstream.
  [[nodiscard]] bool another_is_well(std::string_view address) const;
  [[nodiscard]] std::optional<AddressFacts> facts(std::string_view address, const Now& now) const;
  // In the order of set().
  [[nodiscard]] std::vector<AddressFacts> all(const Now& now) const;

 private:
  struct Entry {
    bool was_well = false;  // its last result was good
    std::string last_failure;
    int under_way = 0;
    std::uint64_t attempts = 0;
    std::uint64_t failures = 0;
    std::uint64_t ejections = 0;
  };
  [[nodiscard]] Entry* find(std::string_view address);
  AddressTicket begin(const std::string& address, bool probe, Instant now);
  policy::Verdict judge(std::string_view address, Sign sign, std::string_view failure, bool probe,
                        Instant begun, Instant now);

  policy::Ejection ejection_;
  Prng prng_;
  std::vector<std::string> order_;
  std::map<std::string, Entry, std::less<>> entries_;
};

// "5 failures in a row, the last: connect_refused; no calls for 10s" of one that is out.
std::string describe_ejection(const AddressFacts& facts, WallTime now);

}  // namespace hf::call
