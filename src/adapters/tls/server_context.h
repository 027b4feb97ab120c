// The TLS side of a listener.
#pragma once

#include <boost/asio/ssl/context.hpp>
#include <memory>

#include "base/result.h"
#include "call/settings.h"

namespace hf::adapters {

// Reads certificate chain and key (both PEM, the key without a pass phrase) and sets up TLS 1.2 and
// 1.3 with forward-secret AEAD ciphers, without renegotiation, and with ALPN "http/1.1": a client
// that offers only other protocols (h2) is turned away in the handshake. No early data is taken: a
// replayed 0-RTT request would be a second copy of a call.
//
// Blocking; for start and reload. Errors name the file.
Result<std::shared_ptr<boost::asio::ssl::context>> make_server_context(
    const call::TlsListen& files);

}  // namespace hf::adapters
