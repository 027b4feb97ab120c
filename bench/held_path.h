// The path of a held call through the pure parts, for what measures it and what learns from it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "call/intake.h"
#include "call/record.h"
#include "engine/engine.h"

namespace hf::bench {

inline constexpr std::string_view kHeldConfig = R"(
journal: { path: /nowhere }
upstreams:
  back:
    url: "http://127.0.0.1:9"
    idempotency: { mode: key, lifetime: 24h }
    credentials: stored
routes:
  - path: /
    upstream: back
    key: { from: [ { header: Idempotency-Key } ] }
    hold: always
)";

struct Answer {
  int status = 200;
  Fields fields{{"Content-Type", "application/json"}, {"Request-Id", "req_1"}};
  std::string body = R"({"id":"ch_1","status":"succeeded"})";
};

struct HeldPath {
  explicit HeldPath(std::string_view config = kHeldConfig);
  // As a route's handler gets it: the head as text, its body.
  [[nodiscard]] static call::IncomingHead incoming(std::string_view head, std::size_t length);
  // The two writes of a held call that is delivered at once, as the engine makes them.
  std::vector<call::CallWrite> hold_and_deliver(const CallId& id, const call::IncomingHead& head,
                                                std::string body, Answer answer = {});

  Now now{
      .mono = Instant{} + Duration::seconds(100), .wall = WallTime{1'760'000'000'000}, .boot = {}};
  call::Sealer sealer;
  call::Hasher hasher{sealer.hash_secret()};
  call::RecordCodec codec{sealer};
  std::shared_ptr<const call::Settings> settings;
  std::optional<call::Intake> intake;
  std::optional<engine::Engine> engine;

 private:
  std::uint64_t exchanges_ = 0;
};

}  // namespace hf::bench
