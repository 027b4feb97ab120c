// Which call was being handled when the process crashed: one slot in a small mapped file. A call
// that is found there three times is set aside (DESIGN section 4, Crashes). Only a crash of our own
// making counts: the signal handler marks the slot, so bystanders of a kill -9 are not blamed.
#pragma once

#include <optional>
#include <string>

#include "base/ids.h"
#include "base/result.h"

namespace hf::adapters {

class CrashSlot {
 public:
  CrashSlot() = default;
  ~CrashSlot();
  CrashSlot(const CrashSlot&) = delete;
  CrashSlot& operator=(const CrashSlot&) = delete;

  // Maps the file (made when missing, 0600) and installs the handlers of SIGSEGV, SIGABRT, SIGBUS,
  // SIGILL and SIGFPE. Once in a process at a time.
  Result<void> open(const std::string& path);
  // The call that the last process crashed on, if it did; the slot is empty afterwards.
  std::optional<CallId> take();
  // Null: nothing in particular is being handled. I/O thread only; a few stores.
  void handling(const CallId* call) noexcept;

 private:
  struct Slot;
  Slot* slot_ = nullptr;
};

}  // namespace hf::adapters
