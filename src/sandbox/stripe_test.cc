#include "sandbox/stripe.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>

namespace hf::sandbox {
namespace {

namespace json = boost::json;

struct Shop {
  StripeBook book{1};

  StripeOutcome ask(const std::string& method, const std::string& path, const std::string& form) {
    Request request{method, path, {}, {{"Authorization", "Bearer sk_test"}}, form};
    return book.handle(request, parse_form(form), WallTime{1'000});
  }
  static json::object body(const StripeOutcome& outcome) {
    return json::parse(outcome.answer.body).as_object();
  }
  static std::string id(const StripeOutcome& outcome) {
    return json::value_to<std::string>(body(outcome).at("id"));
  }
};

TEST(Params, FormAndJsonGiveTheSameNames) {
  const Params expected{{"amount", "100"}, {"metadata[order]", "a b&c"}, {"items[0][id]", "x"}};
  EXPECT_EQ(parse_form("amount=100&metadata%5Border%5D=a+b%26c&&items[0][id]=x"), expected);
  EXPECT_EQ(
      parse_json_params(R"({"amount":100,"metadata":{"order":"a b&c"},"items":[{"id":"x"}]})"),
      expected);
  EXPECT_EQ(parse_form("a=%zz&b=%4"), (Params{{"a", "%zz"}, {"b", "%4"}}));
  EXPECT_TRUE(parse_json_params("[1]").empty());
  EXPECT_TRUE(parse_body_params("multipart/form-data; boundary=x", "a=b").empty());
}

TEST(Params, Sha256) {
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Stripe, ChargeIsMadeShownListedAndFound) {
  Shop shop;
  const auto made =
      shop.ask("POST", "/v1/charges", "amount=100&currency=usd&source=tok_visa&metadata[order]=7");
  EXPECT_TRUE(made.applied);
  EXPECT_EQ(made.answer.status, 200);
  EXPECT_EQ(Shop::body(made).at("status"), "succeeded");
  const auto shown = shop.ask("GET", "/v1/charges/" + Shop::id(made), "");
  EXPECT_FALSE(shown.applied);
  EXPECT_EQ(shown.answer.body, made.answer.body);
  EXPECT_EQ(Shop::body(shop.ask("GET", "/v1/charges", "limit=3")).at("data").as_array().size(), 1U);
  const auto found = shop.ask("GET", "/v1/charges/search", "query=metadata['order']:'7'");
  EXPECT_EQ(Shop::body(found).at("data").as_array().size(), 1U);
  const auto missed = shop.ask("GET", "/v1/charges/search", "query=metadata['order']:'8'");
  EXPECT_EQ(Shop::body(missed).at("data").as_array().size(), 0U);
}

TEST(Stripe, RefusalsHaveStripesShapeAndChangeNothing) {
  Shop shop;
  const auto check = [](const StripeOutcome& outcome, int status, const char* code) {
    EXPECT_EQ(outcome.answer.status, status);
    EXPECT_FALSE(outcome.applied);
    EXPECT_EQ(Shop::body(outcome).at("error").at("code"), code);
  };
  check(shop.ask("POST", "/v1/charges", "amount=1&currency=usd&source=tok_chargeDeclined"), 402,
        "card_declined");
  check(shop.ask("POST", "/v1/charges", "currency=usd&source=tok_visa"), 400, "parameter_missing");
  check(shop.ask("POST", "/v1/charges", "amount=x&currency=usd"), 400, "parameter_missing");
  check(shop.ask("GET", "/v1/charges/ch_none", ""), 404, "resource_missing");
  check(shop.ask("POST", "/v1/payment_intents",
                 "amount=1&currency=usd&payment_method=pm_card_chargeDeclined&confirm=true"),
        402, "card_declined");
  const auto anonymous = shop.book.handle({"GET", "/v1/charges", {}, {}, {}}, {}, WallTime{});
  EXPECT_EQ(anonymous.answer.status, 401);
}

TEST(Stripe, IntentIsConfirmedOnceCapturedOnceAndRefundedUpToItsAmount) {
  Shop shop;
  const auto made =
      shop.ask("POST", "/v1/payment_intents", "amount=100&currency=usd&capture_method=manual");
  const auto path = "/v1/payment_intents/" + Shop::id(made);
  EXPECT_EQ(Shop::body(made).at("status"), "requires_payment_method");
  const auto confirmed = shop.ask("POST", path + "/confirm", "payment_method=pm_card_visa");
  EXPECT_EQ(Shop::body(confirmed).at("status"), "requires_capture");
  EXPECT_EQ(shop.ask("POST", path + "/confirm", "").answer.status, 400);
  EXPECT_EQ(Shop::body(shop.ask("POST", path + "/capture", "")).at("status"), "succeeded");
  EXPECT_EQ(shop.ask("POST", path + "/capture", "").answer.status, 400);
  const auto form = "payment_intent=" + Shop::id(made);
  EXPECT_EQ(shop.ask("POST", "/v1/refunds", form + "&amount=60").answer.status, 200);
  EXPECT_EQ(shop.ask("POST", "/v1/refunds", form + "&amount=60").answer.status, 400);
  EXPECT_EQ(Shop::body(shop.ask("POST", "/v1/refunds", form)).at("amount"), 40);
  EXPECT_EQ(Shop::body(shop.ask("POST", "/v1/refunds", form)).at("error").at("code"),
            "charge_already_refunded");
}

TEST(Stripe, CustomerIsUpdatedAndDeleted) {
  Shop shop;
  const auto made = shop.ask("POST", "/v1/customers", "email=a@example.com");
  const auto path = "/v1/customers/" + Shop::id(made);
  const auto updated = shop.ask("POST", path, "name=Ada&metadata[x]=1");
  EXPECT_EQ(Shop::body(updated).at("name"), "Ada");
  EXPECT_EQ(Shop::body(updated).at("metadata").at("x"), "1");
  EXPECT_EQ(Shop::body(shop.ask("DELETE", path, "")).at("deleted"), true);
  EXPECT_EQ(shop.ask("GET", path, "").answer.status, 404);
}

}  // namespace
}  // namespace hf::sandbox
