#include "call/resend.h"

#include <algorithm>
#include <array>
#include <string>

#include "base/bytes.h"
#include "base/fields.h"
#include "call/decide.h"

namespace hf::call {
namespace {

// Parts of names; better one too many left out than one too few.
constexpr std::array<std::string_view, 13> kCredentialWords{
    "authorization", "cookie", "token",   "secret", "password",  "passwd",    "api-key",
    "apikey",        "x-auth", "session", "x-csrf", "signature", "credential"};

}  // namespace

ResendWord may_resend(const Call& call) {
  if (call.state == State::answered || call.state == State::cancelled ||
      call.state == State::unknown) {
    return {};
  }
  const WallTime deadline = call.accepted.wall + call.deadline;
  const bool in_doubt = call.unresolved || call.state == State::sending;
  const Column column = column_of(call.idempotency->mode, call.safe);
  if (!in_doubt || column == Column::safe) return {Resend::yes, deadline};
  if (column != Column::key || !call.key || call.key->field.empty()) return {};
  return {Resend::same_key, ends_at(call)};
}

std::string_view to_string(Resend may) {
  switch (may) {
    case Resend::yes:
      return "yes";
    case Resend::same_key:
      return "same_key";
    case Resend::no:
      return "no";
  }
  return "?";
}

bool names_credential(std::string_view field) {
  const std::string name = lower_ascii(field);
  return std::any_of(kCredentialWords.begin(), kCredentialWords.end(),
                     [&](std::string_view word) { return name.find(word) != std::string::npos; });
}

}  // namespace hf::call
