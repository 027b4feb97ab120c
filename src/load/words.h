// Numbers as people read them at two in the morning: three digits, with their unit.
#pragma once

#include <cstdint>
#include <string>

#include "base/time.h"

namespace hf::load {

std::string brief(Duration duration);      // "1.4 s", "82 us", "3m 20s"
std::string per_second(double rate);       // "1,240/s", "12.5/s"
std::string percent(double share);         // 0.012: "1.2%"
std::string grouped(std::uint64_t count);  // "1,240"

}  // namespace hf::load
