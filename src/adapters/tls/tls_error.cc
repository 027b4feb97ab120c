#include "adapters/tls/tls_error.h"

#include <fmt/format.h>
#include <openssl/err.h>

namespace hf::adapters {

std::string tls_error_text(const SSL* ssl) {
  std::string text;
  if (ssl != nullptr && SSL_get_verify_result(ssl) != X509_V_OK) {
    text = fmt::format("{}: {}", kCertificateRefused,
                       X509_verify_cert_error_string(SSL_get_verify_result(ssl)));
  } else if (const auto code = ERR_peek_last_error(); code != 0) {
    const char* reason = ERR_reason_error_string(code);
    text = reason != nullptr ? reason : "TLS error";
  } else {
    text = "the connection ended";
  }
  ERR_clear_error();
  return text;
}

}  // namespace hf::adapters
