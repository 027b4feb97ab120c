// The files of a TLS client: whom it trusts, and its own certificate with its key.
#pragma once

#include <openssl/ssl.h>

#include <optional>
#include <string>

#include "base/result.h"
#include "base/time.h"
#include "call/settings.h"

namespace hf::adapters {

// What our own certificate says of itself; of a chain, the time that all of it is good for.
struct OwnCertificate {
  std::string subject;  // one line, RFC 2253
  WallTime not_before;
  WallTime not_after;
};

// Puts `ca` into `ctx`, or the system's store if it is empty. Blocking. ErrorKind::unavailable: the
// file cannot be read; invalid: it holds no certificate. Errors name the file.
Result<void> load_authorities(SSL_CTX* ctx, const std::string& ca);

// Puts certificate, chain and key into `ctx`, where there are any. `passphrase` is the one that
// `settings.passphrase` stands for; empty: none. Blocking. Errors as above: the key may also be of
// another certificate, encrypted, or opened by another passphrase. They never show the passphrase.
Result<std::optional<OwnCertificate>> load_own_certificate(SSL_CTX* ctx,
                                                           const call::UpstreamTls& settings,
                                                           const std::string& passphrase);

}  // namespace hf::adapters
