// TLS towards upstreams, on OpenSSL directly. Not asio::ssl::stream: an attempt's evidence needs
// the number of bytes that the socket took, and an idle connection has to take in session tickets
// without being thought spoilt; both need the sessions and their BIO in our own hands.
#pragma once

#include <openssl/ssl.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "adapters/tls/client_files.h"
#include "base/result.h"
#include "call/settings.h"

namespace hf::adapters {

struct SslFree {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
};
using SslPtr = std::unique_ptr<SSL, SslFree>;

// What one setting of an upstream's `tls` makes possible: the authorities that are trusted, our own
// certificate, the upstream's and its name checked (RFC 9525), sessions resumed, never early data.
// I/O thread only.
class ClientContext {
 public:
  // `passphrase` is what `settings.passphrase` stands for. Blocking. ErrorKind::unavailable: a file
  // cannot be read; invalid: one cannot be used. Errors name it.
  static Result<std::shared_ptr<ClientContext>> make(const call::UpstreamTls& settings,
                                                     const std::string& passphrase);
  ~ClientContext();
  ClientContext(const ClientContext&) = delete;
  ClientContext& operator=(const ClientContext&) = delete;

  // A client session for that host over the non-blocking socket `fd`, which stays the caller's.
  // `sent` is raised by the bytes that the socket takes, and must outlive the session. The context
  // must outlive it too.
  Result<SslPtr> open(const std::string& host, std::uint16_t port, int fd, std::uint64_t* sent);
  // True after a handshake of TLS 1.3 in which the peer has asked for a certificate and not said
  // yet what it thinks of ours, or of there being none: it may still end the connection for that,
  // and has done nothing before (RFC 8446 section 4.4.2.4). Its first session ticket is its yes.
  static bool awaits_word(const SSL* ssl);

  [[nodiscard]] const std::optional<OwnCertificate>& own() const { return own_; }

  // For the callback of OpenSSL: keeps a session for the next connection to the same peer. Takes
  // ownership.
  void keep_session(const std::string& peer, SSL_SESSION* session);

 private:
  struct CtxFree {
    void operator()(SSL_CTX* ctx) const { SSL_CTX_free(ctx); }
  };
  struct SessionFree {
    void operator()(SSL_SESSION* session) const { SSL_SESSION_free(session); }
  };
  ClientContext(SSL_CTX* ctx, std::string server_name);

  std::map<std::string, std::unique_ptr<SSL_SESSION, SessionFree>> sessions_;
  std::unique_ptr<SSL_CTX, CtxFree> ctx_;
  std::string server_name_;  // empty: the host
  std::optional<OwnCertificate> own_;
};

}  // namespace hf::adapters
