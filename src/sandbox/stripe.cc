#include "sandbox/stripe.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <charconv>

#include "base/check.h"

namespace hf::sandbox {
namespace {

namespace json = boost::json;

constexpr std::string_view kInvalid = "invalid_request_error";

struct Resource {
  std::string_view path;  // below /v1/
  std::string_view kind;  // the member "object"
  std::string_view prefix;
};
constexpr std::array<Resource, 4> kResources{{{"charges", "charge", "ch"},
                                              {"payment_intents", "payment_intent", "pi"},
                                              {"customers", "customer", "cus"},
                                              {"refunds", "refund", "re"}}};

json::string_view sv(std::string_view text) {
  return {text.data(), text.size()};
}

std::string text_of(const json::object& object, std::string_view name) {
  const auto* value = object.if_contains(sv(name));
  if (value == nullptr || !value->is_string()) return {};
  return {value->get_string().data(), value->get_string().size()};
}

std::int64_t number_of(const json::object& object, std::string_view name) {
  const auto* value = object.if_contains(sv(name));
  return value != nullptr && value->is_int64() ? value->get_int64() : 0;
}

StripeOutcome error(int status, std::string_view type, std::string_view code,
                    std::string_view message) {
  return {error_answer(status, type, code, message), false};
}

StripeOutcome missing_param(std::string_view name) {
  return error(400, kInvalid, "parameter_missing",
               fmt::format("Missing required param: {}.", name));
}

StripeOutcome no_such(std::string_view kind, std::string_view id) {
  return error(404, kInvalid, "resource_missing", fmt::format("No such {}: '{}'", kind, id));
}

StripeOutcome done(const json::object& object) {
  return {json_answer(200, object), true};
}
StripeOutcome shown(const json::object& object) {
  return {json_answer(200, object), false};
}

std::optional<std::int64_t> amount_in(const Params& params, std::string_view name) {
  const auto* text = find_param(params, name);
  if (text == nullptr) return std::nullopt;
  std::int64_t value = 0;
  const auto [end, failed] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (failed != std::errc{} || end != text->data() + text->size() || value < 1) return std::nullopt;
  return value;
}

json::object metadata_in(const Params& params) {
  json::object out;
  for (const auto& [name, value] : params) {
    if (name.size() > 10 && name.rfind("metadata[", 0) == 0 && name.back() == ']') {
      out[sv(std::string_view(name).substr(9, name.size() - 10))] = value;
    }
  }
  return out;
}

json::value optional_text(const Params& params, std::string_view name) {
  const auto* text = find_param(params, name);
  return text != nullptr ? json::value(*text) : json::value(nullptr);
}

bool is_true(const Params& params, std::string_view name) {
  return param_or(params, name, "") == "true";
}

bool declines(std::string_view source) {
  return source.find("chargeDeclined") != std::string_view::npos;
}

StripeOutcome declined(const std::string& charge, const json::object* intent) {
  json::object problem{{"type", "card_error"},
                       {"code", "card_declined"},
                       {"decline_code", "generic_decline"},
                       {"message", "Your card was declined."},
                       {"charge", charge}};
  if (intent != nullptr) problem["payment_intent"] = *intent;
  return {json_answer(402, {{"type", "error"}, {"error", std::move(problem)}}), false};
}

const Resource* resource_of(std::string_view path) {
  constexpr std::string_view kBase = "/v1/";
  if (path.substr(0, kBase.size()) != kBase) return nullptr;
  path.remove_prefix(kBase.size());
  const auto name = path.substr(0, path.find('/'));
  for (const auto& resource : kResources) {
    if (resource.path == name) return &resource;
  }
  return nullptr;
}

// One clause of Stripe's search language: metadata["order"]:"7", with either quote.
std::optional<Param> parse_search(std::string_view query) {
  std::string text(query);
  for (auto& c : text) {
    if (c == '\'') c = '"';
  }
  constexpr std::string_view kStart = "metadata[\"";
  const auto middle = text.find("\"]:\"");
  if (text.rfind(kStart, 0) != 0 || middle == std::string::npos || text.size() < middle + 5 ||
      text.back() != '"') {
    return std::nullopt;
  }
  return Param{text.substr(kStart.size(), middle - kStart.size()),
               text.substr(middle + 4, text.size() - middle - 5)};
}

}  // namespace

bool StripeBook::knows(std::string_view path) {
  return resource_of(path) != nullptr;
}

void StripeBook::clear() {
  objects_.clear();
  order_.clear();
}

StripeOutcome StripeBook::handle(const Request& request, const Params& params, WallTime now) {
  const auto* resource = resource_of(request.path);
  HF_CHECK(resource != nullptr);
  if (find_field(request.fields, "Authorization") == nullptr) {
    return error(401, kInvalid, "", "You did not provide an API key.");
  }
  auto rest = std::string_view(request.path).substr(4 + resource->path.size());
  if (!rest.empty()) rest.remove_prefix(1);  // the slash
  if (rest.empty()) {
    if (request.method != "POST") return list(resource->kind, params);
    if (resource->kind == "charge") return create_charge(params, now);
    if (resource->kind == "payment_intent") return create_intent(params, now);
    if (resource->kind == "customer") return create_customer(params, now);
    return create_refund(params, now);
  }
  if (rest == "search" && request.method != "POST") return search(resource->kind, params);
  const auto slash = rest.find('/');
  const std::string id(rest.substr(0, slash));
  const auto* found = find(id);
  if (found == nullptr || text_of(*found, "object") != resource->kind) {
    return no_such(resource->kind, id);
  }
  const auto action = slash == std::string_view::npos ? std::string_view{} : rest.substr(slash + 1);
  return on_object(request, id, action, params, now);
}

StripeOutcome StripeBook::on_object(const Request& request, const std::string& id,
                                    std::string_view action, const Params& params, WallTime now) {
  auto& object = *find(id);
  const auto kind = text_of(object, "object");
  if (action.empty() && is_safe_method(request.method)) return shown(object);
  if (action.empty() && request.method == "DELETE" && kind == "customer") {
    objects_.erase(id);
    return done({{"id", id}, {"object", kind}, {"deleted", true}});
  }
  if (action.empty() && request.method == "POST") {
    for (const auto& member : metadata_in(params)) {
      object["metadata"].as_object()[member.key()] = member.value();
    }
    for (const auto* name : {"description", "email", "name"}) {
      if (find_param(params, name) != nullptr) object[name] = *find_param(params, name);
    }
    return done(object);
  }
  const bool posted = request.method == "POST";
  if (posted && kind == "payment_intent" && action == "confirm") {
    return confirm_intent(object, params, now);
  }
  if (posted && action == "capture" && kind != "customer") return capture(object, params);
  if (posted && kind == "payment_intent" && action == "cancel") return cancel_intent(object);
  return error(404, kInvalid, "",
               fmt::format("Unrecognized request URL ({}: {}).", request.method, request.path));
}

StripeBook::Object StripeBook::new_charge(const Params& params, std::int64_t amount,
                                          const std::string& currency, WallTime now) {
  const bool captured = param_or(params, "capture", "true") != "false" &&
                        param_or(params, "capture_method", "automatic") != "manual";
  return {{"id", make_id("ch")},
          {"object", "charge"},
          {"amount", amount},
          {"amount_captured", captured ? amount : 0},
          {"amount_refunded", 0},
          {"captured", captured},
          {"created", now.ms / 1000},
          {"currency", currency},
          {"customer", optional_text(params, "customer")},
          {"description", optional_text(params, "description")},
          {"livemode", false},
          {"metadata", metadata_in(params)},
          {"paid", true},
          {"payment_intent", nullptr},
          {"refunded", false},
          {"status", "succeeded"}};
}

StripeOutcome StripeBook::create_charge(const Params& params, WallTime now) {
  const auto amount = amount_in(params, "amount");
  if (!amount) return missing_param("amount");
  const auto* currency = find_param(params, "currency");
  if (currency == nullptr) return missing_param("currency");
  const auto* source = find_param(params, "source");
  if (source == nullptr && find_param(params, "customer") == nullptr)
    return missing_param("source");
  if (source != nullptr && declines(*source)) return declined(make_id("ch"), nullptr);
  return done(keep(new_charge(params, *amount, *currency, now)));
}

StripeOutcome StripeBook::create_intent(const Params& params, WallTime now) {
  const auto amount = amount_in(params, "amount");
  if (!amount) return missing_param("amount");
  const auto* currency = find_param(params, "currency");
  if (currency == nullptr) return missing_param("currency");
  const bool has_method = find_param(params, "payment_method") != nullptr;
  const auto id = make_id("pi");
  auto& intent =
      keep({{"id", id},
            {"object", "payment_intent"},
            {"amount", *amount},
            {"amount_capturable", 0},
            {"amount_received", 0},
            {"capture_method", param_or(params, "capture_method", "automatic")},
            {"client_secret", id + "_secret_sandbox"},
            {"created", now.ms / 1000},
            {"currency", *currency},
            {"customer", optional_text(params, "customer")},
            {"description", optional_text(params, "description")},
            {"latest_charge", nullptr},
            {"livemode", false},
            {"metadata", metadata_in(params)},
            {"payment_method", optional_text(params, "payment_method")},
            {"status", has_method ? "requires_confirmation" : "requires_payment_method"}});
  if (is_true(params, "confirm")) return confirm_intent(intent, params, now);
  return done(intent);
}

StripeOutcome StripeBook::confirm_intent(Object& intent, const Params& params, WallTime now) {
  const auto status = text_of(intent, "status");
  if (status != "requires_confirmation" && status != "requires_payment_method") {
    return error(400, kInvalid, "payment_intent_unexpected_state",
                 fmt::format("This PaymentIntent's status is {}: it cannot be confirmed.", status));
  }
  if (const auto* method = find_param(params, "payment_method")) intent["payment_method"] = *method;
  const auto method = text_of(intent, "payment_method");
  if (method.empty()) return missing_param("payment_method");
  if (declines(method)) {
    intent["status"] = "requires_payment_method";
    intent["payment_method"] = nullptr;
    return declined(make_id("ch"), &intent);
  }
  const auto amount = number_of(intent, "amount");
  const bool manual = text_of(intent, "capture_method") == "manual";
  auto charge = new_charge(params, amount, text_of(intent, "currency"), now);
  charge["payment_intent"] = intent["id"];
  charge["metadata"] = intent["metadata"];
  charge["captured"] = !manual;
  charge["amount_captured"] = manual ? 0 : amount;
  intent["latest_charge"] = charge["id"];
  intent["status"] = manual ? "requires_capture" : "succeeded";
  intent[manual ? "amount_capturable" : "amount_received"] = amount;
  const Object result = intent;  // keep() may drop the oldest object
  keep(std::move(charge));
  return done(result);
}

StripeOutcome StripeBook::capture(Object& object, const Params& params) {
  const bool is_intent = text_of(object, "object") == "payment_intent";
  auto* charge = is_intent ? find(text_of(object, "latest_charge")) : &object;
  if (charge == nullptr || charge->at("captured").as_bool()) {
    return error(400, kInvalid,
                 is_intent ? "payment_intent_unexpected_state" : "charge_already_captured",
                 "There is nothing to capture.");
  }
  const auto whole = number_of(*charge, "amount");
  const auto asked = amount_in(params, is_intent ? "amount_to_capture" : "amount").value_or(whole);
  const auto amount = std::min(whole, asked);
  (*charge)["captured"] = true;
  (*charge)["amount_captured"] = amount;
  if (is_intent) {
    object["status"] = "succeeded";
    object["amount_capturable"] = 0;
    object["amount_received"] = amount;
  }
  return done(object);
}

StripeOutcome StripeBook::cancel_intent(Object& intent) {
  const auto status = text_of(intent, "status");
  if (status == "succeeded" || status == "canceled") {
    return error(400, kInvalid, "payment_intent_unexpected_state",
                 fmt::format("This PaymentIntent's status is {}: it cannot be canceled.", status));
  }
  intent["status"] = "canceled";
  return done(intent);
}

StripeOutcome StripeBook::create_customer(const Params& params, WallTime now) {
  return done(keep({{"id", make_id("cus")},
                    {"object", "customer"},
                    {"created", now.ms / 1000},
                    {"description", optional_text(params, "description")},
                    {"email", optional_text(params, "email")},
                    {"livemode", false},
                    {"metadata", metadata_in(params)},
                    {"name", optional_text(params, "name")}}));
}

StripeOutcome StripeBook::create_refund(const Params& params, WallTime now) {
  auto charge_id = param_or(params, "charge", "");
  const auto intent_id = param_or(params, "payment_intent", "");
  if (charge_id.empty() && intent_id.empty()) return missing_param("charge");
  if (charge_id.empty()) {
    const auto* intent = find(intent_id);
    if (intent == nullptr) return no_such("payment_intent", intent_id);
    charge_id = text_of(*intent, "latest_charge");
  }
  auto* charge = find(charge_id);
  if (charge == nullptr || text_of(*charge, "object") != "charge")
    return no_such("charge", charge_id);
  const auto left = number_of(*charge, "amount_captured") - number_of(*charge, "amount_refunded");
  if (left <= 0) {
    return error(400, kInvalid, "charge_already_refunded",
                 fmt::format("Charge {} has already been refunded.", charge_id));
  }
  const auto amount = amount_in(params, "amount").value_or(left);
  if (amount > left) {
    return error(400, kInvalid, "", "The refund is greater than what is left of the charge.");
  }
  (*charge)["amount_refunded"] = number_of(*charge, "amount_refunded") + amount;
  (*charge)["refunded"] = amount == left;
  return done(keep({{"id", make_id("re")},
                    {"object", "refund"},
                    {"amount", amount},
                    {"charge", charge_id},
                    {"created", now.ms / 1000},
                    {"currency", (*charge)["currency"]},
                    {"metadata", metadata_in(params)},
                    {"payment_intent", (*charge)["payment_intent"]},
                    {"status", "succeeded"}}));
}

StripeOutcome StripeBook::list(std::string_view kind, const Params& params) const {
  const auto limit = std::min<std::int64_t>(amount_in(params, "limit").value_or(10), 100);
  const auto* after = find_param(params, "starting_after");
  const auto* customer = find_param(params, "customer");
  const auto* intent = find_param(params, "payment_intent");
  json::array data;
  bool more = false;
  bool passed = after == nullptr;
  for (auto id = order_.rbegin(); id != order_.rend() && !more; ++id) {
    const auto object = objects_.find(*id);
    if (object == objects_.end() || text_of(object->second, "object") != kind) continue;
    if (!passed) {
      passed = *id == *after;
      continue;
    }
    if (customer != nullptr && text_of(object->second, "customer") != *customer) continue;
    if (intent != nullptr && text_of(object->second, "payment_intent") != *intent) continue;
    more = static_cast<std::int64_t>(data.size()) >= limit;
    if (!more) data.push_back(object->second);
  }
  return shown({{"object", "list"},
                {"data", std::move(data)},
                {"has_more", more},
                {"url", fmt::format("/v1/{}s", kind)}});
}

StripeOutcome StripeBook::search(std::string_view kind, const Params& params) const {
  const auto wanted = parse_search(param_or(params, "query", ""));
  if (!wanted) {
    return error(400, kInvalid, "",
                 "The sandbox can only search for metadata[\"name\"]:\"value\".");
  }
  json::array data;
  for (auto id = order_.rbegin(); id != order_.rend() && data.size() < 100; ++id) {
    const auto object = objects_.find(*id);
    if (object == objects_.end() || text_of(object->second, "object") != kind) continue;
    const auto* metadata = object->second.if_contains("metadata");
    if (metadata != nullptr && metadata->is_object() &&
        text_of(metadata->get_object(), wanted->name) == wanted->value) {
      data.push_back(object->second);
    }
  }
  return shown({{"object", "search_result"},
                {"data", std::move(data)},
                {"has_more", false},
                {"next_page", nullptr},
                {"url", fmt::format("/v1/{}s/search", kind)}});
}

StripeBook::Object& StripeBook::keep(Object object) {
  const auto id = text_of(object, "id");
  if (order_.size() >= kMaxObjects) {
    objects_.erase(order_.front());
    order_.pop_front();
  }
  order_.push_back(id);
  return objects_.insert_or_assign(id, std::move(object)).first->second;
}

StripeBook::Object* StripeBook::find(std::string_view id) {
  const auto found = objects_.find(id);
  return found == objects_.end() ? nullptr : &found->second;
}

std::string StripeBook::make_id(std::string_view prefix) {
  return fmt::format("{}_{:016x}", prefix, ids_.next());
}

}  // namespace hf::sandbox
