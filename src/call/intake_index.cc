#include "call/intake_index.h"

#include <utility>

#include "base/bytes.h"
#include "call/parts.h"

namespace hf::call {

std::string hashed_value(std::string_view value, const Hasher& hasher) {
  return to_hex(hasher.digest("sensitive", value).raw());
}

std::vector<IndexValue> index_of(const RouteSettings& route, const Fields& fields,
                                 std::string_view body, const Hasher& hasher) {
  std::vector<IndexValue> out;
  for (const IndexField& field : route.index) {
    PartValue found = read_part(field.part, fields, body);
    if (found.kind != PartValue::Kind::found) continue;
    const bool hashed = field.sensitive || found.text.size() > kIndexValueMax;
    out.push_back(
        {field.name, hashed ? hashed_value(found.text, hasher) : std::move(found.text), hashed});
  }
  return out;
}

}  // namespace hf::call
