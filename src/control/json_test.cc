#include "control/json.h"

#include <gtest/gtest.h>

namespace hf::control {
namespace {

TEST(JsonMembers, ReadsOneFlatObject) {
  const std::string text = R"( { "a" : "x\"}\u00e9" ,"b":{"c":[1,"}"]}, "d":12 , "e\n":null} )";
  const auto members = JsonMembers::read(text);
  ASSERT_TRUE(members.ok());
  EXPECT_EQ(members.value().text("a").value(), "x\"}\xC3\xA9");
  EXPECT_EQ(members.value().raw("b"), R"({"c":[1,"}"]})");
  EXPECT_EQ(members.value().number("d", 1, 12).value(), 12);
  EXPECT_TRUE(members.value().has("e\n"));
  EXPECT_FALSE(members.value().has("e"));
  EXPECT_EQ(members.value().text("missing").value(), "");
  EXPECT_FALSE(members.value().text("d").ok());
  EXPECT_FALSE(members.value().number("d", 13, 20).ok());
  EXPECT_FALSE(members.value().number("a", 1, 20).ok());
  EXPECT_FALSE(members.value().number("missing", 0, 20).ok());
}

TEST(JsonMembers, RefusesWhatIsNotOneObject) {
  for (const char* text : {"", "[]", "\"a\"", "{", "{\"a\":1} x", "{\"a\":1,\"a\":2}",
                           R"({"a":1,"\u0061":2})", "{'a':1}", "{\"a\":1,}"}) {
    EXPECT_FALSE(JsonMembers::read(text).ok()) << text;
  }
  EXPECT_TRUE(JsonMembers::read("{}").ok());
  EXPECT_TRUE(JsonMembers::read("{ }").ok());
}

TEST(JsonMembers, NamesWhatIsUnknown) {
  const auto members = JsonMembers::read(R"({"reasn":"x"})");
  const auto only = members.value().only({"reason", "for"});
  ASSERT_FALSE(only.ok());
  EXPECT_EQ(only.error().context, "\"reasn\" is not known here; known are: reason, for");
}

TEST(Json, JoinsObjectsAndWritesArrays) {
  EXPECT_EQ(join_objects(R"({"a":1})", R"({"b":2})"), R"({"a":1,"b":2})");
  EXPECT_EQ(join_objects("{}", R"({"b":2})"), R"({"b":2})");
  EXPECT_EQ(join_objects(R"({"a":1})", "{}"), R"({"a":1})");
  EXPECT_EQ(JsonArray().done(), "[]");
  EXPECT_EQ(JsonArray().add("1").add("{}").done(), "[1,{}]");
}

TEST(Base64, DecodesStrictly) {
  EXPECT_EQ(from_base64("").value(), "");
  EXPECT_EQ(from_base64("Zg==").value(), "f");
  EXPECT_EQ(from_base64("Zm8=").value(), "fo");
  EXPECT_EQ(from_base64("Zm9v").value(), "foo");
  EXPECT_EQ(from_base64("+/+/").value(), "\xFB\xFF\xBF");
  for (const char* text :
       {"Z", "Zg", "Zg=", "Zh==", "Zm9=", "=m9v", "Z===", "Zg==Zg==", "Zm-_", "Zm 9"}) {
    EXPECT_FALSE(from_base64(text).ok()) << text;
  }
}

}  // namespace
}  // namespace hf::control
