// TLS towards upstreams, on OpenSSL directly. Not asio::ssl::stream: an attempt's evidence needs
// the number of bytes that the socket took, and an idle connection has to take in session tickets
// without being thought spoilt; both need the sessions and their BIO in our own hands.
#pragma once

#include <openssl/ssl.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "base/result.h"

namespace hf::adapters {

struct SslFree {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
};
using SslPtr = std::unique_ptr<SSL, SslFree>;

// What one set of trusted authorities makes possible: TLS 1.2 and 1.3, the certificate and its name
// checked (RFC 9525), sessions resumed, never early data. I/O thread only.
class ClientContext {
 public:
  // `ca_file`: PEM; empty: the system's store. Fails when it cannot be read or holds nothing.
  static Result<std::shared_ptr<ClientContext>> make(const std::string& ca_file);
  ~ClientContext();
  ClientContext(const ClientContext&) = delete;
  ClientContext& operator=(const ClientContext&) = delete;

  // A client session for that host over the non-blocking socket `fd`, which stays the caller's.
  // `sent` is raised by the bytes that the socket takes, and must outlive the session. The context
  // must outlive it too.
  Result<SslPtr> open(const std::string& host, std::uint16_t port, int fd, std::uint64_t* sent);

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
  explicit ClientContext(SSL_CTX* ctx);

  std::map<std::string, std::unique_ptr<SSL_SESSION, SessionFree>> sessions_;
  std::unique_ptr<SSL_CTX, CtxFree> ctx_;
};

// One context for each CA file in use. I/O thread only.
class ClientContexts {
 public:
  Result<std::shared_ptr<ClientContext>> get(const std::string& ca_file);
  // Reads the files anew for connections made from now on.
  void clear() { contexts_.clear(); }

 private:
  std::map<std::string, std::shared_ptr<ClientContext>> contexts_;
};

// What failed last, for a person: the verdict on the certificate, or OpenSSL's own words. Empties
// OpenSSL's error queue.
std::string tls_error_text(const SSL* ssl);

}  // namespace hf::adapters
