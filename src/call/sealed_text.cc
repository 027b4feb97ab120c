#include "call/sealed_text.h"

#include <utility>

namespace hf::call {

std::string seal_text(const Sealer& sealer, RecordKind kind, std::string_view name,
                      std::string_view text, WallTime at) {
  return sealer.seal({static_cast<std::uint8_t>(kind), 0, at, 0}, name, text);
}

Result<std::string> open_text(const Sealer& sealer, RecordKind kind, std::string_view name,
                              std::string_view sealed) {
  HF_TRY(OpenedRecord record, sealer.open(name, sealed));
  if (record.head.kind == static_cast<std::uint8_t>(kind)) return std::move(record.payload);
  return fail(ErrorKind::corrupt, "it is something else that was sealed under this name");
}

}  // namespace hf::call
