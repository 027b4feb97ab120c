// What is inside the envelope: hand-written encodings, each with a version byte of its own.
// Decoding takes any bytes: it answers ErrorKind::invalid for a version that is newer than this
// program and ErrorKind::corrupt for everything that no version has written. Nothing that is
// decoded is larger than its record.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "call/batch.h"
#include "call/call.h"
#include "call/implied.h"
#include "call/timeline.h"

namespace hf::call {

// Whether a body stands at the end of the record that tells of it, or in a record of its own.
enum class BodyPlace : std::uint8_t { apart, inside };

// A call as a write left it, and the events of that write: a call that begins takes one record.
// An answer's body is never in it.
struct CallHead {
  Call call;
  std::vector<TimelineEvent> events;
};
std::string encode_call(const Call& call, const Implied& implied,
                        const std::vector<TimelineEvent>& events = {},
                        BodyPlace request_body = BodyPlace::apart);
// `id` is the one of its storage key. request->body is there where it was inside.
Result<CallHead> decode_call(const CallId& id, std::string_view payload, const Implied& implied);

// What a later write has changed, and its events.
std::string encode_change(const Call& call, const std::vector<TimelineEvent>& events,
                          BodyPlace answer_body = BodyPlace::apart);
// Puts it over `call`; answer->body is there where it was inside.
Result<std::vector<TimelineEvent>> decode_change(std::string_view payload, Call& call,
                                                 const Implied& implied);

std::string encode_body(std::string_view body);
Result<std::string> decode_body(std::string_view payload);

// Of a tombstone: what names a living key's call is not sealed. Earlier versions sealed both.
std::string encode_key_entry(const KeyEntry& entry);
Result<KeyEntry> decode_key_entry(std::string_view payload);

// An event with a record of its own, as the first two versions wrote it.
Result<TimelineEvent> decode_event(std::string_view payload);

// A lifted pause has no record: `until` is required.
std::string encode_pause(const PauseWrite& pause);
Result<PauseWrite> decode_pause(std::string_view payload);

// One point in time: when the journal was made, or the newest time it has seen.
std::string encode_meta(WallTime time);
Result<WallTime> decode_meta(std::string_view payload);

}  // namespace hf::call
