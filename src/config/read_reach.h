// How an upstream is reached: TLS towards it, and a proxy on the way.
#pragma once

#include "call/settings.h"
#include "config/section.h"

namespace hf::config {

// `tls`, and `ca_file`, which is a short way to write `tls.ca`. What is wrong is found, not thrown.
void read_upstream_tls(Section& in, call::UpstreamTls& out);

// `proxy`: http://[user:password@]host:port. Nothing else is looked at, no environment either.
void read_upstream_proxy(Section& in, std::optional<call::Proxy>& out);

}  // namespace hf::config
