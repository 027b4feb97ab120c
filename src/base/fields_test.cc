#include "base/fields.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

namespace hf {
namespace {

using Views = std::vector<std::string_view>;

TEST(FieldList, NamesIgnoreAsciiCaseOnly) {
  EXPECT_TRUE(same_name("Content-Type", "content-TYPE"));
  EXPECT_FALSE(same_name("a", "ab"));
  EXPECT_FALSE(same_name("\xc4", "\xe4"));
  EXPECT_FALSE(same_name("@", "`"));  // 32 apart, but no letters
  EXPECT_EQ(lower_ascii("A-Z\xc4"), "a-z\xc4");
}

// Every pair of bytes, in every place of names shorter and longer than a word.
TEST(FieldList, NamesAreComparedByteByByte) {
  const auto lower = [](int c) { return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c; };
  for (const std::size_t size : {1U, 3U, 8U, 11U, 16U, 19U}) {
    for (std::size_t place = 0; place < size; ++place) {
      std::string mine(size, 'x');
      std::string its(size, 'X');
      for (int a = 0; a < 256; ++a) {
        for (int b = 0; b < 256; ++b) {
          mine[place] = static_cast<char>(a);
          its[place] = static_cast<char>(b);
          ASSERT_EQ(same_name(mine, its), lower(a) == lower(b)) << a << ' ' << b << ' ' << place;
        }
      }
    }
  }
}

TEST(FieldList, TrimsSpacesAndTabs) {
  EXPECT_EQ(trim_blanks(" \ta b\t "), "a b");
  EXPECT_EQ(trim_blanks(" \t "), "");
  EXPECT_EQ(trim_blanks("\n"), "\n");
}

TEST(FieldList, FindCountSetRemove) {
  Fields fields{{"A", "1"}, {"B", "2"}, {"a", "3"}, {"C", "4"}};
  EXPECT_EQ(find_field(fields, "a"), &fields[0]);
  EXPECT_EQ(find_field(fields, "x"), nullptr);
  EXPECT_EQ(count_fields(fields, "A"), 2U);
  set_field(fields, "a", "9");
  EXPECT_EQ(fields, (Fields{{"A", "9"}, {"B", "2"}, {"C", "4"}}));
  set_field(fields, "D", "5");
  EXPECT_EQ(fields, (Fields{{"A", "9"}, {"B", "2"}, {"C", "4"}, {"D", "5"}}));
  remove_fields(fields, "b");
  EXPECT_EQ(fields, (Fields{{"A", "9"}, {"C", "4"}, {"D", "5"}}));
}

TEST(FieldList, ListsRunOverAllLines) {
  const Fields fields{{"Connection", "close, , x-a"}, {"Other", "no"}, {"connection", "\tX-B ,"}};
  EXPECT_EQ(list_elements(fields, "connection"), (Views{"close", "x-a", "X-B"}));
  EXPECT_TRUE(list_contains(fields, "Connection", "CLOSE"));
  EXPECT_TRUE(list_contains(fields, "Connection", "x-b"));
  EXPECT_FALSE(list_contains(fields, "Connection", "x"));
  EXPECT_TRUE(list_elements(fields, "absent").empty());
  EXPECT_TRUE(list_elements({{"A", ""}}, "a").empty());
}

RC_GTEST_PROP(FieldList, SetLeavesOneAndTouchesNoOther, ()) {
  Fields fields;
  for (const auto& name : *rc::gen::container<std::vector<std::string>>(
           rc::gen::element<std::string>("A", "a", "B", "b"))) {
    fields.push_back({name, std::to_string(fields.size())});
  }
  Fields others = fields;
  remove_fields(others, "a");
  RC_ASSERT(count_fields(others, "A") == 0U);
  set_field(fields, "A", "new");
  RC_ASSERT(count_fields(fields, "a") == 1U);
  RC_ASSERT(find_field(fields, "A")->value == "new");
  remove_fields(fields, "a");
  RC_ASSERT(fields == others);
}

}  // namespace
}  // namespace hf
