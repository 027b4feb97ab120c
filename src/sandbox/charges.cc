#include "sandbox/charges.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>

#include "base/check.h"

namespace hf::sandbox {
namespace {

namespace json = boost::json;

constexpr std::string_view kPath = "/charges";
constexpr std::string_view kInvalid = "invalid_request_error";
constexpr std::size_t kTextKept = 256;

bool is_amount(const std::string& text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size() && value > 0;
}

// Empty: they make a charge.
std::string missing_in(const Params& params) {
  if (param_or(params, "ref", "").empty()) return "ref";
  return is_amount(param_or(params, "amount", "")) ? "" : "amount";
}

}  // namespace

bool ChargeBook::knows(std::string_view path) {
  return path == kPath || (path.substr(0, kPath.size()) == kPath && path[kPath.size()] == '/');
}

void ChargeBook::clear() {
  charges_.clear();
  by_ref_.clear();
  order_.clear();
}

json::object ChargeBook::shown(const Charge& charge) {
  return {
      {"id", charge.id},
      {"object", "charge"},
      {"ref", charge.ref},
      {"amount", std::stoll(charge.amount)},
      {"currency", charge.currency},
      {"customer", charge.customer.empty() ? json::value(nullptr) : json::value(charge.customer)},
      {"status", charge.status},
      {"created", charge.listed.ms / 1000}};
}

ChargeOutcome ChargeBook::handle(const Request& request, const Params& params, WallTime now,
                                 std::int64_t lag_ms) {
  const bool whole = request.path.size() <= kPath.size() + 1;
  const bool safe = is_safe_method(request.method);
  if (whole && safe) return list(params, now, lag_ms);
  if (whole && request.method == "POST") {
    const auto missing = missing_in(params);
    if (!missing.empty()) {
      return {error_answer(400, kInvalid, "parameter_missing",
                           fmt::format("Missing required param: {}.", missing)),
              false};
    }
    return {json_answer(201, shown(add(params, "succeeded", now))), true};
  }
  const auto id = whole ? std::string() : request.path.substr(kPath.size() + 1);
  const auto found = charges_.find(id);
  if (safe && found != charges_.end() && now.ms >= found->second.listed.ms + lag_ms) {
    return {json_answer(200, shown(found->second)), false};
  }
  return {error_answer(404, kInvalid, "resource_missing", "No such charge."), false};
}

ChargeOutcome ChargeBook::list(const Params& params, WallTime now, std::int64_t lag_ms) const {
  json::array data;
  bool more = false;
  const auto* customer = find_param(params, "customer");
  const auto take = [&](const std::string& id) {
    const auto found = charges_.find(id);
    if (found == charges_.end() || now.ms < found->second.listed.ms + lag_ms) return;
    if (customer != nullptr && found->second.customer != *customer) return;
    more = data.size() >= kMaxListed;
    if (!more) data.push_back(shown(found->second));
  };
  if (const auto* ref = find_param(params, "ref")) {
    const auto found = by_ref_.find(*ref);
    if (found != by_ref_.end()) std::for_each(found->second.begin(), found->second.end(), take);
  } else {
    for (auto id = order_.begin(); id != order_.end() && !more; ++id)
      take(*id);
  }
  return {json_answer(200, {{"data", std::move(data)}, {"has_more", more}}), false};
}

const ChargeBook::Charge& ChargeBook::add(const Params& params, std::string_view status,
                                          WallTime now) {
  if (order_.size() >= kMaxCharges) {
    const auto oldest = charges_.find(order_.front());
    HF_CHECK(oldest != charges_.end());
    const auto same = by_ref_.find(oldest->second.ref);
    HF_CHECK(same != by_ref_.end());
    same->second.pop_front();
    if (same->second.empty()) by_ref_.erase(same);
    charges_.erase(oldest);
    order_.pop_front();
  }
  Charge charge;
  charge.id = fmt::format("chg_{:016x}", ids_.next());
  charge.ref = param_or(params, "ref", "").substr(0, kTextKept);
  charge.amount = param_or(params, "amount", "");
  charge.currency = param_or(params, "currency", "eur").substr(0, kTextKept);
  charge.customer = param_or(params, "customer", "").substr(0, kTextKept);
  charge.status = std::string(status);
  charge.listed = now;
  order_.push_back(charge.id);
  by_ref_[charge.ref].push_back(charge.id);
  return charges_.insert_or_assign(charge.id, std::move(charge)).first->second;
}

std::string ChargeBook::list_only(const Params& params, std::string_view status, WallTime now) {
  return missing_in(params).empty() ? add(params, status, now).id : std::string();
}

ChargeOutcome ChargeBook::settle(const std::string& id) {
  const auto found = charges_.find(id);
  // Forgotten by a reset, or for space: nothing is known of it any more.
  if (found == charges_.end()) {
    return {error_answer(404, kInvalid, "resource_missing", "No such charge."), false};
  }
  found->second.status = "succeeded";
  return {json_answer(201, shown(found->second)), true};
}

}  // namespace hf::sandbox
