// The files of what was observed: torn lines, days, sizes, a full disk.
#include "app/observed_files.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace hf::app {
namespace {

namespace fs = std::filesystem;

constexpr WallTime kNow{1'800'000'000'000};  // 2027-01-15T08:00:00Z

class ObservedFilesTest : public testing::Test {
 protected:
  ObservedFilesTest()
      : folder_(fs::temp_directory_path() / fmt::format("holdfast-observed-{}", ::getpid())) {
    fs::remove_all(folder_);
  }
  ~ObservedFilesTest() override { fs::remove_all(folder_); }

  [[nodiscard]] std::string path(const std::string& day) const {
    return (folder_ / (day + ".ndjson")).string();
  }
  static control::ObservedSum one(WallTime at, const std::string& route = "/") {
    control::ObservedBook book;
    book.add({route, "POST", "/x"}, {}, at);
    return book.take();
  }
  // All calls that the files tell of.
  static std::string counts(const ObservedFiles& files, WallTime since) {
    auto sum = files.read(since);
    return sum.ok() ? sum->lines() : sum.error().context;
  }

  fs::path folder_;
};

TEST_F(ObservedFilesTest, NothingThereIsNothingSeen) {
  const ObservedFiles files(folder_.string());
  const auto sum = files.read(kNow);
  ASSERT_TRUE(sum.ok());
  EXPECT_TRUE(sum->empty());
}

TEST_F(ObservedFilesTest, ATornLineCostsItselfAlone) {
  ObservedFiles files(folder_.string());
  ASSERT_TRUE(files.append(one(kNow), kNow).ok());
  const auto whole = fs::file_size(path("2027-01-15"));
  ASSERT_TRUE(files.append(one(kNow), kNow).ok());
  fs::resize_file(path("2027-01-15"), whole + 30);
  ObservedFiles next(folder_.string());
  ASSERT_TRUE(next.append(one(kNow), kNow).ok());
  const auto sum = next.read(kNow);
  ASSERT_TRUE(sum.ok());
  EXPECT_EQ(sum->unreadable(), 1U);
  EXPECT_NE(sum->lines().find("\"count\":2"), std::string::npos);
}

TEST_F(ObservedFilesTest, AreTheOwnersAlone) {
  ObservedFiles files(folder_.string());
  ASSERT_TRUE(files.append(one(kNow), kNow).ok());
  EXPECT_EQ(fs::status(path("2027-01-15")).permissions() & fs::perms::mask,
            fs::perms::owner_read | fs::perms::owner_write);
}

TEST_F(ObservedFilesTest, OldDaysGo) {
  ObservedFiles files(folder_.string());
  for (const int day : {0, 1, 30, 31, 32, 40}) {
    const WallTime at = kNow - Duration::hours(24 * day);
    ASSERT_TRUE(files.append(one(at), at).ok());
  }
  files.prune(kNow);
  EXPECT_TRUE(fs::exists(path("2027-01-15")));
  EXPECT_TRUE(fs::exists(path("2026-12-15")));
  EXPECT_FALSE(fs::exists(path("2026-12-14")));
  EXPECT_EQ(counts(files, kNow).find("2026"), std::string::npos);
}

TEST_F(ObservedFilesTest, ALargeFileIsSummedUp) {
  ObservedFiles files(folder_.string());
  const std::string long_route = "/" + std::string(4000, 'r');
  for (int i = 0; i < 1500; ++i)
    ASSERT_TRUE(files.append(one(kNow, long_route), kNow).ok());
  EXPECT_LT(fs::file_size(path("2027-01-15")), kObservedFileMax + 8192);
  EXPECT_NE(counts(files, kNow).find("\"count\":1500"), std::string::npos);
}

TEST_F(ObservedFilesTest, AFolderInTheWayIsAnErrorForPeople) {
  std::ofstream(folder_) << "a file";
  ObservedFiles files(folder_.string());
  const auto written = files.append(one(kNow), kNow);
  ASSERT_FALSE(written.ok());
  EXPECT_NE(written.error().context.find(folder_.string()), std::string::npos);
}

}  // namespace
}  // namespace hf::app
