#include "base/result.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace hf {
namespace {

Result<int> half(int n) {
  if (n % 2 != 0) return fail(ErrorKind::invalid, "odd");
  return n / 2;
}

Result<int> quarter(int n) {
  HF_TRY(const int once, half(n));
  HF_TRY(const int twice, half(once));
  return twice;
}

Result<void> even(int n) {
  HF_TRY_VOID(half(n));
  return {};
}

TEST(Result, CarriesAValueOrAnError) {
  const auto good = half(4);
  EXPECT_TRUE(good.ok());
  EXPECT_TRUE(static_cast<bool>(good));
  EXPECT_EQ(good.value(), 2);
  EXPECT_EQ(*good, 2);
  const auto bad = half(3);
  EXPECT_FALSE(bad.ok());
  EXPECT_EQ(bad.error().kind, ErrorKind::invalid);
}

TEST(Result, TryReturnsTheFirstError) {
  EXPECT_EQ(quarter(8).value(), 2);
  EXPECT_EQ(quarter(6).error().context, "odd");
  EXPECT_TRUE(even(2).ok());
  EXPECT_EQ(even(1).error().context, "odd");
}

TEST(Result, ContextIsAddedInFront) {
  const Error error = fail(ErrorKind::unavailable, "permission denied").in("open journal");
  EXPECT_EQ(error.context, "open journal: permission denied");
  EXPECT_EQ(error.kind, ErrorKind::unavailable);
}

Result<std::unique_ptr<int>> boxed(int n) {
  if (n < 0) return fail(ErrorKind::invalid, "negative");
  return std::make_unique<int>(n);
}

TEST(Result, MovesWhatCannotBeCopied) {
  EXPECT_FALSE(boxed(-1).ok());
  auto result = boxed(7);
  EXPECT_EQ(**result, 7);
  const std::unique_ptr<int> taken = std::move(result).value();
  EXPECT_EQ(*taken, 7);
}

TEST(Result, EveryKindHasAName) {
  for (const auto kind :
       {ErrorKind::invalid, ErrorKind::not_found, ErrorKind::unavailable, ErrorKind::corrupt,
        ErrorKind::full, ErrorKind::closed, ErrorKind::timeout}) {
    EXPECT_NE(to_string(kind), "?");
  }
}

TEST(ResultDeathTest, AskingForTheWrongOneIsABug) {
  EXPECT_DEATH((void)half(3).value(), "check failed.*odd");
  EXPECT_DEATH((void)half(2).error(), "check failed");
  EXPECT_DEATH((void)even(2).error(), "check failed");
}

}  // namespace
}  // namespace hf
