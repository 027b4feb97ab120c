#include "http1/chars.h"

#include <gtest/gtest.h>

#include <string>

namespace hf::http1 {
namespace {

// Each byte in each place of a text that is longer than two words, beside each kind of neighbour.
TEST(Chars, WhatMayStandInAValueIsFoundByteByByte) {
  for (const char neighbour : {'x', '\x7e', '\x20', '\xff', '\x80', '\t'}) {
    for (std::size_t place = 0; place < 19; ++place) {
      for (unsigned c = 0; c < 256; ++c) {
        std::string text(19, neighbour);
        text[place] = static_cast<char>(c);
        const bool may = c == '\t' || (c >= 0x20 && c != 0x7f);
        ASSERT_EQ(span_of(text, kValueChar), may ? text.size() : place) << c << " at " << place;
      }
    }
  }
  EXPECT_EQ(span_of("", kValueChar), 0U);
}

}  // namespace
}  // namespace hf::http1
