// A provider without idempotency keys that can be asked: every POST /charges is one more charge,
// and GET /charges?ref=R tells which there are, perhaps only after a while. Objects live in memory;
// the newest kMaxCharges are kept.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>

#include "base/prng.h"
#include "base/time.h"
#include "sandbox/answer.h"

namespace hf::sandbox {

struct ChargeOutcome {
  Answer answer;
  bool applied = false;  // money moved
};

class ChargeBook {
 public:
  static constexpr std::size_t kMaxCharges = 200'000;
  static constexpr std::size_t kMaxListed = 100;  // of one answer

  explicit ChargeBook(std::uint64_t seed) : ids_(Prng(seed).fork("charge ids")) {}

  // Whether handle() knows this path.
  static bool knows(std::string_view path);
  // `params` are those of the body, or of the query for a safe method. `lag_ms`: a charge shows in
  // lookups this long after it was listed.
  ChargeOutcome handle(const Request& request, const Params& params, WallTime now,
                       std::int64_t lag_ms);
  // Lists a charge that has not moved money, with status "pending" or "failed". Returns its id;
  // empty when the parameters make no charge.
  std::string list_only(const Params& params, std::string_view status, WallTime now);
  // What was listed as pending has moved the money. `id` as list_only() gave it.
  ChargeOutcome settle(const std::string& id);
  void clear();

 private:
  struct Charge {
    std::string id;
    std::string ref;
    std::string amount;
    std::string currency;
    std::string customer;  // empty: none
    std::string status;
    WallTime listed;
  };

  static boost::json::object shown(const Charge& charge);
  const Charge& add(const Params& params, std::string_view status, WallTime now);
  [[nodiscard]] ChargeOutcome list(const Params& params, WallTime now, std::int64_t lag_ms) const;

  Prng ids_;
  std::map<std::string, Charge, std::less<>> charges_;
  std::map<std::string, std::deque<std::string>, std::less<>> by_ref_;  // ids, oldest first
  std::deque<std::string> order_;                                       // ids, oldest first
};

}  // namespace hf::sandbox
