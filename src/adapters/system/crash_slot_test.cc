#include "adapters/system/crash_slot.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <string>

namespace hf::adapters {
namespace {

class CrashSlotTest : public testing::Test {
 protected:
  CrashSlotTest() {
    std::string dir = testing::TempDir() + "crash-slot-XXXXXX";
    EXPECT_NE(::mkdtemp(dir.data()), nullptr);
    path_ = dir + "/handling";
  }
  // A child that handles `call` and then ends in its own way; returns the signal it died of.
  template <typename End>
  int child(const CallId& call, End end) {
    const pid_t pid = ::fork();
    if (pid == 0) {
      CrashSlot slot;
      if (!slot.open(path_).ok()) ::_exit(9);
      slot.handling(&call);
      end(slot);
      ::_exit(0);
    }
    int status = 0;
    ::waitpid(pid, &status, 0);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  }
  std::optional<CallId> found() {
    CrashSlot slot;
    EXPECT_TRUE(slot.open(path_).ok());
    return slot.take();
  }
  std::string path_;
  const CallId call_ = CallId::make(WallTime{1'790'000'000'000}, 1, 2);
};

TEST_F(CrashSlotTest, BlamesTheCallThatWasBeingHandled) {
  EXPECT_EQ(child(call_, [](CrashSlot&) { ::raise(SIGSEGV); }), SIGSEGV);
  EXPECT_EQ(found(), call_);
  EXPECT_EQ(found(), std::nullopt);  // told once
}

TEST_F(CrashSlotTest, KilledBystandersAreNotBlamed) {
  EXPECT_EQ(child(call_, [](CrashSlot&) { ::raise(SIGKILL); }), SIGKILL);
  EXPECT_EQ(found(), std::nullopt);
}

TEST_F(CrashSlotTest, NothingIsBlamedBetweenCalls) {
  EXPECT_EQ(child(call_,
                  [](CrashSlot& slot) {
                    slot.handling(nullptr);
                    ::raise(SIGSEGV);
                  }),
            SIGSEGV);
  EXPECT_EQ(found(), std::nullopt);
}

TEST_F(CrashSlotTest, SaysWhereItCannotBeOpened) {
  CrashSlot slot;
  const auto opened = slot.open("/proc/nowhere/handling");
  ASSERT_FALSE(opened.ok());
  EXPECT_NE(opened.error().context.find("/proc/nowhere/handling"), std::string::npos);
}

}  // namespace
}  // namespace hf::adapters
