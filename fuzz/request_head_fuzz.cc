// A request head: the scanner gives one answer for any pieces, what is accepted is written and read
// back unchanged, and Boost.Beast reads it alike.
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

void check_accepted(std::string_view bytes, const ParsedRequest& parsed) {
  const auto difference = oracle::difference(bytes, parsed);
  HF_CHECK_MSG(difference.empty(), difference);
  auto head = parsed.head;
  // Written as HTTP/1.1, which needs a Host.
  if (hf::find_field(head.fields, "host") == nullptr) hf::set_field(head.fields, "Host", "a");
  std::string written;
  write_request_head(written, head, parsed.framing);
  const auto again = parse_request(written);
  HF_CHECK(again.refusal == Refusal::none);
  HF_CHECK(again.framing == parsed.framing);
  HF_CHECK(again.head.method == head.method && again.head.target == head.target);
  HF_CHECK(again.head.fields.size() == head.fields.size());
  std::string twice;
  write_request_head(twice, again.head, again.framing);
  HF_CHECK(twice == written);

  (void)keep_alive_timeout(head.fields);
  drop_hop_by_hop(head.fields);
  drop_holdfast_fields(head.fields);
  HF_CHECK(hf::count_fields(head.fields, "host") == 1);
  std::string onward;
  write_request_head(onward, head, parsed.framing);
  HF_CHECK(parse_request(onward).framing == parsed.framing);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto whole = HeadScanner(4096).scan(bytes);
  HeadScanner in_pieces(4096);
  HeadScan scan;
  for (std::size_t n = 0; n <= size && scan.size == 0 && scan.refusal == Refusal::none; ++n) {
    scan = in_pieces.scan(bytes.substr(0, n));
  }
  HF_CHECK(scan.size == whole.size && scan.refusal == whole.refusal);
  const auto raw = parse_request(bytes);
  if (raw.refusal == Refusal::none) check_accepted(bytes, raw);
  if (whole.size != 0 && whole.size != size) {
    const auto parsed = parse_request(bytes.substr(0, whole.size));
    if (parsed.refusal == Refusal::none) check_accepted(bytes.substr(0, whole.size), parsed);
  }
  // The parser takes nothing that the scanner would not have measured.
  if (raw.refusal == Refusal::none && size <= 4096) HF_CHECK(whole.size == size);
  return 0;
}
