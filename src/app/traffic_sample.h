// A sample of real traffic as `holdfast load --requests` reads it: `holdfast serve --record FILE`.
// Method, path and the fields that were allowed by name; never a query, a body or a credential. Of
// a request that had a body it says so (`"body": null`), and of what type.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/prng.h"
#include "base/result.h"
#include "ports/clients.h"

namespace hf::app {

struct SampleOptions {
  std::string file;
  int share_permille = 1000;         // of the calls, chosen by chance
  std::vector<std::string> headers;  // that may be written
};

// Stands before whoever takes the calls and passes all on. I/O thread only; a thread of its own
// writes, so that no call waits for the disk. What comes faster than the disk takes it, or after
// the file is full (64 MiB, with what it held before), is left out of the sample.
class TrafficSample : public ports::ClientEvents {
 public:
  // ErrorKind::invalid: a field that carries credentials; unavailable: the file.
  static Result<std::unique_ptr<TrafficSample>> open(const SampleOptions& options,
                                                     std::uint64_t seed);
  ~TrafficSample() override;  // writes what there is
  TrafficSample(const TrafficSample&) = delete;
  TrafficSample& operator=(const TrafficSample&) = delete;

  void pass_to(ports::ClientEvents& next) { next_ = &next; }

  void on_call(ExchangeId id, call::NewCall call, std::shared_ptr<ports::BodySource> body) override;
  void on_ask(ExchangeId id, call::CallAsk ask) override { next_->on_ask(id, std::move(ask)); }
  void on_gone(ExchangeId id) override { next_->on_gone(id); }

 private:
  TrafficSample(SampleOptions options, int fd, std::uint64_t size, std::uint64_t seed);
  void note(const call::NewCall& call);
  void write();

  SampleOptions options_;
  Prng prng_;
  ports::ClientEvents* next_ = nullptr;
  int fd_;
  std::uint64_t size_;  // of the file, with what waits to be written

  std::mutex mutex_;  // of the two below
  std::string waiting_;
  bool ended_ = false;
  std::condition_variable wake_;
  std::thread thread_;
};

// One line of the sample, with its end; the query is left out, and so is the body.
std::string sample_line(const call::Request& request, bool has_body,
                        const std::vector<std::string>& headers);

}  // namespace hf::app
