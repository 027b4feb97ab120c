// One thread of a load: its share of the schedule, its connections, and what became of each
// request. The thread is the owner's; every function but run() may be called from another one.
#pragma once

#include <sys/socket.h>

#include <array>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "adapters/load/generator.h"
#include "adapters/load/load_connection.h"

namespace hf::adapters {

struct LoadAddress {
  sockaddr_storage bytes{};
  socklen_t size = 0;
};

class LoadWorker {
 public:
  // `options` outlives it. `most` connections.
  LoadWorker(const LoadOptions& options, const LoadAddress& address, std::size_t most)
      : options_(options), address_(address), most_(most) {}
  ~LoadWorker();
  LoadWorker(const LoadWorker&) = delete;
  LoadWorker& operator=(const LoadWorker&) = delete;

  // Before run(). Errors as LoadGenerator::make.
  Result<void> open();
  // Until end().
  void run();
  void end();

  void begin(const load::ArrivalPlan& plan, Duration slice, std::uint64_t share,
             std::uint64_t shares);
  void halt();
  [[nodiscard]] bool quiet();
  // The slices from number `from` on.
  std::vector<load::Slice> slices(std::size_t from);
  LoadSelf self();

 private:
  // A request that is due: waiting for a connection, or on one.
  struct Flight {
    Instant due;
    int fd = -1;  // its connection; -1: none yet
    bool over = false;
  };

  void turn();
  void wake();
  void take_due(Instant now);
  void place(std::uint64_t number, Instant now);
  bool connect_for(std::uint64_t number, Instant now);
  bool refuse_connect(int fd, int error, std::uint64_t number, Instant now);
  void ask(LoadConnection& connection, std::uint64_t number, Instant now);
  void go_on(LoadConnection& connection, Instant now, bool ended);
  void on_answered(LoadConnection& connection, Instant now);
  void on_failed(LoadConnection& connection, Instant now);
  void give_up_late(Instant now);
  void drop(int fd);
  void next_queued(LoadConnection& connection, Instant now);
  void finish(std::uint64_t number, Instant now, std::optional<load::Failure> failure);
  void note_silence(Instant now);
  load::Slice& slice_at(Instant at);
  [[nodiscard]] Duration wait_time(Instant now) const;
  [[nodiscard]] const load::PreparedRequest& request(std::uint64_t number) const;
  Flight& flight(std::uint64_t number) { return flights_.at(number - first_flight_); }

  const LoadOptions& options_;
  LoadAddress address_;
  std::size_t most_;
  int epoll_ = -1;
  int wake_ = -1;
  std::shared_ptr<ClientContext> tls_;
  std::vector<char> room_;

  std::mutex mutex_;  // all below; held by the thread but while it waits
  bool ended_ = false;
  std::vector<std::unique_ptr<LoadConnection>> connections_;  // by file descriptor
  std::vector<std::unique_ptr<LoadConnection>> gone_;         // until the events of now are through
  std::vector<int> idle_;                                     // used last at the end
  std::size_t open_ = 0;
  std::uint64_t opened_ = 0;

  std::optional<load::Arrivals> arrivals_;
  std::optional<Instant> next_due_;
  std::uint64_t share_ = 0;
  std::uint64_t shares_ = 1;
  Instant begun_;
  Duration slice_length_;
  std::vector<load::Slice> slices_;
  std::deque<Flight> flights_;  // in the order they were due
  std::uint64_t first_flight_ = 0;
  std::deque<std::uint64_t> queue_;  // of those that wait for a connection
  std::size_t waiting_ = 0;          // due, and not over
  Instant heard_;                    // last answer, or when there was nothing to wait for
  std::int64_t cpu_at_begin_ = 0;
  std::int64_t cpu_now_ = 0;
  bool bound_reached_ = false;
  std::string exhausted_;
};

}  // namespace hf::adapters
