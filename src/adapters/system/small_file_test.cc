#include "adapters/system/small_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

namespace hf::adapters {
namespace {

class SmallFile : public ::testing::Test {
 protected:
  SmallFile() {
    char name[] = "/tmp/holdfast-small-XXXXXX";
    folder_ = ::mkdtemp(name);
  }
  ~SmallFile() override { std::filesystem::remove_all(folder_); }
  std::string folder_;
};

TEST_F(SmallFile, WhatIsNotThereIsEmpty) {
  EXPECT_EQ(read_small_file(folder_ + "/none", 10).value(), "");
}

TEST_F(SmallFile, IsReplacedWholeAndForItsOwnerAlone) {
  const std::string path = folder_ + "/told";
  ASSERT_TRUE(replace_small_file(path, "a long first text").ok());
  ASSERT_TRUE(replace_small_file(path, "short").ok());
  EXPECT_EQ(read_small_file(path, 5).value(), "short");
  struct stat found {};
  ASSERT_EQ(::stat(path.c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0600U);
}

TEST_F(SmallFile, SaysWhatIsWrong) {
  const std::string path = folder_ + "/told";
  ASSERT_TRUE(replace_small_file(path, "123456").ok());
  EXPECT_EQ(read_small_file(path, 5).error().kind, ErrorKind::invalid);
  EXPECT_EQ(replace_small_file(folder_ + "/no/folder", "x").error().kind, ErrorKind::unavailable);
}

}  // namespace
}  // namespace hf::adapters
