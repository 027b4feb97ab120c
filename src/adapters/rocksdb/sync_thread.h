// A thread for one thing at a time: to wait for the disk while its owner goes on.
#pragma once

#include <pthread.h>

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>

namespace hf::adapters {

class SyncThread {
 public:
  SyncThread() : thread_([this] { run(); }) {}
  ~SyncThread() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
    thread_.join();
  }
  SyncThread(const SyncThread&) = delete;
  SyncThread& operator=(const SyncThread&) = delete;

  // Only while it is not busy. What `work` calls must not wait for this thread.
  void start(std::function<void()> work) {
    {
      const std::lock_guard lock(mutex_);
      work_ = std::move(work);
      busy_ = true;
    }
    wake_.notify_all();
  }
  [[nodiscard]] bool busy() const {
    const std::lock_guard lock(mutex_);
    return busy_;
  }
  void wait() const {
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [this] { return !busy_; });
  }

 private:
  void run() {
    ::pthread_setname_np(::pthread_self(), "sync");
    std::unique_lock lock(mutex_);
    while (true) {
      wake_.wait(lock, [this] { return work_ || stopping_; });
      if (!work_) return;
      auto work = std::exchange(work_, nullptr);
      lock.unlock();
      work();
      lock.lock();
      busy_ = false;
      wake_.notify_all();
    }
  }

  mutable std::mutex mutex_;  // guards what follows
  mutable std::condition_variable wake_;
  std::function<void()> work_;
  bool busy_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace hf::adapters
