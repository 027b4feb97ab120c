#include "base/percent.h"

#include <gtest/gtest.h>

namespace hf {
namespace {

TEST(Percent, DecodesWhatIsEncodedAndLeavesTheRest) {
  EXPECT_EQ(percent_decoded_loosely("a%20b%2Fc", false), "a b/c");
  EXPECT_EQ(percent_decoded_loosely("%", false), "%");
  EXPECT_EQ(percent_decoded_loosely("%4", false), "%4");
  EXPECT_EQ(percent_decoded_loosely("%zz%41", false), "%zzA");
  EXPECT_EQ(percent_decoded_loosely("%%41", false), "%A");
}

TEST(Percent, APlusIsABlankInFormsAlone) {
  EXPECT_EQ(percent_decoded_loosely("a+b%2B", true), "a b+");
  EXPECT_EQ(percent_decoded_loosely("a+b", false), "a+b");
}

}  // namespace
}  // namespace hf
