// Whose a call is, on whose account it acts, and with whom it shares a pause.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "base/fields.h"
#include "call/hasher.h"
#include "call/settings.h"

namespace hf::call {

// The stable part of a request's credential, marked with its kind: the value of a Bearer or Basic
// Authorization, the access key id of an AWS signature (the rest changes with every request), else
// the whole of Authorization, X-Api-Key or Api-Key, the first that is there. Empty: none.
// Never stored or shown; only its digests are.
std::string credential_of(const Fields& fields);

// True when a credential field, or the owner's field of this rule, is there twice: each hop would
// take another of them, and the call would be shown to the wrong client.
bool ambiguous_credential(const Fields& fields, const OwnerRule& rule);

// The owner by a route's rule. A header rule without its header falls back to the credential, a
// credential rule without a credential to "anyone".
Digest owner_of(const OwnerRule& rule, const Fields& fields, const Hasher& hasher);
Digest owner_anyone(const Hasher& hasher);

// Everyone this request can speak for: by credential, as anyone, and by each owner header that some
// route names and the request carries.
std::vector<Digest> owners_of(const Settings& settings, const Fields& fields, const Hasher& hasher);

// The label of `account:`; else the hex digest of the credential that goes upstream: the injected
// one, else the client's own.
std::string account_of(const UpstreamSettings& upstream, const Fields& fields,
                       const Hasher& hasher);

// The upstream's name and the owner, as hex (DESIGN section 4, Pauses).
std::string limit_key_of(std::string_view upstream, const Digest& owner, const Hasher& hasher);

// Those three of a request, worked out once for who asks again and again: they are three of its
// eight digests. What it remembers is known by a keyed hash, so that no credential stays in memory
// for it. Not for use by two threads at once.
class KnownCallers {
 public:
  explicit KnownCallers(Hasher hasher);

  struct Caller {
    Digest owner;
    std::string account;
    std::string limit_key;
  };
  // The same as owner_of(), account_of() and limit_key_of() give. The upstreams of all questions
  // are those of one configuration. Lasts until the next question.
  const Caller& of(const OwnerRule& rule, const UpstreamSettings& upstream, const Fields& fields);

 private:
  using Name = std::array<unsigned char, 16>;
  static constexpr std::size_t kPlaces = 256;
  struct Place {
    bool taken = false;
    Name name{};
    Caller caller;
  };

  Hasher hasher_;
  Name secret_{};
  std::string bytes_;
  std::vector<Place> places_;
};

}  // namespace hf::call
