// A configuration: no text crashes the reader, and what loads is printed so that it loads again to
// the same settings. A written-out secret is the one thing that print hides.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "config/load.h"
#include "config/print.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hf::config;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto loaded = load_text(text, "fuzz");
  HF_CHECK(loaded.findings.size() <= 2 * kMaxFindings + 1);
  for (const auto& finding : loaded.findings)
    HF_CHECK(!format(finding).empty());
  if (loaded.settings == nullptr) {
    HF_CHECK(!loaded.findings.empty());
    return 0;
  }
  const std::string printed = print(*loaded.settings);
  const auto again = load_text(printed, "printed");
  HF_CHECK_MSG(again.settings != nullptr,
               again.findings.empty() ? std::string_view() : again.findings.front().message);
  HF_CHECK_MSG(print(*again.settings) == printed, printed);
  if (printed.find("(hidden)") == std::string::npos) {
    HF_CHECK_MSG(same_settings(*loaded.settings, *again.settings), printed);
  }
  return 0;
}
