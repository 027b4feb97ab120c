// Fields that end here: those of one connection (RFC 9110 section 7.6.1), and Holdfast's own.
#pragma once

#include <span>
#include <string>

#include "base/fields.h"

namespace hf::http1 {

// Drops Connection and the fields it names, Keep-Alive, Proxy-Connection, Proxy-Authenticate,
// Proxy-Authorization, TE, Trailer, Transfer-Encoding and Upgrade.
//
// What Connection names is dropped except Idempotency-Key, Authorization, Host, Content-*, and
// `keep` (the key and scope fields of a route, any case): a client must not be able to take a
// call's key or credential off on its way.
void drop_hop_by_hop(Fields& fields, std::span<const std::string> keep = {});

// Drops every Holdfast-*: a client must not forge them towards the upstream, nor an upstream
// towards the client. Read those that are meant for us first.
void drop_holdfast_fields(Fields& fields);

}  // namespace hf::http1
