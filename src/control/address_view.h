// The way to an upstream for operators: its URLs, where there are several, what their names stand
// for, and its proxy.
#pragma once

#include <string>

#include "call/settings.h"
#include "control/facts.h"
#include "engine/stats.h"

namespace hf::control {

// A JSON array: {"url", "address", "state", ...}; `address` is null for the URL as a whole.
std::string addresses_json(const std::string& upstream, const engine::UpstreamStats& stats,
                           const OutgoingFacts& outgoing);
// {"address", "connections": {"opened": ..., "proxy_refused": ...}} of an upstream that has one.
std::string proxy_json(const call::UpstreamSettings& upstream, const OutgoingFacts& outgoing);

}  // namespace hf::control
