// What a client is told of a limit.
#pragma once

#include "call/reply.h"
#include "traffic/limiter.h"

namespace hf::traffic {

// 429 quota-exceeded or banned, 403 blocked. `doubt`: the request may repeat an earlier one that
// took effect (it has, or is given, a key): nothing was sent now, but no more than that can be
// said.
call::Reply limit_reply(const Refusal& refusal, bool doubt);

// RateLimit-Policy and RateLimit of what `pass` has counted; an upstream's own fields of these
// names stay before them (both are lists).
void add_quota_fields(Fields& fields, const Pass& pass);

// "login: 6 of 5 units in 20s", for the log.
std::string in_words(const Refusal& refusal);

}  // namespace hf::traffic
