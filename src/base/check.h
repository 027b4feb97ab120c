// HF_CHECK: an always-on assertion for bugs of ours, in release too. Never for input or
// environment: what the outside can cause is a value or a Result. A failed check writes to stderr
// and aborts.
#pragma once

#include <string_view>

namespace hf {

[[noreturn]] void check_failed(const char* file, int line, const char* condition,
                               std::string_view detail) noexcept;

}  // namespace hf

#define HF_CHECK(condition)                                   \
  do {                                                        \
    if (!(condition)) [[unlikely]]                            \
      ::hf::check_failed(__FILE__, __LINE__, #condition, {}); \
  } while (false)

#define HF_CHECK_MSG(condition, detail)                             \
  do {                                                              \
    if (!(condition)) [[unlikely]]                                  \
      ::hf::check_failed(__FILE__, __LINE__, #condition, (detail)); \
  } while (false)
