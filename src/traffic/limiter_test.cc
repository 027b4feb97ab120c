#include "traffic/limiter.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "base/prng.h"
#include "traffic/limit_reply.h"

namespace hf::traffic {
namespace {

using Kind = call::LimitPart::Kind;

constexpr HashSecret kSecret{1, 2, 3};
constexpr Instant kNow{5'000'000'000};

call::LimitSettings limit_of(std::string name, std::vector<call::LimitPart> by, std::int64_t count,
                             Duration per) {
  call::LimitSettings out;
  out.name = std::move(name);
  out.by = std::move(by);
  out.rate = Rate{count, per};
  out.burst = count;
  return out;
}

call::TrafficSettings only(call::LimitSettings limit) {
  call::TrafficSettings out;
  out.limits.push_back(std::move(limit));
  out.keys_max = 10'000;
  return out;
}

call::IncomingHead head_from(std::string address, std::string target = "/", Fields fields = {},
                             std::string method = "GET") {
  call::IncomingHead out;
  out.method = std::move(method);
  out.target = std::move(target);
  out.fields = std::move(fields);
  out.client_address = std::move(address) + ":1000";
  return out;
}

// How many of `n` requests are admitted at `now`.
int admitted(Limiter& limiter, const call::IncomingHead& head, int n, Instant now = kNow) {
  int out = 0;
  for (int i = 0; i < n; ++i)
    out += limiter.on_head(head, now, false).refusal ? 0 : 1;
  return out;
}

TEST(Limiter, each_address_has_its_own_share) {
  Limiter limiter(only(limit_of("a", {{}}, 3, Duration::seconds(3))), kSecret);
  EXPECT_EQ(admitted(limiter, head_from("192.0.2.1"), 10), 3);
  EXPECT_EQ(admitted(limiter, head_from("192.0.2.2"), 10), 3);
  EXPECT_EQ(admitted(limiter, head_from("192.0.2.1"), 10, kNow + Duration::seconds(1)), 1);
  EXPECT_EQ(limiter.counts(0).admitted, 7U);
  EXPECT_EQ(limiter.counts(0).quota, 23U);
  const auto offenders = limiter.offenders(0);
  ASSERT_EQ(offenders.size(), 2U);
  EXPECT_EQ(offenders[0].client, "192.0.2.1");
  EXPECT_EQ(offenders[0].refused, 16U);
}

TEST(Limiter, says_what_it_measured) {
  Limiter limiter(only(limit_of("login", {{}}, 2, Duration::seconds(10))), kSecret);
  const auto first = limiter.on_head(head_from("192.0.2.1"), kNow, false);
  EXPECT_FALSE(first.refusal);
  EXPECT_EQ(first.pass.policies, "\"login\";q=2;w=10");
  EXPECT_EQ(first.pass.quotas, "\"login\";r=1;t=5");
  EXPECT_EQ(admitted(limiter, head_from("192.0.2.1"), 1), 1);
  const auto third = limiter.on_head(head_from("192.0.2.1"), kNow, false);
  ASSERT_TRUE(third.refusal);
  EXPECT_EQ(third.refusal->measured, 3);
  EXPECT_EQ(third.refusal->threshold, 2);
  EXPECT_EQ(third.refusal->again_after, Duration::seconds(5));
  EXPECT_EQ(third.pass.quotas, "\"login\";r=0;t=10");
  const call::Reply reply = limit_reply(*third.refusal, false);
  EXPECT_EQ(reply.status, 429);
  EXPECT_EQ(find_field(reply.fields, "Retry-After")->value, "5");
  EXPECT_EQ(find_field(reply.fields, "Holdfast-Effect")->value, "none");
  EXPECT_EQ(call::problem_code(reply), "quota-exceeded");
  EXPECT_EQ(view(reply.body),
            R"({"type":"https://iana.org/assignments/http-problem-types#quota-exceeded",)"
            R"("title":"The client has asked for more than its share.","status":429,)"
            R"("detail":"Limit login: 3 of 2 units, 2/10s.","effect":"none","safe_to_retry":true,)"
            R"("limit":{"rule":"login","measured":3,"threshold":2,"unit":"units"},)"
            R"("violated-policies":["login"],"error":{"type":"rate_limit_error",)"
            R"("code":"quota-exceeded","message":"The client has asked for more than its share. )"
            R"(Limit login: 3 of 2 units, 2/10s."}})");
  EXPECT_EQ(find_field(limit_reply(*third.refusal, true).fields, "Holdfast-Effect")->value,
            "unknown");
}

TEST(Limiter, all_limits_must_admit_or_none_has_counted) {
  call::TrafficSettings settings = only(limit_of("wide", {{}}, 5, Duration::seconds(5)));
  settings.limits.push_back(limit_of("narrow", {{}}, 1, Duration::seconds(100)));
  settings.limits[1].match.path = "/login";
  Limiter limiter(settings, kSecret);
  EXPECT_EQ(admitted(limiter, head_from("192.0.2.1", "/login"), 50), 1);
  // The 49 that were refused have cost nothing of the wide one.
  EXPECT_EQ(admitted(limiter, head_from("192.0.2.1", "/other"), 50), 4);
}

TEST(Limiter, who_is_refused_by_another_limit_is_told_what_it_still_has) {
  call::LimitSettings wide = limit_of("wide", {{}}, 100, Duration::seconds(1));
  wide.cost = 30;
  call::TrafficSettings settings = only(wide);
  settings.limits.push_back(limit_of("narrow", {{}}, 1, Duration::seconds(10)));
  Limiter limiter(settings, kSecret);
  const auto head = head_from("192.0.2.1");
  EXPECT_EQ(limiter.on_head(head, kNow, false).pass.quotas,
            "\"wide\";r=70;t=1, \"narrow\";r=0;t=10");
  const auto refused = limiter.on_head(head, kNow + Duration::seconds(2), false);
  ASSERT_TRUE(refused.refusal);
  EXPECT_EQ(refused.pass.quotas, "\"wide\";r=100;t=0, \"narrow\";r=0;t=8");
}

TEST(Limiter, a_missing_part_counts_as_the_address) {
  Limiter limiter(only(limit_of("k", {{Kind::header, "X-Api-Key"}}, 2, Duration::seconds(2))),
                  kSecret);
  EXPECT_EQ(admitted(limiter, head_from("192.0.2.1", "/", {{"X-Api-Key", "a"}}), 5), 2);
  EXPECT_EQ(admitted(limiter, head_from("192.0.2.9", "/", {{"x-api-key", "a"}}), 5), 0);
  EXPECT_EQ(admitted(limiter, head_from("192.0.2.1"), 5), 2);
  EXPECT_EQ(admitted(limiter, head_from("192.0.2.2"), 5), 2);
  // Twice is no single value; it buys no third share.
  const Fields twice{{"X-Api-Key", "b"}, {"X-Api-Key", "c"}};
  EXPECT_EQ(admitted(limiter, head_from("192.0.2.1", "/", twice), 5), 0);
}

TEST(Limiter, cookies_claims_and_paths_tell_clients_apart) {
  const auto run = [](call::LimitPart part, const Fields& one, const Fields& other,
                      std::string target_one, std::string target_other) {
    call::LimitSettings limit = limit_of("p", {std::move(part)}, 1, Duration::seconds(9));
    limit.match.path = "/u/{id}";
    Limiter limiter(only(limit), kSecret);
    const auto a = head_from("192.0.2.1", std::move(target_one), one);
    const auto b = head_from("192.0.2.1", std::move(target_other), other);
    return admitted(limiter, a, 2) == 1 && admitted(limiter, b, 2) == 1 &&
           admitted(limiter, a, 2) == 0;
  };
  const auto cookie = [](std::string value) { return Fields{{"Cookie", "x=1; sid=" + value}}; };
  EXPECT_TRUE(run({Kind::cookie, "sid"}, cookie("a"), cookie("b"), "/u/1", "/u/1"));
  EXPECT_TRUE(run({Kind::path, "id"}, {}, {}, "/u/1", "/u/2"));
  const auto token = [](std::string claims) {
    return Fields{{"Authorization", "Bearer h." + claims + ".s"}};
  };
  // {"sub":"a"} and {"sub":"b"}
  EXPECT_TRUE(run({Kind::claim, "sub"}, token("eyJzdWIiOiJhIn0"), token("eyJzdWIiOiJiIn0"), "/u/1",
                  "/u/1"));
}

TEST(Limiter, a_claim_that_cannot_be_read_is_missing) {
  Limiter limiter(only(limit_of("c", {{Kind::claim, "sub"}}, 1, Duration::seconds(9))), kSecret);
  EXPECT_EQ(admitted(limiter, head_from("192.0.2.1"), 1), 1);
  for (const char* bad : {"Bearer x", "Bearer a.b", "Bearer a.!!!.c", "Basic a.b.c", "Bearer ",
                          "Bearer .", "Bearer ..", "Bearer a.e30.c"})
    EXPECT_EQ(admitted(limiter, head_from("192.0.2.1", "/", {{"Authorization", bad}}), 1), 0)
        << bad;
}

TEST(Limiter, a_part_of_the_body_is_judged_when_it_is_there) {
  Limiter limiter(only(limit_of("b", {{Kind::body, "/user"}}, 1, Duration::seconds(9))), kSecret);
  const auto head = head_from("192.0.2.1", "/", {}, "POST");
  const auto ask = [&](std::string_view body) {
    auto verdict = limiter.on_head(head, kNow, false);
    EXPECT_FALSE(verdict.refusal);
    EXPECT_EQ(verdict.pass.later.size(), 1U);
    return !limiter.on_body(head, body, verdict.pass, kNow, false);
  };
  EXPECT_TRUE(ask(R"({"user":"a"})"));
  EXPECT_FALSE(ask(R"({"user":"a"})"));
  EXPECT_TRUE(ask(R"({"user":"b"})"));
  EXPECT_TRUE(ask(""));  // by its address
  EXPECT_FALSE(ask("{"));
}

TEST(Limiter, costs_come_from_a_field_and_are_bounded) {
  call::LimitSettings limit = limit_of("c", {{}}, 100, Duration::seconds(1));
  limit.cost_header = "X-Cost";
  Limiter limiter(only(limit), kSecret);
  const auto left = [&](const char* cost, const char* address) {
    const auto verdict = limiter.on_head(head_from(address, "/", {{"X-Cost", cost}}), kNow, false);
    return verdict.pass.quotas.substr(0, verdict.pass.quotas.find(";t"));
  };
  EXPECT_EQ(left("40", "192.0.2.1"), "\"c\";r=60");
  EXPECT_EQ(left("0", "192.0.2.2"), "\"c\";r=99");
  EXPECT_EQ(left("-5", "192.0.2.3"), "\"c\";r=99");
  EXPECT_EQ(left("junk", "192.0.2.4"), "\"c\";r=99");
  EXPECT_EQ(left("99999999999999999999999", "192.0.2.5"), "\"c\";r=0");
}

TEST(Limiter, lists) {
  call::LimitSettings limit = limit_of("l", {{Kind::header, "X-Api-Key"}}, 1, Duration::hours(1));
  limit.allow = {*parse_network("192.0.2.0/28")};
  limit.block = {*parse_network("192.0.2.1")};
  limit.allow_values = {"office"};
  limit.block_values = {"thief"};
  Limiter limiter(only(limit), kSecret);
  EXPECT_EQ(admitted(limiter, head_from("192.0.2.2"), 9), 9);
  EXPECT_EQ(admitted(limiter, head_from("192.0.2.1"), 9), 0);
  EXPECT_EQ(admitted(limiter, head_from("8.8.8.8", "/", {{"X-Api-Key", "office"}}), 9), 9);
  const auto thief = head_from("8.8.8.8", "/", {{"X-Api-Key", "thief"}});
  const auto verdict = limiter.on_head(thief, kNow, false);
  ASSERT_TRUE(verdict.refusal);
  const call::Reply reply = limit_reply(*verdict.refusal, false);
  EXPECT_EQ(reply.status, 403);
  EXPECT_NE(view(reply.body).find("\"limit\":{\"rule\":\"l\",\"measured\":1,\"threshold\":0,"),
            std::string_view::npos)
      << view(reply.body);
  EXPECT_EQ(limiter.counts(0).exempt, 18U);
  EXPECT_EQ(limiter.counts(0).blocked, 10U);
  // What is sent twice is one of the two to the application, and nobody knows which.
  for (const std::string other : {"thief", "office", ""}) {
    for (const bool first : {true, false}) {
      Fields fields{{"X-Api-Key", first ? "thief" : other}, {"x-api-key", first ? other : "thief"}};
      EXPECT_EQ(admitted(limiter, head_from("8.8.4.4", "/", fields), 1), 0) << other;
    }
  }
}

TEST(Limiter, a_number_is_one_client_however_it_is_spelt) {
  const auto left = [](std::vector<std::string> values) {
    Limiter limiter(only(limit_of("n", {{Kind::body, "/user"}}, 1, Duration::hours(1))), kSecret);
    int out = 0;
    for (const std::string& value : values) {
      const auto head = head_from("192.0.2.1");
      auto verdict = limiter.on_head(head, kNow, false);
      const std::string body = "{\"user\":" + value + "}";
      out += limiter.on_body(head, body, verdict.pass, kNow, false) ? 0 : 1;
    }
    return out;
  };
  EXPECT_EQ(left({"1", "1.0", "1e0", "10e-1", "0.1E+1", "1.000", "100e-2"}), 1);
  EXPECT_EQ(left({"-120", "-1.2e2", "-12E1", "-120.0"}), 1);
  EXPECT_EQ(left({"0", "-0", "0.0", "0e9", "-0.00e-3"}), 1);
  EXPECT_EQ(left({"1e300", "10e299", "0.1e301"}), 1);
  EXPECT_EQ(left({"1e-9", "0.000000001"}), 1);
  EXPECT_EQ(left({"12345678901234567890", "12345678901234567891", "12345678901234567890.0"}), 2);
  EXPECT_EQ(left({"1", "2", "10", "-1", "0.1", "\"x\""}), 6);
  EXPECT_EQ(left({"\"1.0\"", "\"1e0\""}), 2) << "a name that looks like a number is a name";
}

TEST(Limiter, two_tokens_are_no_claim) {
  Limiter limiter(only(limit_of("c", {{Kind::claim, "sub"}}, 1, Duration::hours(1))), kSecret);
  // {"sub":"a"}, {"sub":"b"}, ...: each has a share of its own, as nobody has verified them ...
  const auto with = [](std::vector<std::string> claims) {
    Fields fields;
    for (const std::string& one : claims)
      fields.push_back({"Authorization", "Bearer e30." + one + ".x"});
    return head_from("192.0.2.1", "/", fields);
  };
  EXPECT_EQ(admitted(limiter, with({"eyJzdWIiOiJhIn0"}), 2), 1);
  EXPECT_EQ(admitted(limiter, with({"eyJzdWIiOiJiIn0"}), 2), 1);
  // ... but of two, the application reads one and we might read the other: the address counts.
  EXPECT_EQ(admitted(limiter, with({"eyJzdWIiOiJjIn0", "eyJzdWIiOiJhIn0"}), 2), 1);
  EXPECT_EQ(admitted(limiter, with({"eyJzdWIiOiJkIn0", "eyJzdWIiOiJhIn0"}), 2), 0);
}

TEST(Limiter, who_is_refused_again_and_again_is_banned) {
  call::LimitSettings limit = limit_of("b", {{}}, 2, Duration::seconds(2));
  limit.ban = call::LimitBan{3, Duration::seconds(30), Duration::seconds(60), {}};
  Limiter limiter(only(limit), kSecret);
  const auto head = head_from("192.0.2.1");
  EXPECT_EQ(admitted(limiter, head, 5), 2);  // three offences
  const auto verdict = limiter.on_head(head, kNow, false);
  ASSERT_TRUE(verdict.refusal);
  EXPECT_EQ(verdict.refusal->why, Why::banned);
  EXPECT_EQ(verdict.refusal->again_after, Duration::seconds(60));
  EXPECT_EQ(call::problem_code(limit_reply(*verdict.refusal, false)), "banned");
  EXPECT_EQ(admitted(limiter, head, 9, kNow + Duration::seconds(59)), 0);
  EXPECT_EQ(admitted(limiter, head, 2, kNow + Duration::seconds(60)), 2);
  EXPECT_EQ(limiter.counts(0).bans, 1U);
  EXPECT_EQ(admitted(limiter, head_from("192.0.2.2"), 2), 2);
}

// To come back when the quota is there again would not help.
TEST(Limiter, the_refusal_that_begins_a_ban_tells_when_the_ban_ends) {
  call::LimitSettings limit = limit_of("b", {{}}, 1, Duration::seconds(2));
  limit.ban = call::LimitBan{2, Duration::seconds(30), Duration::seconds(60), {}};
  Limiter limiter(only(limit), kSecret);
  const auto head = head_from("192.0.2.1");
  EXPECT_EQ(admitted(limiter, head, 1), 1);
  const auto first = limiter.on_head(head, kNow, false);
  ASSERT_TRUE(first.refusal);
  EXPECT_EQ(first.refusal->again_after, Duration::seconds(2));
  const auto second = limiter.on_head(head, kNow, false);
  ASSERT_TRUE(second.refusal);
  EXPECT_EQ(second.refusal->why, Why::quota);
  EXPECT_EQ(second.refusal->again_after, Duration::seconds(60));
  EXPECT_EQ(admitted(limiter, head, 1, kNow + Duration::seconds(60)), 1);
}

TEST(Limiter, a_ban_that_ends_before_the_quota_is_there_is_no_promise) {
  call::LimitSettings limit = limit_of("b", {{}}, 1, Duration::seconds(100));
  limit.ban = call::LimitBan{1, Duration::seconds(30), Duration::seconds(5), {}};
  Limiter limiter(only(limit), kSecret);
  const auto head = head_from("192.0.2.1");
  EXPECT_EQ(admitted(limiter, head, 2), 1);
  const auto banned = limiter.on_head(head, kNow + Duration::seconds(1), false);
  ASSERT_TRUE(banned.refusal);
  EXPECT_EQ(banned.refusal->why, Why::banned);
  EXPECT_EQ(banned.refusal->again_after, Duration::seconds(99));
  EXPECT_EQ(admitted(limiter, head, 1, kNow + Duration::seconds(100)), 1);
}

TEST(Limiter, seldom_offences_are_no_ban) {
  call::LimitSettings limit = limit_of("b", {{}}, 1, Duration::seconds(1));
  limit.ban = call::LimitBan{3, Duration::seconds(30), Duration::seconds(60), {}};
  Limiter limiter(only(limit), kSecret);
  for (int i = 0; i < 100; ++i)
    EXPECT_EQ(admitted(limiter, head_from("192.0.2.1"), 2, kNow + Duration::seconds(11 * i)), 1);
  EXPECT_EQ(limiter.counts(0).bans, 0U);
}

TEST(Limiter, answers_may_be_the_offence) {
  call::LimitSettings limit;
  limit.name = "guess";
  limit.by = {{}};
  limit.ban = call::LimitBan{2, Duration::seconds(30), Duration::seconds(60), {401}};
  Limiter limiter(only(limit), kSecret);
  const auto head = head_from("192.0.2.1");
  const auto answered = [&](int status) {
    const auto verdict = limiter.on_head(head, kNow, false);
    if (!verdict.refusal) limiter.on_answer(verdict.pass, status, kNow);
    return !verdict.refusal;
  };
  EXPECT_TRUE(answered(401));
  EXPECT_TRUE(answered(200));
  EXPECT_TRUE(answered(401));
  EXPECT_FALSE(answered(200));
}

TEST(Limiter, to_observe_is_to_refuse_nothing) {
  call::LimitSettings limit = limit_of("o", {{}}, 1, Duration::hours(1));
  limit.mode = call::LimitMode::observe;
  Limiter limiter(only(limit), kSecret);
  int told = 0;
  limiter.tell([&](const Refusal&, bool acted) { told += acted ? 100 : 1; });
  EXPECT_EQ(admitted(limiter, head_from("192.0.2.1"), 9), 9);
  EXPECT_EQ(told, 8);
  EXPECT_EQ(limiter.counts(0).quota, 8U);
  EXPECT_TRUE(limiter.on_head(head_from("192.0.2.7"), kNow, false).pass.policies.empty());
}

TEST(Limiter, a_route_that_observes_refuses_nothing) {
  Limiter limiter(only(limit_of("o", {{}}, 1, Duration::hours(1))), kSecret);
  for (int i = 0; i < 5; ++i)
    EXPECT_FALSE(limiter.on_head(head_from("192.0.2.1"), kNow, true).refusal);
  EXPECT_EQ(limiter.counts(0).quota, 4U);
}

TEST(Limiter, a_route_that_observes_bans_nobody_from_the_others) {
  for (const auto mode : {call::LimitMode::enforce, call::LimitMode::observe}) {
    call::LimitSettings limit = limit_of("o", {{}}, 1, Duration::hours(1));
    limit.mode = mode;
    limit.ban = call::LimitBan{2, Duration::hours(1), Duration::hours(1), {}};
    Limiter limiter(only(limit), kSecret);
    for (int i = 0; i < 9; ++i)
      EXPECT_FALSE(limiter.on_head(head_from("192.0.2.1"), kNow, true).refusal);
    // A limit that observes itself tells what it would do, bans included.
    EXPECT_EQ(limiter.counts(0).bans, mode == call::LimitMode::enforce ? 0U : 1U);
  }
}

TEST(Limiter, without_room_it_does_as_it_is_told) {
  for (const auto what : {call::WhenFull::admit, call::WhenFull::refuse}) {
    call::LimitSettings limit = limit_of("f", {{}}, 1, Duration::hours(1));
    limit.when_full = what;
    call::TrafficSettings settings = only(limit);
    settings.keys_max = 1;
    Limiter limiter(settings, kSecret);
    int refused = 0;
    for (int i = 0; i < 4000; ++i) {
      const auto head = head_from(fmt::format("10.{}.{}.1", i / 256, i % 256));
      admitted(limiter, head, 2);  // an offender now, where there was room
    }
    for (int i = 0; i < 4000; ++i) {
      const auto head = head_from(fmt::format("11.{}.{}.1", i / 256, i % 256));
      const auto refusal = limiter.on_head(head, kNow, false).refusal;
      if (!refusal) continue;
      ++refused;
      ASSERT_EQ(refusal->threshold, static_cast<std::int64_t>(limiter.table().keys_max()));
      ASSERT_EQ(refusal->measured, static_cast<std::int64_t>(limiter.table().size()));
    }
    EXPECT_EQ(refused, what == call::WhenFull::admit ? 0 : 4000);
    EXPECT_LE(limiter.table().size(), limiter.table().keys_max());
  }
}

// Nor by a ban that takes other offences, or that has forgotten this one, or is over.
TEST(Limiter, who_was_refused_and_still_owes_is_never_forgotten) {
  const std::vector<std::optional<call::LimitBan>> bans = {
      std::nullopt, call::LimitBan{3, Duration::seconds(3), Duration::hours(1), {}},
      call::LimitBan{1, Duration::seconds(3), Duration::seconds(1), {}},
      call::LimitBan{3, Duration::seconds(3), Duration::hours(1), {401}}};
  for (const auto& ban : bans) {
    call::LimitSettings limit = limit_of("n", {{}}, 1, Duration::seconds(100));
    limit.ban = ban;
    call::TrafficSettings settings = only(limit);
    settings.keys_max = 1;
    Limiter limiter(settings, kSecret);
    const auto thief = head_from("192.0.2.1");
    EXPECT_EQ(admitted(limiter, thief, 2), 1);
    const Instant later = kNow + Duration::seconds(50);
    for (int i = 0; i < 5000; ++i)
      admitted(limiter, head_from(fmt::format("10.0.{}.{}", i / 250, i % 250)), 1, later);
    EXPECT_EQ(admitted(limiter, thief, 1, later), 0);
    EXPECT_EQ(admitted(limiter, thief, 1, kNow + Duration::seconds(100)), 1);
  }
}

// Of one request the client of the second limit may have taken the place of the first one's.
TEST(Limiter, who_is_refused_keeps_its_place_from_the_other_limits_of_its_request) {
  call::TrafficSettings settings = only(limit_of("all", {{}}, 1, Duration::seconds(100)));
  settings.limits.push_back(limit_of("some", {{}}, 1, Duration::seconds(100)));
  settings.limits[1].match.path = "/b";
  settings.keys_max = 1;
  for (int i = 0; i < 3000; ++i) {
    Limiter limiter(settings, kSecret);
    const std::string address = fmt::format("10.0.{}.{}", i / 250, i % 250);
    EXPECT_EQ(admitted(limiter, head_from(address, "/a"), 1), 1);
    EXPECT_EQ(admitted(limiter, head_from(address, "/b"), 1), 0);
    EXPECT_EQ(admitted(limiter, head_from(address, "/a"), 1), 0) << address;
  }
}

TEST(Limiter, lift_forgets_what_is_owed) {
  call::LimitSettings limit = limit_of("l", {{}}, 1, Duration::hours(1));
  limit.ban = call::LimitBan{1, Duration::hours(1), Duration::hours(1), {}};
  Limiter limiter(only(limit), kSecret);
  const auto head = head_from("2001:db8:1:2:3::1");
  EXPECT_EQ(admitted(limiter, head, 3), 1);
  EXPECT_FALSE(limiter.lift("l", "2001:db8:1:3::/64"));
  EXPECT_FALSE(limiter.lift("other", "2001:db8:1:2::/64"));
  EXPECT_TRUE(limiter.lift("l", "2001:db8:1:2::/64"));
  EXPECT_EQ(admitted(limiter, head, 1), 1);
}

TEST(Limiter, matches_method_host_and_path) {
  call::LimitSettings limit = limit_of("m", {{}}, 1, Duration::hours(1));
  limit.match = {"/login", {"POST"}, "shop.example"};
  Limiter limiter(only(limit), kSecret);
  const Fields host{{"Host", "Shop.Example:8080"}};
  EXPECT_EQ(admitted(limiter, head_from("192.0.2.1", "/login", host, "GET"), 5), 5);
  EXPECT_EQ(admitted(limiter, head_from("192.0.2.1", "/x", host, "POST"), 5), 5);
  EXPECT_EQ(admitted(limiter, head_from("192.0.2.1", "/login", {{"Host", "a"}}, "POST"), 5), 5);
  EXPECT_EQ(admitted(limiter, head_from("192.0.2.1", "//%6cogin", host, "POST"), 5), 1);
}

// Whatever all others do, a client that asks for no more than its share is never refused, as long
// as there is room to know it.
RC_GTEST_PROP(LimiterFairness, no_decision_costs_a_client_more_than_its_own_share, ()) {
  const std::int64_t count = *rc::gen::inRange<std::int64_t>(1, 20);
  call::LimitSettings limit = limit_of("f", {{}}, count, Duration::seconds(1));
  limit.ban = call::LimitBan{5, Duration::seconds(10), Duration::seconds(30), {}};
  call::TrafficSettings settings = only(limit);
  settings.keys_max = 100'000;
  Limiter limiter(settings, kSecret);
  Prng prng(*rc::gen::arbitrary<std::uint64_t>());
  const Duration interval = Duration{(Duration::seconds(1).ns - 1) / count + 1};
  Instant now = kNow;
  Instant quiet_next = now;
  for (int i = 0; i < 3000; ++i) {
    now = now +
          Duration{static_cast<std::int64_t>(prng.below(static_cast<std::uint64_t>(interval.ns)))};
    const auto loud = head_from(fmt::format("10.0.{}.{}", prng.below(4), prng.below(250)));
    const int many = static_cast<int>(prng.below(6));
    admitted(limiter, loud, many, now);
    if (now >= quiet_next) {
      RC_ASSERT(!limiter.on_head(head_from("192.0.2.1"), now, false).refusal);
      quiet_next = now + interval;
    }
  }
}

}  // namespace
}  // namespace hf::traffic
