// Whether a call may be sent by something else than Holdfast: what an export tells whoever goes on
// without it. Pure.
#pragma once

#include <optional>
#include <string_view>

#include "call/call.h"

namespace hf::call {

enum class Resend : std::uint8_t {
  yes,       // nothing of it has taken effect, or repeating it is harmless
  same_key,  // it may have taken effect: only with its key, which the upstream honours, and in time
  no,        // it has ended, or a person has to find out first
};

struct ResendWord {
  Resend may = Resend::no;
  std::optional<WallTime> until;  // same_key: the end of the key; yes: the call's deadline
};

// By the rules of docs/decisions.md, from the record alone. A call that was being sent counts as
// one that may have taken effect.
ResendWord may_resend(const Call& call);

std::string_view to_string(Resend may);

// A field that holds a credential, or may: by its name.
bool names_credential(std::string_view field);

}  // namespace hf::call
