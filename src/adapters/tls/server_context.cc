#include "adapters/tls/server_context.h"

#include <openssl/ssl.h>

#include <string>
#include <string_view>

namespace hf::adapters {
namespace {

constexpr const char* kCiphers12 =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";

// ALPN as a client sends it: each name behind its length. Only http/1.1 is spoken here.
int choose_protocol(SSL*, const unsigned char** out, unsigned char* out_size,
                    const unsigned char* offered, unsigned int offered_size, void*) {
  constexpr std::string_view kSpoken = "http/1.1";
  unsigned int at = 0;
  while (at < offered_size) {
    const unsigned int size = offered[at];
    if (size > offered_size - at - 1) break;
    if (std::string_view(reinterpret_cast<const char*>(offered + at + 1), size) == kSpoken) {
      *out = offered + at + 1;
      *out_size = static_cast<unsigned char>(size);
      return SSL_TLSEXT_ERR_OK;
    }
    at += 1 + size;
  }
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

Error cannot(const std::string& doing, const boost::system::error_code& why) {
  return fail(ErrorKind::unavailable, doing + ": " + why.message());
}

}  // namespace

Result<std::shared_ptr<boost::asio::ssl::context>> make_server_context(
    const call::TlsListen& files) {
  namespace ssl = boost::asio::ssl;
  if (files.certificate.empty() || files.key.empty()) {
    return fail(ErrorKind::invalid, "TLS needs both a certificate file and a key file");
  }
  auto context = std::make_shared<ssl::context>(ssl::context::tls_server);
  SSL_CTX* const raw = context->native_handle();
  if (SSL_CTX_set_min_proto_version(raw, TLS1_2_VERSION) != 1 ||
      SSL_CTX_set_cipher_list(raw, kCiphers12) != 1) {
    return fail(ErrorKind::unavailable, "the TLS library refuses TLS 1.2 with our ciphers");
  }
  SSL_CTX_set_options(
      raw, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  // An idle connection keeps no record buffers.
  SSL_CTX_set_mode(raw, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_max_early_data(raw, 0);
  SSL_CTX_set_alpn_select_cb(raw, choose_protocol, nullptr);

  boost::system::error_code ec;
  // Without this OpenSSL would ask for the pass phrase on the terminal and block the start.
  context->set_password_callback(
      [](std::size_t, ssl::context::password_purpose) { return std::string(); }, ec);
  if (ec) return cannot("set up TLS", ec);
  context->use_certificate_chain_file(files.certificate, ec);
  if (ec) return cannot("read TLS certificate " + files.certificate, ec);
  context->use_private_key_file(files.key, ssl::context::pem, ec);
  if (ec) {
    return cannot("read TLS key " + files.key + " (PEM, without a pass phrase, of the certificate)",
                  ec);
  }
  if (SSL_CTX_check_private_key(raw) != 1) {
    return fail(ErrorKind::invalid,
                "TLS key " + files.key + " does not belong to certificate " + files.certificate);
  }
  return context;
}

}  // namespace hf::adapters
