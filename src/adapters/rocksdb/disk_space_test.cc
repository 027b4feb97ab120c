#include "adapters/rocksdb/disk_space.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "adapters/journal/journal_fixture.h"

namespace hf::adapters {
namespace {

class DiskSpaceTest : public ::testing::Test {
 protected:
  static constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
  testing::ScratchDir dir{"disk"};
  std::string path = dir.path() + "/ballast";
  std::uint64_t room = 100 * kMiB;  // free without the ballast counted
  DiskSpace disk{path, DiskLimits{8 * kMiB, 1 * kMiB, 1 * kMiB}, [this]() -> Result<DiskRoom> {
                   return DiskRoom{room, 1000 * kMiB};
                 }};

  bool on_disk() const { return std::filesystem::exists(path); }
};

TEST_F(DiskSpaceTest, MakesItsBallastWithRealBlocks) {
  EXPECT_TRUE(disk.check());
  ASSERT_TRUE(on_disk());
  EXPECT_EQ(std::filesystem::file_size(path), 1 * kMiB);
  EXPECT_TRUE(disk.has_ballast());
}

TEST_F(DiskSpaceTest, RefusesBelowTheMarkAndGivesTheBallastBackWhenReallyShort) {
  EXPECT_TRUE(disk.check());
  room = 8 * kMiB;
  EXPECT_TRUE(disk.check());
  room = 8 * kMiB - 1;
  EXPECT_FALSE(disk.check());
  EXPECT_FALSE(disk.why().empty());
  ASSERT_TRUE(disk.measure());
  EXPECT_EQ(disk.measure()->measured, static_cast<std::int64_t>(8 * kMiB - 1));
  EXPECT_EQ(disk.measure()->threshold, static_cast<std::int64_t>(8 * kMiB));
  EXPECT_TRUE(on_disk());
  room = 4 * kMiB - 1;
  EXPECT_FALSE(disk.check());
  EXPECT_FALSE(on_disk());
}

TEST_F(DiskSpaceTest, ComesBackOnlyWellAboveTheMark) {
  EXPECT_TRUE(disk.check());
  room = 3 * kMiB;
  EXPECT_FALSE(disk.check());
  for (const std::uint64_t free : {8 * kMiB, 9 * kMiB, 10 * kMiB, 11 * kMiB - 1}) {
    room = free;
    EXPECT_FALSE(disk.check()) << free;
    EXPECT_LT(disk.measure()->measured, disk.measure()->threshold) << disk.why();
    EXPECT_FALSE(on_disk());
  }
  room = 11 * kMiB;  // the mark, a quarter more, and the ballast
  EXPECT_TRUE(disk.check());
  EXPECT_TRUE(on_disk());
  EXPECT_TRUE(disk.why().empty());
  EXPECT_FALSE(disk.measure());
}

TEST_F(DiskSpaceTest, ADiskThatCannotBeLookedAtIsFull) {
  DiskSpace blind(path, DiskLimits{8 * kMiB, 0, 1 * kMiB},
                  []() -> Result<DiskRoom> { return fail(ErrorKind::unavailable, "gone"); });
  EXPECT_FALSE(blind.check());
  EXPECT_EQ(blind.why(), "gone");
  EXPECT_FALSE(blind.measure());
}

TEST_F(DiskSpaceTest, FindsTheBallastOfTheLastStart) {
  EXPECT_TRUE(disk.check());
  room = 8 * kMiB - 1;
  DiskSpace next(path, DiskLimits{8 * kMiB, 1 * kMiB, 1 * kMiB}, [this]() -> Result<DiskRoom> {
    return DiskRoom{room, 1000 * kMiB};
  });
  EXPECT_TRUE(next.has_ballast());
}

TEST(DiskLimitsTest, SuitTheFileSystem) {
  const auto small = limits_for(std::uint64_t{64} << 20);
  EXPECT_LE(small.watermark + small.ballast, std::uint64_t{16} << 20);
  EXPECT_GE(small.watermark, 6 * small.write_buffer);
  const auto large = limits_for(std::uint64_t{1} << 40);
  EXPECT_EQ(large.watermark, std::uint64_t{256} << 20);
  EXPECT_EQ(large.ballast, std::uint64_t{64} << 20);
}

TEST(DiskRoomTest, LooksAtTheRealOne) {
  const auto room = disk_room("/");
  ASSERT_TRUE(room.ok());
  EXPECT_GT(room.value().total, 0U);
  EXPECT_FALSE(disk_room("/no/such/dir").ok());
}

}  // namespace
}  // namespace hf::adapters
