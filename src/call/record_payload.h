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
#include "call/timeline.h"

namespace hf::call {

// All of a call but its bodies: request->body and answer->body read back null. With it the events
// of the write that made it, so that a call which begins takes one record.
struct CallHead {
  Call call;
  std::vector<TimelineEvent> events;
};
std::string encode_call(const Call& call, const std::vector<TimelineEvent>& events = {});
Result<CallHead> decode_call(std::string_view payload);

// What changes of a call. Decoding puts it over what the head says.
std::string encode_progress(const Call& call);
Result<void> decode_progress(std::string_view payload, Call& call);
// A hash of all the rest, for this process only: whether the head must be written again.
std::uint64_t frozen_hash(const Call& call);

std::string encode_body(std::string_view body);
Result<std::string> decode_body(std::string_view payload);

std::string encode_key_entry(const KeyEntry& entry);
Result<KeyEntry> decode_key_entry(std::string_view payload);

std::string encode_event(const TimelineEvent& event);
Result<TimelineEvent> decode_event(std::string_view payload);
std::string encode_events(const std::vector<TimelineEvent>& events);
Result<std::vector<TimelineEvent>> decode_events(std::string_view payload);

// A lifted pause has no record: `until` is required.
std::string encode_pause(const PauseWrite& pause);
Result<PauseWrite> decode_pause(std::string_view payload);

// One point in time: when the journal was made, or the newest time it has seen.
std::string encode_meta(WallTime time);
Result<WallTime> decode_meta(std::string_view payload);

}  // namespace hf::call
