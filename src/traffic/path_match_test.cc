#include "traffic/path_match.h"

#include <gtest/gtest.h>

namespace hf::traffic {
namespace {

TEST(PlainPath, one_endpoint_has_one_spelling) {
  for (const char* target : {"/login", "/login/", "//login", "/./login", "/%6Cogin", "/x/../login",
                             "/login?next=/a/b", "/%2Flogin", "/../login", "/login//"})
    EXPECT_EQ(plain_path(target), "/login") << target;
  EXPECT_EQ(plain_path("/"), "/");
  EXPECT_EQ(plain_path(""), "/");
  EXPECT_EQ(plain_path("/a%2"), "/a%2");
  EXPECT_EQ(plain_path("/a%zz"), "/a%zz");
  // Once: what is encoded twice is another name to an application.
  EXPECT_EQ(plain_path("/%256C"), "/%6C");
  EXPECT_EQ(plain_path("/.."), "/");
}

TEST(PathTemplate, a_prefix_on_a_segment_boundary) {
  const auto login = PathTemplate::parse("/login");
  ASSERT_TRUE(login);
  EXPECT_TRUE(login->match("/login"));
  EXPECT_TRUE(login->match("/login/again"));
  EXPECT_FALSE(login->match("/logins"));
  EXPECT_FALSE(login->match("/"));
  EXPECT_TRUE(PathTemplate::parse("/")->match("/anything"));
}

TEST(PathTemplate, names) {
  const auto orders = PathTemplate::parse("/users/{user}/orders/{order}");
  ASSERT_TRUE(orders);
  EXPECT_EQ(orders->names(), (std::vector<std::string>{"user", "order"}));
  const auto values = orders->match("/users/7/orders/99/items");
  ASSERT_TRUE(values);
  EXPECT_EQ(*values, (std::vector<std::string_view>{"7", "99"}));
  EXPECT_FALSE(orders->match("/users/7/orders"));
  EXPECT_FALSE(orders->match("/users/7/bills/99"));
  for (const char* bad : {"", "users", "/{a}/{a}", "/x{a}", "/{}", "/{a}b", "/a}"})
    EXPECT_FALSE(PathTemplate::parse(bad)) << bad;
}

}  // namespace
}  // namespace hf::traffic
