#include "app/traffic_sample.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "app/load_files.h"

namespace hf::app {
namespace {

TEST(TrafficSample, a_line_is_what_a_load_reads_and_holds_nothing_else) {
  call::Request request;
  request.method = "POST";
  request.target = "/v1/\"orders\"?card=4242";
  request.fields = {{"Accept", "a/b"}, {"Authorization", "Bearer t"}, {"accept", "c/d"}};
  const std::string line = sample_line(request, {"Accept"});
  EXPECT_EQ(line.find("4242"), std::string::npos);
  EXPECT_EQ(line.find("Bearer"), std::string::npos);
  const auto read = read_requests(line);
  ASSERT_TRUE(read.ok()) << read.error().context;
  const load::RequestSpec expected{
      "POST", "/v1/\"orders\"", {{"Accept", "a/b"}, {"accept", "c/d"}}, {}};
  EXPECT_EQ((*read).at(0), expected);
}

TEST(TrafficSample, fields_that_may_be_secrets_are_refused) {
  const std::string file =
      (std::filesystem::temp_directory_path() / "holdfast-sample-refused").string();
  for (const char* name : {"Authorization", "Cookie", "X-Api-Key", "X-Auth-Token", "Set-Cookie"}) {
    const auto opened = TrafficSample::open({file, 1000, {name}}, 1);
    ASSERT_FALSE(opened.ok()) << name;
    EXPECT_EQ(opened.error().kind, ErrorKind::invalid);
  }
  EXPECT_FALSE(std::filesystem::exists(file));
  EXPECT_FALSE(TrafficSample::open({"/nowhere/at/all", 1000, {}}, 1).ok());
}

}  // namespace
}  // namespace hf::app
