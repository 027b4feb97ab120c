// Requests made to fit a route, for rehearsals: with every part that its key is made of, or without
// them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "call/intake.h"
#include "call/settings.h"

namespace hf::review {

struct Sample {
  call::IncomingHead head;
  std::string body;
};

struct SampleAsk {
  std::string method = "POST";
  bool keyed = true;  // every part of the key is there; else none is
  std::string value = "sample-1";
  std::string credential = "one";
};

// A request on the route's own path. The parts that its key, its scope and its upstream's lookup
// are made of are in it as far as one request can carry them all. A webhook is signed with
// kRehearsalSecret.
Sample sample_for(const call::RouteSettings& route, const call::UpstreamSettings& upstream,
                  const SampleAsk& ask, WallTime now);

// The fields that carry a client's key on this route where no body is needed for it: of a header
// key, or the upstream's own key field where the route names none.
std::vector<call::Part> key_parts(const call::RouteSettings& route,
                                  const call::UpstreamSettings& upstream);

// Every signing secret that a rehearsal asks for.
inline constexpr std::string_view kRehearsalSecret = "rehearsal";
call::WebhookDoor rehearsal_door(WallTime now);
// Its secret is known to all: of no use but comparing within one process.
call::Hasher rehearsal_hasher();

// The methods to try on a route, those that change something first: its own, or all.
std::vector<std::string> methods_of(const call::RouteSettings& route);

// "form `metadata[order]`", "header `Idempotency-Key`", "body `/id`".
std::string text_of(const call::Part& part);
// Joined by " and ".
std::string text_of(const std::vector<call::Part>& parts);

}  // namespace hf::review
