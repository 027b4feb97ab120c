#include "adapters/system/crash_slot.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <string_view>

#include "base/check.h"

namespace hf::adapters {

struct CrashSlot::Slot {
  volatile unsigned char occupied;
  volatile unsigned char crashed;
  unsigned char id[CallId::kSize];
};

namespace {

// The handler can only reach a global; it is set before the handlers are installed.
std::atomic<volatile unsigned char*> the_occupied{nullptr};
std::atomic<volatile unsigned char*> the_crashed{nullptr};

void on_crash(int signal) {
  volatile unsigned char* occupied = the_occupied.load(std::memory_order_relaxed);
  volatile unsigned char* crashed = the_crashed.load(std::memory_order_relaxed);
  if (occupied != nullptr && *occupied != 0) *crashed = 1;
  // SA_RESETHAND has put the default back: die of the same signal, with a core where one is wanted.
  ::raise(signal);
}

}  // namespace

CrashSlot::~CrashSlot() {
  if (slot_ == nullptr) return;
  the_occupied = nullptr;
  the_crashed = nullptr;
  ::munmap(slot_, sizeof(Slot));
}

Result<void> CrashSlot::open(const std::string& path) {
  HF_CHECK(slot_ == nullptr);
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0) return fail(ErrorKind::unavailable, path + ": " + std::strerror(errno));
  void* mapped = MAP_FAILED;
  if (::ftruncate(file, sizeof(Slot)) == 0) {
    mapped = ::mmap(nullptr, sizeof(Slot), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  }
  const int error = errno;
  ::close(file);
  if (mapped == MAP_FAILED) return fail(ErrorKind::unavailable, path + ": " + std::strerror(error));
  slot_ = static_cast<Slot*>(mapped);
  the_occupied = &slot_->occupied;
  the_crashed = &slot_->crashed;
  struct sigaction action = {};
  action.sa_handler = on_crash;
  action.sa_flags = SA_RESETHAND | SA_NODEFER;
  for (const int signal : {SIGSEGV, SIGABRT, SIGBUS, SIGILL, SIGFPE}) {
    ::sigaction(signal, &action, nullptr);
  }
  return {};
}

std::optional<CallId> CrashSlot::take() {
  if (slot_ == nullptr) return std::nullopt;
  const bool blamed = slot_->occupied != 0 && slot_->crashed != 0;
  const std::string_view raw(reinterpret_cast<const char*>(slot_->id), CallId::kSize);
  auto id = CallId::from_bytes(raw);
  slot_->occupied = 0;
  slot_->crashed = 0;
  if (!blamed || !id.ok()) return std::nullopt;
  return *id;
}

void CrashSlot::handling(const CallId* call) noexcept {
  if (slot_ == nullptr) return;
  slot_->occupied = 0;
  if (call == nullptr) return;
  std::memcpy(slot_->id, call->bytes.data(), CallId::kSize);
  slot_->occupied = 1;
}

}  // namespace hf::adapters
