// What the engine wants done. Writes go into one commit; an action with `after_writes` waits until
// every write emitted before it (and in its own step) is synced: durable before visible.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/ids.h"
#include "call/attempt.h"
#include "call/batch.h"
#include "call/call.h"
#include "call/reply.h"
#include "call/settings.h"

namespace hf::engine {

struct StartAttempt {
  AttemptId id{};
  CallId call;
  std::shared_ptr<const call::UpstreamSettings> upstream;
  std::size_t url = 0;
  std::string tried;  // the address that the last attempt went to
  std::shared_ptr<const call::Request> request;
  Fields per_attempt;
  std::optional<ExchangeId> stream_of;  // the body comes from this exchange
  bool lookup = false;                  // asks about the call, sends no copy of it
  bool host_keep = false;
  bool careful_reuse = false;
  std::uint64_t capture_max = 0;
  // Its client's own deadline: from then on it is not begun, and ends as one of which nothing was
  // sent. The write that it waits for may have taken long.
  std::optional<Instant> not_after;
};
struct CancelAttempt {
  AttemptId id{};
};
struct CaptureAnswer {
  AttemptId id{};
  std::uint64_t max = 0;
};
// Let the waiting answer flow to the client; FinishAnswer follows later.
struct ForwardAnswer {
  AttemptId id{};
  ExchangeId exchange{};
  call::AnswerHead head;
};
// Read the waiting answer to its end and throw the bytes away.
struct DiscardAnswer {
  AttemptId id{};
};
struct FinishAnswer {
  ExchangeId exchange{};
  bool complete = false;
};
struct SendReply {
  ExchangeId exchange{};
  call::Reply reply;
};
struct FindKey {
  call::Digest identity;
};
struct ReadCall {
  CallId id;
};
struct PageDue {
  std::string upstream;
  call::DueClass which = call::DueClass::normal;
  WallTime until;
  std::size_t limit = 0;
};
struct ReadLine {
  call::Digest line;
  std::size_t limit = 0;
};
struct PageLineHeads {
  std::optional<call::Digest> after;
  std::size_t limit = 0;
};
// One line for people, and the alert of a call that became unknown. Never a body, key or
// credential.
struct Note {
  enum class Level { info, warning, error } level = Level::info;
  std::string what;  // a fixed word: call_unknown, call_dead, call_failed, journal_refusing, ...
  std::optional<CallId> call;
  std::string route;
  std::string upstream;
  std::string rule;
  call::Evidence evidence = call::Evidence::nothing_sent;
  call::Cause cause = call::Cause::none;
  int status = 0;
  int attempts = 0;
  std::string detail;
};
struct CommandDone {
  CommandId id{};
  bool ok = false;
  std::string message;
};

using ActionKind = std::variant<StartAttempt, CancelAttempt, CaptureAnswer, ForwardAnswer,
                                DiscardAnswer, FinishAnswer, SendReply, FindKey, ReadCall, PageDue,
                                ReadLine, PageLineHeads, Note, CommandDone>;
struct Action {
  ActionKind what;
  bool after_writes = false;
};

struct Effects {
  call::Batch writes;
  std::vector<Action> actions;
};

}  // namespace hf::engine
