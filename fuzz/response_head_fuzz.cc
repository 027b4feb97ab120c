// A response head, as an answer to GET and to HEAD: what is accepted is written and read back
// unchanged, and Boost.Beast reads it alike.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "http1/beast_oracle.h"
#include "http1/head.h"
#include "http1/hop.h"
#include "http1/keepalive.h"
#include "http1/write.h"

namespace {

using namespace hf::http1;

void check_accepted(std::string_view bytes, const ParsedResponse& parsed, std::string_view method) {
  const auto difference = oracle::difference(bytes, parsed, method);
  HF_CHECK_MSG(difference.empty(), difference);
  HF_CHECK(peek_status(bytes) == parsed.head.status);
  auto head = parsed.head;
  std::string written;
  write_response_head(written, head, parsed.framing);
  const auto again = parse_response(written, method);
  HF_CHECK(again.refusal == Refusal::none);
  HF_CHECK(again.framing == parsed.framing);
  HF_CHECK(again.head.status == head.status && again.head.reason == head.reason);
  std::string twice;
  write_response_head(twice, again.head, again.framing);
  HF_CHECK(twice == written);

  (void)keep_alive_timeout(head.fields);
  drop_hop_by_hop(head.fields);
  drop_holdfast_fields(head.fields);
  std::string onward;
  write_response_head(onward, head, parsed.framing);
  HF_CHECK(parse_response(onward, method).framing == parsed.framing);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto scan = HeadScanner(4096).scan(bytes);
  const auto head = scan.size == 0 ? bytes : bytes.substr(0, scan.size);
  for (const std::string_view method : {"GET", "HEAD"}) {
    const auto parsed = parse_response(head, method);
    if (parsed.refusal == Refusal::none) check_accepted(head, parsed, method);
  }
  return 0;
}
