// The retry budget of one upstream, after Finagle's: retries are paid for by successes, so that
// they can never multiply the load of an upstream that is failing. A first attempt needs no token.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/quantity.h"
#include "base/time.h"

namespace hf::policy {

struct BudgetConfig {
  int permille = 200;                    // thousandths of a token a success earns
  Rate floor{10, Duration::seconds(1)};  // tokens that come by themselves; count 0: none
  Duration credit_life =
      Duration::seconds(10);  // earned tokens last about so long (within a tenth)
  int max_tokens = 1000;      // earned ones kept at most
};

// Two purses. The floor is a token bucket that holds floor.count and starts full; the earned one
// holds thousandths in ten buckets by age. The earned one is emptied first, oldest first, because
// it expires. Over any time t at most floor.count + t * floor + earned/1000 tokens (+ max_tokens
// from before) go.
class Budget {
 public:
  explicit Budget(BudgetConfig config);

  // Any success at the upstream, first attempt or not.
  void earn(Instant now);
  // One token for one retry; false: none is there.
  bool try_take(Instant now);
  // When try_take will next succeed if nothing happens meanwhile: `now` if a token is there,
  // nothing if only a success can help.
  [[nodiscard]] std::optional<Instant> next_token(Instant now) const;
  // Keeps what is in both purses, as far as it fits. A change of credit_life drops the earned one.
  void reconfigure(BudgetConfig config);
  // Whole tokens in both purses.
  [[nodiscard]] std::int64_t available(Instant now) const;

 private:
  __extension__ typedef unsigned __int128 Wide;
  static constexpr std::size_t kBuckets = 10;
  struct Bucket {
    std::int64_t slot = INT64_MIN;
    std::int64_t milli = 0;
  };

  [[nodiscard]] std::int64_t slot(Instant now) const;
  [[nodiscard]] bool alive(const Bucket& bucket, Instant now) const;
  [[nodiscard]] std::int64_t earned_milli(Instant now) const;
  // The floor's level in 1/per.ns tokens: exact, whatever the rate.
  [[nodiscard]] Wide floor_level(Instant now) const;
  [[nodiscard]] Wide floor_token() const { return static_cast<Wide>(config_.floor.per.ns); }
  [[nodiscard]] Wide floor_full() const {
    return floor_token() * static_cast<Wide>(config_.floor.count);
  }
  void advance(Instant now);
  void spend_earned();

  BudgetConfig config_;
  std::array<Bucket, kBuckets> earned_{};
  Wide level_ = 0;  // of the floor, at latest_
  std::optional<Instant> latest_;
};

}  // namespace hf::policy
