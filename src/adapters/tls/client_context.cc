#include "adapters/tls/client_context.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "adapters/tls/tls_error.h"
#include "base/check.h"

namespace hf::adapters {
namespace {

// More peers than this start over: the memory is bounded, and a full handshake is no harm.
constexpr std::size_t kMaxSessions = 1024;

// OpenSSL's own socket BIO writes without MSG_NOSIGNAL and does not say how much the socket took.
struct SocketState {
  int fd = -1;
  std::uint64_t* sent = nullptr;
  bool ended = false;
};

SocketState& state_of(BIO* bio) {
  return *static_cast<SocketState*>(BIO_get_data(bio));
}

int bio_write(BIO* bio, const char* bytes, int size) {
  auto& state = state_of(bio);
  BIO_clear_retry_flags(bio);
  const auto n = ::send(state.fd, bytes, static_cast<std::size_t>(size), MSG_NOSIGNAL);
  if (n > 0) *state.sent += static_cast<std::uint64_t>(n);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_write(bio);
  return static_cast<int>(n);
}

int bio_read(BIO* bio, char* bytes, int size) {
  auto& state = state_of(bio);
  BIO_clear_retry_flags(bio);
  const auto n = ::recv(state.fd, bytes, static_cast<std::size_t>(size), 0);
  if (n == 0) state.ended = true;
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_read(bio);
  return static_cast<int>(n);
}

long bio_ctrl(BIO* bio, int command, long, void*) {
  if (command == BIO_CTRL_FLUSH) return 1;
  if (command == BIO_CTRL_EOF) return state_of(bio).ended ? 1 : 0;
  return 0;
}

int bio_destroy(BIO* bio) {
  delete static_cast<SocketState*>(BIO_get_data(bio));
  BIO_set_data(bio, nullptr);
  return 1;
}

BIO_METHOD* socket_method() {
  static BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "upstream socket");
    HF_CHECK(made != nullptr);
    BIO_meth_set_write(made, bio_write);
    BIO_meth_set_read(made, bio_read);
    BIO_meth_set_ctrl(made, bio_ctrl);
    BIO_meth_set_destroy(made, bio_destroy);
    return made;
  }();
  return method;
}

BIO* make_socket_bio(int fd, std::uint64_t* sent) {
  BIO* bio = BIO_new(socket_method());
  HF_CHECK(bio != nullptr);
  BIO_set_data(bio, new SocketState{fd, sent, false});
  BIO_set_init(bio, 1);
  return bio;
}

// What is known of one session: whom it speaks to, so that a new ticket can be filed, and what came
// of certificates.
struct Notes {
  std::string peer;
  bool certificate_asked = false;
  bool ticket = false;
};

void free_notes(void*, void* notes, CRYPTO_EX_DATA*, int, long, void*) {
  delete static_cast<Notes*>(notes);
}

int notes_index() {
  static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, free_notes);
  return index;
}

Notes* notes_of(const SSL* ssl) {
  return static_cast<Notes*>(SSL_get_ex_data(ssl, notes_index()));
}

int on_new_session(SSL* ssl, SSL_SESSION* session) {
  auto* context = static_cast<ClientContext*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), 0));
  Notes* notes = notes_of(ssl);
  if (context == nullptr || notes == nullptr) return 0;
  notes->ticket = true;
  context->keep_session(notes->peer, session);
  return 1;
}

// Called when the peer asks for a certificate, whether or not there is one.
int on_certificate_asked(SSL* ssl, void*) {
  if (Notes* notes = notes_of(ssl)) notes->certificate_asked = true;
  return 1;
}

bool is_ip_literal(const std::string& host) {
  std::array<unsigned char, sizeof(in6_addr)> parsed{};
  return inet_pton(AF_INET, host.c_str(), parsed.data()) == 1 ||
         inet_pton(AF_INET6, host.c_str(), parsed.data()) == 1;
}

// SSL_set_tlsext_host_name, which is a macro with a C cast.
bool set_server_name(SSL* ssl, const std::string& host) {
  return SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                  const_cast<char*>(host.c_str())) == 1;
}

// The name that the certificate has to carry, and SNI, which is never an address (RFC 6066
// section 3).
bool expect_host(SSL* ssl, const std::string& host) {
  auto* param = SSL_get0_param(ssl);
  if (is_ip_literal(host)) return X509_VERIFY_PARAM_set1_ip_asc(param, host.c_str()) == 1;
  X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  return X509_VERIFY_PARAM_set1_host(param, host.data(), host.size()) == 1 &&
         set_server_name(ssl, host);
}

}  // namespace

ClientContext::ClientContext(SSL_CTX* ctx, std::string server_name)
    : ctx_(ctx), server_name_(std::move(server_name)) {
  SSL_CTX_set_ex_data(ctx, 0, this);  // index 0 is the application's
  SSL_CTX_sess_set_new_cb(ctx, on_new_session);
  SSL_CTX_set_cert_cb(ctx, on_certificate_asked, nullptr);
}

ClientContext::~ClientContext() = default;

Result<std::shared_ptr<ClientContext>> ClientContext::make(const call::UpstreamTls& settings,
                                                           const std::string& passphrase) {
  SSL_CTX* ctx = SSL_CTX_new(TLS_client_method());
  if (ctx == nullptr) return fail(ErrorKind::unavailable, tls_error_text(nullptr));
  std::shared_ptr<ClientContext> made(new ClientContext(ctx, settings.server_name));
  const bool newest = settings.min_version == call::TlsVersion::tls13;
  SSL_CTX_set_min_proto_version(ctx, newest ? TLS1_3_VERSION : TLS1_2_VERSION);
  SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
  SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                            SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_read_ahead(ctx, 1);
  SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  HF_TRY_VOID(load_authorities(ctx, settings.ca));
  HF_TRY(made->own_, load_own_certificate(ctx, settings, passphrase));
  return made;
}

Result<SslPtr> ClientContext::open(const std::string& host, std::uint16_t port, int fd,
                                   std::uint64_t* sent) {
  static constexpr std::array<unsigned char, 9> kAlpn{8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
  SslPtr ssl(SSL_new(ctx_.get()));
  if (!ssl || !expect_host(ssl.get(), server_name_.empty() ? host : server_name_)) {
    return fail(ErrorKind::unavailable, tls_error_text(nullptr));
  }
  SSL_set_alpn_protos(ssl.get(), kAlpn.data(), kAlpn.size());
  auto notes = std::make_unique<Notes>();
  notes->peer = fmt::format("{}:{}", host, port);
  if (const auto known = sessions_.find(notes->peer); known != sessions_.end()) {
    SSL_set_session(ssl.get(), known->second.get());
  }
  if (SSL_set_ex_data(ssl.get(), notes_index(), notes.get()) == 1) {
    static_cast<void>(notes.release());
  }
  BIO* bio = make_socket_bio(fd, sent);
  SSL_set_bio(ssl.get(), bio, bio);
  SSL_set_connect_state(ssl.get());
  return ssl;
}

bool ClientContext::awaits_word(const SSL* ssl) {
  const Notes* notes = notes_of(ssl);
  return notes != nullptr && notes->certificate_asked && !notes->ticket &&
         SSL_version(ssl) >= TLS1_3_VERSION;
}

void ClientContext::keep_session(const std::string& peer, SSL_SESSION* session) {
  if (sessions_.size() >= kMaxSessions && !sessions_.contains(peer)) sessions_.clear();
  sessions_[peer].reset(session);
}

}  // namespace hf::adapters
