// What OpenSSL has to say, for people.
#pragma once

#include <openssl/ssl.h>

#include <string>
#include <string_view>

namespace hf::adapters {

// How it begins where the peer's certificate was not believed.
inline constexpr std::string_view kCertificateRefused = "certificate refused";

// What failed last: the verdict on the peer's certificate, or OpenSSL's own words. `ssl` may be
// null. Empties OpenSSL's error queue.
std::string tls_error_text(const SSL* ssl);

}  // namespace hf::adapters
