#include "call/routing.h"

#include <gtest/gtest.h>

#include "call/intake.h"

namespace hf::call {
namespace {

class Routes {
 public:
  RouteSettings& add(std::string path, std::string name) {
    RouteSettings route;
    route.path = std::move(path);
    route.upstream = std::move(name);
    routes_.push_back(route);
    return routes_.back();
  }

  std::string take(std::string method, std::string target, std::string host = "",
                   std::string listener = "") const {
    Settings settings;
    for (const auto& route : routes_) {
      settings.routes.push_back(std::make_shared<const RouteSettings>(route));
    }
    IncomingHead head;
    head.method = std::move(method);
    head.target = std::move(target);
    head.listener = std::move(listener);
    if (!host.empty()) head.fields.push_back({"Host", std::move(host)});
    const auto route = find_route(settings, head);
    return route ? route->upstream : "(none)";
  }

 private:
  std::vector<RouteSettings> routes_;
};

TEST(FindRoute, TheLongestPrefixOnASegmentBoundaryWins) {
  Routes routes;
  routes.add("/v1", "short");
  routes.add("/v1/charges/", "long");
  routes.add("/v2/", "slash");
  EXPECT_EQ(routes.take("GET", "/v1"), "short");
  EXPECT_EQ(routes.take("GET", "/v1?x=/v1/charges/"), "short");
  EXPECT_EQ(routes.take("GET", "/v1/x"), "short");
  EXPECT_EQ(routes.take("GET", "/v1/charges"), "short");
  EXPECT_EQ(routes.take("GET", "/v1/charges/1"), "long");
  EXPECT_EQ(routes.take("GET", "/v10"), "(none)");
  EXPECT_EQ(routes.take("GET", "/v2"), "(none)");
  EXPECT_EQ(routes.take("GET", "/v2/"), "slash");
  EXPECT_EQ(routes.take("GET", "/V2/"), "(none)");
  EXPECT_EQ(routes.take("GET", "/%76%31"), "(none)");  // nothing is decoded
  EXPECT_EQ(routes.take("OPTIONS", "*"), "(none)");
  EXPECT_EQ(routes.take("GET", ""), "(none)");
}

TEST(FindRoute, HostMethodsAndListener) {
  Routes routes;
  routes.add("/", "any");
  routes.add("/", "named").host_match = "api.example";
  routes.add("/", "posts").methods = {"POST"};
  routes.add("/", "own").listen = "127.0.0.1:9000";
  routes.add("/", "v6").host_match = "[::1]";
  routes.add("/", "port").host_match = "ports.example:81";
  EXPECT_EQ(routes.take("GET", "/"), "any");
  EXPECT_EQ(routes.take("GET", "/", "API.example"), "named");
  EXPECT_EQ(routes.take("GET", "/", "api.example:8080"), "named");
  EXPECT_EQ(routes.take("POST", "/", "api.example"), "named");
  EXPECT_EQ(routes.take("GET", "/", "xapi.example"), "any");
  EXPECT_EQ(routes.take("POST", "/", "other"), "posts");
  EXPECT_EQ(routes.take("post", "/", "other"), "any");
  EXPECT_EQ(routes.take("GET", "/", "[::1]:80"), "v6");
  EXPECT_EQ(routes.take("GET", "/", "ports.example:81"), "port");
  EXPECT_EQ(routes.take("GET", "/", "ports.example:82"), "any");
  EXPECT_EQ(routes.take("GET", "/", "api.example", "127.0.0.1:9000"), "own");
  EXPECT_EQ(routes.take("GET", "/", "", "127.0.0.1:1"), "(none)");
}

TEST(FindRoute, OfEqualOnesTheFirst) {
  Routes routes;
  routes.add("/a", "first");
  routes.add("/a", "second");
  EXPECT_EQ(routes.take("GET", "/a"), "first");
}

TEST(UpstreamTarget, RewritesThePrefixOnly) {
  struct Case {
    std::string path;
    bool strip;
    std::string base;
    std::string target;
    std::string expected;
  };
  const std::vector<Case> cases{
      {"/stripe/", false, "", "/stripe/v1/a?b", "/stripe/v1/a?b"},
      {"/stripe/", true, "", "/stripe/v1/a?b", "/v1/a?b"},
      {"/stripe/", true, "", "/stripe/", "/"},
      {"/stripe", true, "", "/stripe", "/"},
      {"/stripe", true, "", "/stripe?a=/b", "/?a=/b"},
      {"/stripe", true, "", "/stripe/v1", "/v1"},
      {"/", true, "", "/v1", "/v1"},
      {"/", false, "/base", "/v1", "/base/v1"},
      {"/stripe/", true, "/base", "/stripe/v1", "/base/v1"},
      {"/stripe", true, "/base", "/stripe?q", "/base/?q"},
      {"/x/", true, "", "/x//..%2f%C3%A4/;a=b?c=%20+d", "//..%2f%C3%A4/;a=b?c=%20+d"},
  };
  for (const auto& c : cases) {
    RouteSettings route;
    route.path = c.path;
    route.strip_prefix = c.strip;
    UpstreamSettings upstream;
    upstream.urls = {Url{false, "u", 80, c.base}};
    EXPECT_EQ(upstream_target(route, upstream, c.target), c.expected) << c.path << " " << c.target;
  }
}

TEST(Loop, CountsOurPseudonym) {
  const auto via = [](int ours) {
    std::string line = "1.0 fred, 1.1 nowhere.com (Apache)";
    for (int i = 0; i < ours; ++i)
      line += i % 2 == 0 ? ", 1.1 Holdfast" : ", 2 holdfast (x)";
    return Fields{{"Via", line}};
  };
  EXPECT_FALSE(is_loop({}));
  EXPECT_FALSE(is_loop(via(kPasses)));
  EXPECT_TRUE(is_loop(via(kPasses + 1)));
  Fields lines;
  for (int i = 0; i <= kPasses; ++i)
    lines.push_back({"via", "1.1 holdfast"});
  EXPECT_TRUE(is_loop(lines));
  EXPECT_FALSE(
      is_loop({{"Via", "1.1 a (holdfast), holdfast, 1.1 holdfast2, 1.1 h, 1.1 holdfasts"}}));
}

TEST(SafeMethod, ByRfc9110) {
  for (const char* safe : {"GET", "HEAD", "OPTIONS", "TRACE"})
    EXPECT_TRUE(safe_method(safe));
  for (const char* other : {"POST", "PUT", "PATCH", "DELETE", "get", "PURGE", ""}) {
    EXPECT_FALSE(safe_method(other)) << other;
  }
}

}  // namespace
}  // namespace hf::call
