// What OpenSSL has to say, for people.
#pragma once

#include <openssl/ssl.h>

#include <string>

namespace hf::adapters {

// What failed last: the verdict on the peer's certificate, or OpenSSL's own words. `ssl` may be
// null. Empties OpenSSL's error queue.
std::string tls_error_text(const SSL* ssl);

}  // namespace hf::adapters
