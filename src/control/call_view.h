// Calls as the admin API shows them: what an operator needs to judge one, and never a body, a key
// or a credential in clear. Query strings are left out for the same reason: many carry tokens.
#pragma once

#include <string>

#include "call/call.h"
#include "call/reply_json.h"
#include "call/timeline.h"
#include "ports/journal.h"

namespace hf::control {

// Hex digits of a digest that are shown: enough to compare, too few to find.
inline constexpr std::size_t kShortHash = 12;
std::string short_hash(const call::Digest& digest);
// The owner as people may see it.
std::string owner_hash(const call::Call& call);
// A label as it is; the hash of a credential, cut short.
std::string shown_account(const std::string& account);
// A key by its hash, and what kind of key it is.
std::string key_json(const call::KeyUse& key);
// One entry of a list: the status members and whose attempt went where.
std::string list_json(const call::Call& call);
// The same and everything else but the timeline.
std::string head_json(const call::Call& call);
// One event of a timeline; phases in microseconds, hashes cut short to compare by.
call::JsonObject event_members(const call::TimelineEvent& event);
// The first of a line, `behind` calls waiting for it: a list's members, the line's name, since when
// it blocks, and the command that frees the line.
std::string blocked_json(const call::Call& head, std::uint64_t behind);
// Whether it keeps a line waiting that will not be free soon: nobody knows what became of it, it is
// set aside, its credentials are refused, or it has waited for a minute.
bool blocks_for_long(const call::Call& head, WallTime now);
// All of it, with the timeline. `detail.call` is there.
std::string detail_json(const ports::CallDetail& detail);

}  // namespace hf::control
