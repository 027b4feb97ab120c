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
  const std::string line = sample_line(request, false, {"Accept"});
  EXPECT_EQ(line.find("4242"), std::string::npos);
  EXPECT_EQ(line.find("Bearer"), std::string::npos);
  const auto read = read_requests(line);
  ASSERT_TRUE(read.ok()) << read.error().context;
  const load::RequestSpec expected{
      "POST", "/v1/\"orders\"", {{"Accept", "a/b"}, {"accept", "c/d"}}, {}, true};
  EXPECT_EQ((*read).at(0), expected);
}

TEST(TrafficSample, a_body_leaves_its_type_and_a_place_for_another_one) {
  call::Request request;
  request.method = "DELETE";
  request.target = "/v1/orders";
  request.fields = {{"Content-Type", "application/json"}, {"X-Other", "1"}};
  request.body = std::make_shared<const std::string>("{\"card\": 4242}");
  const std::string line = sample_line(request, true, {});
  EXPECT_EQ(line,
            "{\"method\":\"DELETE\",\"path\":\"/v1/orders\",\"headers\":[[\"Content-Type\","
            "\"application/json\"]],\"body\":null}\n");
  EXPECT_TRUE(read_requests(line).value().at(0).body_left_out);
}

TEST(LoadFiles, requests_without_their_bodies_are_known) {
  auto requests = read_requests(
                      "{\"method\": \"POST\", \"path\": \"/a\"}\n"
                      "{\"method\": \"POST\", \"path\": \"/users/7/orders?x=1\", \"body\": null}\n"
                      "{\"method\": \"POST\", \"path\": \"/a\", \"body\": \"\"}\n"
                      "{\"method\": \"PUT\", \"path\": \"/a\", \"body\": \"own\"}\n"
                      "{\"path\": \"/a\"}\n")
                      .value();
  const std::string note = bodies_note(requests).value();
  EXPECT_EQ(note.find("2 of the 5 requests in the file (2 POST) are sent without a body"), 0U)
      << note;
  std::vector<BodyTemplate> templates;
  templates.push_back(read_body_template("POST /users/{id}/orders={\"sku\": \"a=b\"}").value());
  ASSERT_TRUE(fill_bodies(templates, requests).ok());
  EXPECT_EQ(requests[1].body, "{\"sku\": \"a=b\"}");
  EXPECT_EQ(requests[3].body, "own");
  EXPECT_EQ(bodies_note(requests).value().find("1 of the 5 requests"), 0U);
  // Once more it is for nobody: a typing error would go unseen.
  const auto unused = fill_bodies(templates, requests);
  ASSERT_FALSE(unused.ok());
  EXPECT_EQ(unused.error().kind, ErrorKind::invalid);
  ASSERT_TRUE(fill_bodies({read_body_template("/a=x").value()}, requests).ok());
  EXPECT_EQ(requests[0].body, "x");
  EXPECT_EQ(requests[2].body, "");
  EXPECT_FALSE(bodies_note(requests));
}

TEST(LoadFiles, a_body_template_that_is_none_is_refused) {
  for (const char* text : {"POST /a", "POST a=b", "POST=x", "/a{b=x", "POST /a=@/nowhere/at/all"})
    EXPECT_FALSE(read_body_template(text).ok()) << text;
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
