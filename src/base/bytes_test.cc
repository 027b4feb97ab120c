#include "base/bytes.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <string>

namespace hf {
namespace {

TEST(Bytes, NoBodyIsNotAnEmptyBody) {
  EXPECT_EQ(view(nullptr), "");
  const Body empty = make_body("");
  EXPECT_NE(empty, nullptr);
  EXPECT_EQ(view(empty), "");
  EXPECT_EQ(view(make_body("abc")), "abc");
}

TEST(Bytes, HexExamples) {
  EXPECT_EQ(to_hex(std::string("\x00\xff\x1a", 3)), "00ff1a");
  EXPECT_EQ(from_hex("00FF1a").value(), std::string("\x00\xff\x1a", 3));
  EXPECT_EQ(from_hex("").value(), "");
  for (const std::string bad : {"0", "0g", "g0", "0x", " 0", "000"}) {
    const auto got = from_hex(bad);
    ASSERT_FALSE(got.ok()) << bad;
    EXPECT_EQ(got.error().kind, ErrorKind::invalid);
  }
}

TEST(Bytes, Base32Examples) {
  EXPECT_EQ(to_base32(""), "");
  EXPECT_EQ(to_base32(std::string("\0", 1)), "00");
  EXPECT_EQ(to_base32("\xff"), "zw");
  EXPECT_EQ(to_base32("\xff\xff\xff\xff\xff"), "zzzzzzzz");
  EXPECT_EQ(from_base32("zw", 1).value(), "\xff");
  EXPECT_FALSE(from_base32("zz", 1).ok()) << "stray bits";
  EXPECT_FALSE(from_base32("ZW", 1).ok()) << "upper case is not what to_base32 writes";
  EXPECT_FALSE(from_base32("il", 1).ok()) << "letters that Crockford leaves out";
  EXPECT_FALSE(from_base32("zw", 2).ok()) << "length";
  EXPECT_FALSE(from_base32("zw0", 1).ok()) << "length";
}

RC_GTEST_PROP(Bytes, HexReadsBack, (const std::string& bytes)) {
  RC_ASSERT(from_hex(to_hex(bytes)).value() == bytes);
}

RC_GTEST_PROP(Bytes, Base32ReadsBackAndKeepsTheOrder, (const std::string& a)) {
  RC_ASSERT(from_base32(to_base32(a), a.size()).value() == a);
  const auto b = *rc::gen::container<std::string>(a.size(), rc::gen::arbitrary<char>());
  RC_ASSERT((a < b) == (to_base32(a) < to_base32(b)));
}

RC_GTEST_PROP(Bytes, OnlyOneTextForEachBase32Value, ()) {
  const auto text = *rc::gen::container<std::string>(
      4, rc::gen::elementOf(std::string("0123456789abcdefghjkmnpqrstvwxyz")));
  const auto bytes = from_base32(text, 2);
  if (bytes.ok()) RC_ASSERT(to_base32(bytes.value()) == text);
}

RC_GTEST_PROP(Bytes, ReaderTakesWhatWasPut,
              (std::uint16_t a, std::uint32_t b, std::uint64_t c, std::uint64_t d,
               const std::string& e)) {
  std::string out;
  put_u16(out, a);
  put_u32(out, b);
  put_u64(out, c);
  put_u64_ordered(out, d);
  put_string(out, e);
  ByteReader in(out);
  RC_ASSERT(in.u16() == a);
  RC_ASSERT(in.u32() == b);
  RC_ASSERT(in.u64() == c);
  RC_ASSERT(in.u64_ordered() == d);
  RC_ASSERT(in.string() == e);
  RC_ASSERT(in.at_end());

  // Every shorter text fails, and stays failed.
  const auto cut = *rc::gen::inRange<std::size_t>(0, out.size());
  ByteReader shorter(std::string_view(out).substr(0, cut));
  shorter.u16(), shorter.u32(), shorter.u64(), shorter.u64_ordered(), shorter.string();
  RC_ASSERT(!shorter.ok());
  RC_ASSERT(!shorter.at_end());
  RC_ASSERT(shorter.u8() == 0);
}

RC_GTEST_PROP(Bytes, OrderedIntegersSortAsBytes, (std::uint64_t a, std::uint64_t b)) {
  std::string x;
  std::string y;
  put_u64_ordered(x, a);
  put_u64_ordered(y, b);
  RC_ASSERT((a < b) == (x < y));
}

TEST(Bytes, LayoutIsLittleEndian) {
  std::string out;
  put_u16(out, 0x0102);
  put_u32(out, 0x03040506);
  EXPECT_EQ(to_hex(out), "020106050403");
  put_u64_ordered(out, 1);
  ByteReader in(out);
  in.bytes(6);
  EXPECT_EQ(to_hex(in.rest()), "0000000000000001");
}

TEST(Bytes, AStringLongerThanTheRestFails) {
  std::string out;
  put_u32(out, 0xffffffff);
  out += "abc";
  ByteReader in(out);
  EXPECT_EQ(in.string(), "");
  EXPECT_FALSE(in.ok());
}

}  // namespace
}  // namespace hf
