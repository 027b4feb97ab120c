// Who a request comes from, where proxies stand before us.
#pragma once

#include <optional>
#include <string_view>

#include "base/fields.h"
#include "base/ip_address.h"
#include "call/limits.h"

namespace hf::call {

// The address of the client: `peer` ("ip:port") unless it is a trusted proxy; then what that one
// wrote last into its field, and so on from right to left until an address that is not trusted.
// What stands left of it anybody may have written. A name that is no address ("unknown",
// "_hidden", a broken line) ends the walk at the proxy that wrote it. Nothing: `peer` is no
// address.
std::optional<IpAddress> client_address(const ClientAddressSettings& settings,
                                        std::string_view peer, const Fields& fields);

// What counts as one client: an IPv4 address, or the first `v6_prefix` bits of an IPv6 one.
IpAddress client_network(const ClientAddressSettings& settings, const IpAddress& address);

}  // namespace hf::call
