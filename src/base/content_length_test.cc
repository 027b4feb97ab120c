#include "base/content_length.h"

#include <gtest/gtest.h>

namespace hf {
namespace {

std::optional<std::uint64_t> of(const std::string& value) {
  return content_length({{"content-LENGTH", value}});
}

TEST(ContentLength, IsOnePlainNumber) {
  EXPECT_EQ(of("0"), 0U);
  EXPECT_EQ(of("512"), 512U);
  EXPECT_EQ(of("18446744073709551615"), 18446744073709551615ULL);
}

TEST(ContentLength, IsNothingElse) {
  for (const char* value : {"", "-1", "+1", "1 ", "0x10", "1, 1", "18446744073709551616"})
    EXPECT_EQ(of(value), std::nullopt) << value;
  EXPECT_EQ(content_length({}), std::nullopt);
  EXPECT_EQ(content_length({{"Content-Length", "3"}, {"Content-Length", "3"}}), std::nullopt);
}

}  // namespace
}  // namespace hf
