// How an upstream is reached: TLS towards it.
#pragma once

#include "call/settings.h"
#include "config/section.h"

namespace hf::config {

// `tls`, and `ca_file`, which is a short way to write `tls.ca`. What is wrong is found, not thrown.
void read_upstream_tls(Section& in, call::UpstreamTls& out);

}  // namespace hf::config
