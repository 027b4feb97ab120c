#include "call/parts.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "call/parts_json.h"

namespace hf::call {
namespace {

using Kind = PartValue::Kind;

std::string key(std::string_view value) {
  return parse_key(value).value_or("(none)");
}

TEST(ParseKey, BareAndQuotedAreOneKey) {
  EXPECT_EQ(key("k"), "k");
  EXPECT_EQ(key("\"k\""), "k");
  EXPECT_EQ(key(" \t\"k\" "), "k");
  EXPECT_EQ(key(R"("a\"b\\c")"), R"(a"b\c)");
  EXPECT_EQ(key(R"(a"b\c)"), R"(a"b\c)");
  EXPECT_EQ(key("8e03978e-40d5-43dd-bc93-6894a57f9324"), "8e03978e-40d5-43dd-bc93-6894a57f9324");
}

TEST(ParseKey, Refused) {
  for (const char* bad : {"", " ", "\"\"", "\"", "\"k", "\"k\";a=1", "\"a\"b\"", R"("a\b")",
                          R"("a\")", "a b", "\"a b\"", "k\x7F", "k\xC3\xA4", "a\tb", "k, k"}) {
    EXPECT_FALSE(parse_key(bad)) << bad;
  }
}

TEST(ParseKey, Length) {
  EXPECT_TRUE(parse_key(std::string(255, 'k')));
  EXPECT_FALSE(parse_key(std::string(256, 'k')));
  EXPECT_TRUE(parse_key("\"" + std::string(255, 'k') + "\""));
  EXPECT_FALSE(parse_key("\"" + std::string(256, 'k') + "\""));
}

RC_GTEST_PROP(ParseKey, QuotingAnyKeyGivesTheSameKey, ()) {
  auto text = *rc::gen::container<std::string>(rc::gen::inRange<char>(0x21, 0x7F));
  text = text.substr(0, kKeyMax);
  RC_PRE(!text.empty());
  RC_PRE(text.front() != '"');
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted.push_back('\\');
    quoted.push_back(c);
  }
  quoted.push_back('"');
  RC_ASSERT(parse_key(text) == std::optional<std::string>(text));
  RC_ASSERT(parse_key(quoted) == std::optional<std::string>(text));
}

RC_GTEST_PROP(ParseKey, WhateverIsTakenIsVisibleAndShort, (const std::string& any)) {
  const auto parsed = parse_key(any);
  if (!parsed) return;
  RC_ASSERT(!parsed->empty());
  RC_ASSERT(parsed->size() <= kKeyMax);
  for (const char c : *parsed)
    RC_ASSERT(c > 0x20 && c < 0x7F);
}

std::string json(std::string_view text, std::string_view pointer) {
  const JsonHit hit = find_json(text, pointer);
  switch (hit.result) {
    case JsonFind::found:
      return std::string(text.substr(hit.begin, hit.end - hit.begin));
    case JsonFind::absent:
      return "(absent)";
    case JsonFind::ambiguous:
      return "(ambiguous)";
    case JsonFind::not_json:
      return "(not json)";
  }
  return {};
}

TEST(FindJson, Pointers) {
  // RFC 6901 section 5.
  const std::string_view text = R"({"foo": ["bar", "baz"], "": 0, "a/b": 1, "c%d": 2, "m~n": 8, )"
                                R"(" ": 7, "i\\j": 5, "k\"l": 6})";
  EXPECT_EQ(json(text, ""), text);
  EXPECT_EQ(json(text, "/foo"), R"(["bar", "baz"])");
  EXPECT_EQ(json(text, "/foo/0"), R"("bar")");
  EXPECT_EQ(json(text, "/"), "0");
  EXPECT_EQ(json(text, "/a~1b"), "1");
  EXPECT_EQ(json(text, "/c%d"), "2");
  EXPECT_EQ(json(text, "/m~0n"), "8");
  EXPECT_EQ(json(text, "/ "), "7");
  EXPECT_EQ(json(text, "/i\\j"), "5");
  EXPECT_EQ(json(text, "/k\"l"), "6");
  EXPECT_EQ(json(text, "/foo/2"), "(absent)");
  EXPECT_EQ(json(text, "/foo/00"), "(absent)");
  EXPECT_EQ(json(text, "/foo/-"), "(absent)");
  EXPECT_EQ(json(text, "/foo/0/x"), "(absent)");
  EXPECT_EQ(json(text, "foo"), "(absent)");
  EXPECT_EQ(json(text, "/m~2n"), "(absent)");
}

TEST(FindJson, AMemberThatIsThereTwiceIsNeverGuessed) {
  EXPECT_EQ(json(R"({"a":1,"a":2})", "/a"), "(ambiguous)");
  EXPECT_EQ(json(R"({"a":1,"\u0061":2})", "/a"), "(ambiguous)");
  EXPECT_EQ(json(R"({"a":{"x":1},"a":{"y":2}})", "/a/x"), "(ambiguous)");
  EXPECT_EQ(json(R"({"a":1,"b":2,"b":3})", "/a"), "1");  // beside the way
  EXPECT_EQ(json(R"({"a":{"b":1,"b":1}})", "/a"), R"({"b":1,"b":1})");
}

TEST(FindJson, OnlyJson) {
  for (const char* bad : {"",
                          " ",
                          "{",
                          "{}x",
                          "[1,]",
                          "{\"a\":1,}",
                          "{a:1}",
                          "'a'",
                          "01",
                          "1.",
                          ".5",
                          "+1",
                          "1e",
                          "-",
                          "nul",
                          "truee",
                          "\"a",
                          "\"\n\"",
                          R"("\x")",
                          R"("\u12")",
                          "[1 2]",
                          "{\"a\" 1}",
                          "\xEF\xBB\xBF{}",
                          "NaN",
                          "{\"a\":1}{\"a\":2}",
                          "]",
                          "\"\\"}) {
    EXPECT_EQ(json(bad, ""), "(not json)") << bad;
  }
  for (const char* good : {"{}", "[]", " 1 ", "-0", "1.5e+10", "true", "\"\"", "[[],{}]",
                           R"({"a":[1,{"b":null}]})", "0"}) {
    EXPECT_NE(json(good, ""), "(not json)") << good;
  }
}

TEST(FindJson, DepthIsBounded) {
  const auto nested = [](int depth) {
    const auto n = static_cast<std::size_t>(depth);
    return std::string(n, '[') + std::string(n, ']');
  };
  EXPECT_NE(json(nested(kJsonDepth), ""), "(not json)");
  EXPECT_EQ(json(nested(kJsonDepth + 1), ""), "(not json)");
  EXPECT_EQ(json(std::string(1'000'000, '['), ""), "(not json)");
}

TEST(JsonScalar, TextOfAKey) {
  const auto text = [](std::string_view value) {
    return json_scalar_text(value).value_or("(none)");
  };
  EXPECT_EQ(text("42"), "42");
  EXPECT_EQ(text("\"42\""), "42");
  EXPECT_EQ(text("12345678901234567890123"), "12345678901234567890123");  // no double in between
  EXPECT_EQ(text("1.10"), "1.10");
  EXPECT_EQ(text("true"), "true");
  EXPECT_EQ(text(R"("a\n\"\\\/\u00e4\u20ac\ud83d\ude00")"),
            "a\n\"\\/\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80");
  for (const char* none :
       {"null", "{}", "[1]", R"("\ud800")", R"("\ude00")", R"("\ud800\u0041")", R"("\ud800x")"}) {
    EXPECT_EQ(text(none), "(none)") << none;
  }
}

std::string part(const Part& part, const Fields& fields, std::string_view body) {
  const PartValue value = read_part(part, fields, body);
  if (value.kind == Kind::found) return value.text;
  return value.kind == Kind::missing ? "(missing)" : "(ambiguous)";
}

TEST(ReadPart, Headers) {
  const Part order{Part::Kind::header, "X-Order"};
  EXPECT_EQ(part(order, {{"x-order", " 42 "}}, ""), "42");
  EXPECT_EQ(part(order, {}, ""), "(missing)");
  EXPECT_EQ(part(order, {{"X-Order", " "}}, ""), "(missing)");
  EXPECT_EQ(part(order, {{"X-Order", "1"}, {"x-order", "1"}}, ""), "(ambiguous)");
  const Part idempotency{Part::Kind::header, "idempotency-key"};
  EXPECT_EQ(part(idempotency, {{"Idempotency-Key", "\"k\""}}, ""), "k");
  EXPECT_EQ(part(idempotency, {{"Idempotency-Key", "a b"}}, ""), "(ambiguous)");
}

TEST(ReadPart, JsonPointers) {
  const Part order{Part::Kind::body, "/metadata/order"};
  EXPECT_EQ(part(order, {}, R"({"metadata":{"order":42}})"), "42");
  EXPECT_EQ(part(order, {}, R"({"metadata":{"order":"42"}})"), "42");
  for (const char* missing : {"", "x", R"({"metadata":{}})", R"({"metadata":{"order":null}})",
                              R"({"metadata":{"order":""}})", R"({"metadata":{"order":[1]}})",
                              R"({"metadata":{"order":{}}})"}) {
    EXPECT_EQ(part(order, {}, missing), "(missing)") << missing;
  }
  EXPECT_EQ(part(order, {}, R"({"metadata":{"order":1,"order":2}})"), "(ambiguous)");
}

TEST(ReadPart, FormFields) {
  const Part order{Part::Kind::form, "metadata[order]"};
  const Fields form{{"content-type", "application/x-www-form-urlencoded; charset=utf-8"}};
  EXPECT_EQ(part(order, form, "amount=1&metadata[order]=42"), "42");
  EXPECT_EQ(part(order, form, "metadata%5Border%5D=a+b%26c&x"), "a b&c");
  EXPECT_EQ(part(order, form, "metadata%5border%5d=%4"), "%4");
  EXPECT_EQ(part(order, form, "metadata[order]=%zz%41"), "%zzA");
  EXPECT_EQ(part(order, form, "metadata[order]="), "(missing)");
  EXPECT_EQ(part(order, form, "metadata[order]"), "(missing)");
  EXPECT_EQ(part(order, form, "amount=1"), "(missing)");
  EXPECT_EQ(part(order, form, ""), "(missing)");
  EXPECT_EQ(part(order, form, "metadata[order]=1&&metadata%5Border]=1"), "(ambiguous)");
  EXPECT_EQ(part(order, {{"Content-Type", "text/plain"}}, "metadata[order]=42"), "(missing)");
  EXPECT_EQ(part(order, {}, "metadata[order]=42"), "(missing)");
}

}  // namespace
}  // namespace hf::call
