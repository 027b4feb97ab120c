// A journal that no Holdfast has open, to read: for an export when nothing runs. Blocking; one
// thread.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "call/record_seal.h"
#include "ports/journal.h"

namespace hf::adapters {

class JournalReader {
 public:
  // `path` is the journal's directory. Nothing in it is changed; as long as the reader lives, no
  // Holdfast can open it. ErrorKind::unavailable when one has it open, not_found when there is no
  // journal, invalid when the key is another's.
  static Result<std::unique_ptr<JournalReader>> open(const std::string& path,
                                                     const call::Sealer& sealer);
  ~JournalReader();

  // As ports::Journal::list.
  [[nodiscard]] Result<ports::CallPage> list(const ports::CallFilter& filter) const;

 private:
  struct Impl;
  explicit JournalReader(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace hf::adapters
