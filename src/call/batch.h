// What one commit writes, in the domain's terms. How it becomes records is the journal's affair.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "call/call.h"
#include "call/timeline.h"

namespace hf::call {

struct CallWrite {
  std::shared_ptr<const Call> after;
  std::optional<Indexed>
      before;  // none: a new call; its key must be absent (or a tombstone's turn)
  std::optional<Indexed> indexed;   // of `after`, where the writer has it already
  std::uint64_t before_epoch = 0;   // the stored epoch must be this one
  bool write_request_body = false;  // a new call
  bool write_answer_body = false;   // after->answer->body is to be kept
  std::vector<TimelineEvent> events;
};

struct PauseWrite {
  std::string upstream;
  std::string limit_key;
  std::optional<WallTime> until;  // none: lifted
};

struct Batch {
  std::vector<CallWrite> calls;
  std::vector<PauseWrite> pauses;
  bool awaited = true;  // something is done only once it is stored: a journal hurries for it
  [[nodiscard]] bool empty() const { return calls.empty() && pauses.empty(); }
};

// What the journal knows of a key.
struct KeyEntry {
  CallId call;
  Digest owner;
  Digest fingerprint;
  bool tombstone = false;  // only hash and verdict are left
  Effect verdict = Effect::none;
};

// A call as read back. `call->request->body` and the answer's body are there when asked for.
struct Loaded {
  std::shared_ptr<const Call> call;
};

// What a start finds: bounded, whatever the size of the backlog.
struct Recovered {
  std::vector<std::shared_ptr<const Call>>
      sending;  // cut by the end of the last process, with bodies
  std::vector<PauseWrite> pauses;
  std::optional<WallTime> newest;  // the newest wall time ever journaled
  bool fresh = false;              // the journal was empty: earlier keys are unknown
  std::uint64_t unknown_calls = 0;
};

}  // namespace hf::call
