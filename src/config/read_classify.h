// `classify`: what an upstream's answers mean beyond their status.
#pragma once

#include "call/settings.h"
#include "config/section.h"

namespace hf::config {

// Puts the rules that are written in front of those that `out` has from its preset. After the mode
// has been read; what is wrong is found, not thrown.
void read_classify(Section& in, call::UpstreamSettings& out);

}  // namespace hf::config
