#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/load.h"
#include "config/print.h"

namespace hf::config {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(FromRoutes, AKnownHostGetsItsPreset) {
  const auto loaded =
      from_routes({"/stripe/=https://api.stripe.com", "/llm=https://api.openai.com"},
                  {.listen = "127.0.0.1:0", .journal_path = "/data/x y"});
  ASSERT_NE(loaded.settings, nullptr);
  EXPECT_TRUE(loaded.findings.empty());
  const auto& settings = *loaded.settings;
  EXPECT_EQ(settings.listen, "127.0.0.1:0");
  EXPECT_EQ(settings.journal.path, "/data/x y");
  ASSERT_EQ(settings.routes.size(), 2U);
  EXPECT_EQ(settings.routes[0]->path, "/stripe/");
  EXPECT_TRUE(settings.routes[0]->strip_prefix);
  EXPECT_EQ(settings.routes[0]->upstream, "stripe");
  EXPECT_EQ(settings.upstreams.at("stripe")->preset, "stripe");
  EXPECT_EQ(settings.upstreams.at("openai")->idempotency.mode, call::Mode::repeatable);
}

TEST(FromRoutes, OtherHostsAreCarefulAndNamedAfterTheHost) {
  const auto loaded = from_routes({"/=http://localhost:3000/base/", "/b=http://localhost:3001",
                                   "/c=http://localhost:3000/base", "/d=http://[::1]:9"});
  ASSERT_NE(loaded.settings, nullptr);
  const auto& settings = *loaded.settings;
  EXPECT_FALSE(settings.routes[0]->strip_prefix);
  EXPECT_EQ(settings.routes[0]->upstream, "localhost");
  EXPECT_EQ(settings.routes[1]->upstream, "localhost-2");
  EXPECT_EQ(settings.routes[2]->upstream, "localhost");
  EXPECT_EQ(settings.routes[3]->upstream, "--1");
  EXPECT_EQ(settings.upstreams.at("localhost")->idempotency.mode, call::Mode::none);
  EXPECT_EQ(settings.upstreams.at("localhost")->urls.front().base_path, "/base");
}

TEST(FromRoutes, FindingsNameTheSpec) {
  const auto twice = from_routes({"/a=https://a.example", "/a=https://b.example"});
  ASSERT_EQ(twice.settings, nullptr);
  ASSERT_EQ(twice.findings.size(), 1U);
  EXPECT_THAT(format(twice.findings.front()),
              HasSubstr("--route /a=https://b.example: error: routes[1].path"));
  for (const auto* bad : {"", "/a", "/a=", "/a=ftp://x", "=x"}) {
    const auto loaded = from_routes({bad});
    EXPECT_EQ(loaded.settings, nullptr) << bad;
    EXPECT_FALSE(loaded.findings.empty()) << bad;
  }
  EXPECT_EQ(from_routes({"a\"\n=https://x"}).settings, nullptr);
  EXPECT_EQ(from_routes({}).settings, nullptr);
  EXPECT_EQ(from_routes(std::vector<std::string>(1000, "/=https://x")).settings, nullptr);
  EXPECT_EQ(from_routes({"/=https://x"}, {.listen = "nowhere"}).settings, nullptr);
}

TEST(FromRoutes, PasswordsAreNotRepeated) {
  const auto loaded = from_routes({"/a=https://user:canary@x"});
  ASSERT_EQ(loaded.findings.size(), 1U);
  EXPECT_THAT(format(loaded.findings.front()), Not(HasSubstr("canary")));
}

}  // namespace
}  // namespace hf::config
