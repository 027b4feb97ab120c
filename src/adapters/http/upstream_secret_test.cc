#include "adapters/http/upstream_secret.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>

namespace hf::adapters {
namespace {

class UpstreamSecretTest : public ::testing::Test {
 protected:
  UpstreamSecretTest()
      : path_(::testing::TempDir() + "upstream_secret_" + std::to_string(::getpid())) {}
  ~UpstreamSecretTest() override { std::filesystem::remove(path_); }
  void write(const std::string& content) { std::ofstream(path_, std::ios::binary) << content; }
  [[nodiscard]] std::string template_of(const std::string& before = "") const {
    return before + "${file:" + path_ + "}";
  }
  std::string path_;
  SecretResolver resolver_;
};

TEST_F(UpstreamSecretTest, ReadsFilesWithoutTheirLineEnd) {
  write("s3cret\n");
  EXPECT_EQ(resolver_.resolve(template_of("Bearer ")).value(), "Bearer s3cret");
  write("dos\r\n");
  EXPECT_EQ(resolve_secret(template_of()).value(), "dos");
}

TEST_F(UpstreamSecretTest, ReadsAFileAgainWhenItChanges) {
  write("old");
  EXPECT_EQ(resolver_.resolve(template_of()).value(), "old");
  write("new");  // the same size
  const auto later = std::filesystem::last_write_time(path_) + std::chrono::seconds(5);
  std::filesystem::last_write_time(path_, later);
  EXPECT_EQ(resolver_.resolve(template_of()).value(), "new");
}

TEST_F(UpstreamSecretTest, ReadsTheEnvironment) {
  ::setenv("UPSTREAM_SECRET_TEST", "a", 1);
  EXPECT_EQ(resolve_secret("x${env:UPSTREAM_SECRET_TEST}y${env:UPSTREAM_SECRET_TEST}").value(),
            "xaya");
  ::unsetenv("UPSTREAM_SECRET_TEST");
  EXPECT_EQ(resolve_secret("${env:UPSTREAM_SECRET_TEST}").error().kind, ErrorKind::unavailable);
}

TEST_F(UpstreamSecretTest, LeavesPlainValuesAlone) {
  EXPECT_EQ(resolve_secret("plain $ {x}").value(), "plain $ {x}");
}

TEST_F(UpstreamSecretTest, RefusesWhatItCannotTrust) {
  EXPECT_EQ(resolve_secret(template_of()).error().kind, ErrorKind::unavailable);
  write("\n");
  EXPECT_EQ(resolve_secret(template_of()).error().kind, ErrorKind::unavailable);
  write(std::string(70'000, 'x'));
  EXPECT_EQ(resolve_secret(template_of()).error().kind, ErrorKind::unavailable);
  EXPECT_EQ(resolve_secret("${file:" + ::testing::TempDir() + "}").error().kind,
            ErrorKind::unavailable);
  EXPECT_EQ(resolve_secret("${vault:x}").error().kind, ErrorKind::invalid);
  EXPECT_EQ(resolve_secret("${file:x").error().kind, ErrorKind::invalid);
}

TEST_F(UpstreamSecretTest, NeverShowsAValue) {
  write("canary\nX-Smuggled: 1");
  const auto refused = resolve_secret(template_of());
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().kind, ErrorKind::invalid);
  EXPECT_EQ(refused.error().context.find("canary"), std::string::npos);
}

}  // namespace
}  // namespace hf::adapters
