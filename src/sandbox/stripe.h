// As much of Stripe as its SDK needs to take a payment: charges, payment intents, customers and
// refunds, with its errors. Objects live in memory; the newest kMaxObjects are kept.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/prng.h"
#include "base/time.h"
#include "sandbox/answer.h"

namespace hf::sandbox {

struct StripeOutcome {
  Answer answer;
  bool applied = false;  // something changed: money moved or an object was made
};

class StripeBook {
 public:
  static constexpr std::size_t kMaxObjects = 200'000;

  explicit StripeBook(std::uint64_t seed) : ids_(Prng(seed).fork("stripe ids")) {}

  // Whether handle() knows the resource of this path.
  static bool knows(std::string_view path);
  // `params` are those of the body, or of the query for a safe method. A HEAD is asked as GET.
  StripeOutcome handle(const Request& request, const Params& params, WallTime now);
  void clear();

 private:
  using Object = boost::json::object;

  StripeOutcome create_charge(const Params& params, WallTime now);
  StripeOutcome create_intent(const Params& params, WallTime now);
  StripeOutcome confirm_intent(Object& intent, const Params& params, WallTime now);
  StripeOutcome capture(Object& object, const Params& params);
  StripeOutcome cancel_intent(Object& intent);
  StripeOutcome create_customer(const Params& params, WallTime now);
  StripeOutcome create_refund(const Params& params, WallTime now);
  StripeOutcome list(std::string_view kind, const Params& params) const;
  StripeOutcome search(std::string_view kind, const Params& params) const;
  StripeOutcome on_object(const Request& request, const std::string& id, std::string_view action,
                          const Params& params, WallTime now);

  Object new_charge(const Params& params, std::int64_t amount, const std::string& currency,
                    WallTime now);
  Object& keep(Object object);
  Object* find(std::string_view id);
  std::string make_id(std::string_view prefix);

  Prng ids_;
  std::map<std::string, Object, std::less<>> objects_;
  std::deque<std::string> order_;  // ids, oldest first
};

}  // namespace hf::sandbox
