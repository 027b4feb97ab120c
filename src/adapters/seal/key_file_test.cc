#include "adapters/seal/key_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "adapters/journal/journal_fixture.h"

namespace hf::adapters {
namespace {

using ::testing::HasSubstr;

class KeyFileTest : public ::testing::Test {
 protected:
  testing::ScratchDir dir{"seal"};
  std::string path = dir.path() + "/seal.key";
  std::string data = dir.path() + "/db";

  Result<SealKey> load() { return load_or_make_seal_key(path, data); }
  std::string text() const {
    std::stringstream out;
    out << std::ifstream(path).rdbuf();
    return out.str();
  }
  void write(const std::string& content) {
    std::ofstream(path) << content;
    std::filesystem::permissions(path, std::filesystem::perms(0600));
  }
};

TEST_F(KeyFileTest, IsMadeOnceForItsOwnerAlone) {
  const auto made = load();
  ASSERT_TRUE(made.ok()) << made.error().context;
  EXPECT_TRUE(made.value().made);
  struct stat about {};
  ASSERT_EQ(::stat(path.c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777, 0600U);
  std::filesystem::create_directories(data + "/CURRENT");
  const auto again = load();
  ASSERT_TRUE(again.ok()) << again.error().context;
  EXPECT_FALSE(again.value().made);
  EXPECT_EQ(again.value().key, made.value().key);
  EXPECT_EQ(again.value().id, call::Sealer(made.value().key).key_id());
  EXPECT_THAT(text(), HasSubstr("# Holdfast seal key, version 1."));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(dir.path()), {}),
            2);  // no draft left
}

TEST_F(KeyFileTest, IsNeverMadeBesideData) {
  std::filesystem::create_directories(data + "/CURRENT");
  const auto refused = load();
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error().context, HasSubstr("put the key back"));
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(KeyFileTest, IsRefusedWhenOthersMayReadIt) {
  ASSERT_TRUE(load().ok());
  for (const unsigned mode : {0640U, 0604U, 0620U, 0601U}) {
    std::filesystem::permissions(path, std::filesystem::perms(mode));
    const auto refused = load();
    ASSERT_FALSE(refused.ok()) << mode;
    EXPECT_THAT(refused.error().context, HasSubstr("chmod 600 " + path));
  }
}

TEST_F(KeyFileTest, IsRefusedWhenDamaged) {
  ASSERT_TRUE(load().ok());
  const std::string good = text();
  std::string changed = good;
  auto& digit = changed[changed.find("key: ") + 5];
  digit = digit == '0' ? '1' : '0';
  for (const std::string& bad : {std::string(), good.substr(0, good.size() / 2), changed,
                                 "x" + good, good.substr(0, good.size() - 3)}) {
    write(bad);
    EXPECT_FALSE(load().ok()) << bad;
  }
  write(good);
  EXPECT_TRUE(load().ok());
}

TEST_F(KeyFileTest, ADirectoryIsNotAKey) {
  std::filesystem::create_directories(path);
  EXPECT_FALSE(load().ok());
}

TEST_F(KeyFileTest, TheTokenIsMadeOnce) {
  const std::string token_path = dir.path() + "/admin.token";
  const auto made = load_or_make_admin_token(token_path);
  ASSERT_TRUE(made.ok()) << made.error().context;
  EXPECT_EQ(made.value().substr(0, 3), "hf_");
  EXPECT_EQ(made.value().size(), 3U + 52U);
  EXPECT_EQ(load_or_make_admin_token(token_path).value(), made.value());
  EXPECT_NE(load_or_make_admin_token(token_path + "2").value(), made.value());
  std::filesystem::permissions(token_path, std::filesystem::perms(0644));
  EXPECT_FALSE(load_or_make_admin_token(token_path).ok());
  std::ofstream(token_path + "2") << "short\n";
  EXPECT_FALSE(load_or_make_admin_token(token_path + "2").ok());
}

TEST_F(KeyFileTest, DirectoriesArePrivate) {
  const std::string inner = dir.path() + "/a/b";
  ASSERT_TRUE(make_private_dir(inner).ok());
  ASSERT_TRUE(make_private_dir(inner).ok());
  struct stat about {};
  ASSERT_EQ(::stat(inner.c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777, 0700U);
  write("a file");
  EXPECT_FALSE(make_private_dir(path + "/below").ok());
}

TEST_F(KeyFileTest, ADirectoryMayBeABareName) {
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(dir.path());
  const bool made = make_private_dir("journal").ok();
  std::filesystem::current_path(before);
  EXPECT_TRUE(made);
  EXPECT_TRUE(std::filesystem::is_directory(dir.path() + "/journal"));
}

}  // namespace
}  // namespace hf::adapters
