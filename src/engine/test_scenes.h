// For tests: what the scenes of a call's life are set in.
#pragma once

#include "engine/test_bench.h"

namespace hf::engine {

inline const auto kKeyed = [](call::UpstreamSettings& upstream, call::RouteSettings&) {
  keyed(upstream);
};
inline const auto kKeyedHold = [](call::UpstreamSettings& upstream, call::RouteSettings& route) {
  keyed(upstream);
  route.hold = call::Hold::on_failure;
  route.wait = Duration::seconds(2);
  route.retry.live_attempts = 1;
};
inline const auto kPauseHour = [](OperatorCommand& command) {
  command.pause_for = Duration::hours(1);
};

}  // namespace hf::engine
