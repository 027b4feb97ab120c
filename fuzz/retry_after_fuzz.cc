// Retry-After and its kin as an upstream may write them.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "policy/retry_after.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view value(reinterpret_cast<const char*>(data), size);
  for (const std::int64_t ms : {std::int64_t{0}, std::int64_t{1'795'232'360'123}}) {
    const hf::WallTime now{ms};
    const auto after = hf::policy::parse_retry_after(value, now);
    HF_CHECK(!after || *after >= hf::Duration{});
    const auto reset = hf::policy::parse_rate_reset(value, now);
    HF_CHECK(!reset || *reset >= hf::Duration{});
  }
  // Whole seconds mean the same whatever the clock says.
  const bool digits = !value.empty() && value.size() <= 9 &&
                      value.find_first_not_of("0123456789") == std::string_view::npos;
  if (digits) {
    const auto seconds = hf::Duration::seconds(std::stoll(std::string(value)));
    HF_CHECK(hf::policy::parse_retry_after(value, hf::WallTime{5}) == seconds);
  }
  return 0;
}
