// Which addresses belong to the public internet: where URLs that outsiders may choose can lead.
#pragma once

#include <boost/asio/ip/address.hpp>

namespace hf::adapters {

// False for what IANA's special-purpose registries (RFC 6890) keep from being globally reachable:
// this host, private, shared (CGNAT), loopback, link-local, documentation, benchmarking, multicast,
// reserved, unique-local. An IPv6 address that carries an IPv4 one (mapped, compatible, 6to4,
// Teredo) is refused whatever it carries, but for NAT64's 64:ff9b::/96, which is judged by it: on a
// network with IPv6 alone it is how public IPv4 receivers are reached.
bool is_public(const boost::asio::ip::address& address);

}  // namespace hf::adapters
