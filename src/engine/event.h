// What can happen to the engine. Each is one fact from the outside; `step` judges it at one `now`.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/ids.h"
#include "call/attempt.h"
#include "call/batch.h"
#include "call/intake.h"
#include "call/measure.h"

namespace hf::engine {

// A client's request has been read (its head, for streamed ones). `fresh_id` is the id the call
// gets if it turns out to be a new one; drawn by the shell, because ids must not be guessable.
struct CallArrived {
  ExchangeId exchange{};
  std::unique_ptr<call::NewCall> call;  // apart: events are moved on, and this is large
  CallId fresh_id;
};

struct CallAsked {
  ExchangeId exchange{};
  call::CallAsk ask;
};

struct ClientGone {
  ExchangeId exchange{};
};

// A final head is there and the body waits for a word (ports/upstream.h).
struct AnswerHeadSeen {
  AttemptId attempt{};
  call::AnswerHead head;
  bool overflow = false;
};

struct AttemptEnded {
  AttemptId attempt{};
  call::AttemptOutcome outcome;
  bool body_replayable = true;  // a streamed body is still kept from its first byte
};

// Answers of the journal; `failed` means that it could not be read.
struct KeyRead {
  call::Digest identity;
  bool failed = false;
  std::optional<call::KeyEntry> entry;
  std::shared_ptr<const call::Call> call;
};

struct CallRead {
  CallId id;
  bool failed = false;
  std::shared_ptr<const call::Call> call;  // null: no such call
};

struct DuePageRead {
  std::string upstream;
  call::DueClass which = call::DueClass::normal;
  bool failed = false;
  std::vector<std::shared_ptr<const call::Call>> calls;
  std::optional<WallTime> next;
};

struct LineRead {
  call::Digest line;
  bool failed = false;
  std::vector<std::pair<std::uint64_t, CallId>> members;
  bool more = false;
};

struct LineHeadsRead {
  bool failed = false;
  std::vector<std::shared_ptr<const call::Call>> heads;
  std::optional<call::Digest> next;
};

struct JournalHealthSeen {
  bool accepting = true;
  std::string why;
  std::optional<call::Measure> measure = std::nullopt;  // where it is a limit that was reached
};

// An operator over the admin API.
struct OperatorCommand {
  enum class What { retry, cancel, resolve_applied, resolve_not_applied, pause, resume };
  CommandId id{};
  What what = What::retry;
  CallId call;
  std::string upstream;  // pause, resume
  Duration pause_for;
  std::string reason;
  std::optional<call::Answer> answer;  // resolve_applied
  // Of a call: only if it has not been written since it had this epoch.
  std::optional<std::uint64_t> if_epoch = std::nullopt;
  std::string operation = {};  // of a call: what it is a part of, for its timeline
};

struct Woke {};
struct DrainBegun {};

using Event = std::variant<CallArrived, CallAsked, ClientGone, AnswerHeadSeen, AttemptEnded,
                           KeyRead, CallRead, DuePageRead, LineRead, LineHeadsRead,
                           JournalHealthSeen, OperatorCommand, Woke, DrainBegun>;

}  // namespace hf::engine
