#include "adapters/load/generator.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <thread>

#include "adapters/load/load_worker.h"

namespace hf::adapters {
namespace {

// Descriptors that are not connections.
constexpr std::size_t kOwnDescriptors = 64;

Result<LoadAddress> address_of(const LoadTarget& target) {
  LoadAddress out;
  auto* v4 = static_cast<sockaddr_in*>(static_cast<void*>(&out.bytes));
  auto* v6 = static_cast<sockaddr_in6*>(static_cast<void*>(&out.bytes));
  if (::inet_pton(AF_INET, target.address.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(target.port);
    out.size = sizeof *v4;
  } else if (::inet_pton(AF_INET6, target.address.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(target.port);
    out.size = sizeof *v6;
  } else {
    return fail(ErrorKind::invalid, fmt::format("`{}` is no IP address", target.address));
  }
  return out;
}

// As many descriptors as the load may need and the machine allows; gives the connections that fit.
std::size_t room_for(std::size_t connections) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return connections;
  if (limit.rlim_cur < connections + kOwnDescriptors) {
    limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, connections + kOwnDescriptors);
    ::setrlimit(RLIMIT_NOFILE, &limit);
    ::getrlimit(RLIMIT_NOFILE, &limit);
  }
  if (limit.rlim_cur <= kOwnDescriptors) return 1;
  return std::min<std::size_t>(connections, limit.rlim_cur - kOwnDescriptors);
}

}  // namespace

struct LoadGenerator::Parts {
  LoadOptions options;
  std::vector<std::unique_ptr<LoadWorker>> workers;
  std::vector<std::thread> threads;
  std::vector<load::Slice> slices;  // of all workers together
  std::size_t settled = 0;          // the first of them, which nothing can change any more
};

LoadGenerator::LoadGenerator(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

LoadGenerator::~LoadGenerator() {
  for (const auto& worker : parts_->workers)
    worker->end();
  for (auto& thread : parts_->threads)
    thread.join();
}

Result<std::unique_ptr<LoadGenerator>> LoadGenerator::make(LoadOptions options) {
  HF_TRY(const LoadAddress address, address_of(options.target));
  auto parts = std::make_unique<Parts>();
  parts->options = std::move(options);
  LoadOptions& kept = parts->options;
  kept.threads = std::max<std::size_t>(1, kept.threads);
  kept.connections = room_for(std::max(kept.connections, kept.threads));
  for (std::size_t i = 0; i < kept.threads; ++i) {
    const std::size_t most = (kept.connections + i) / kept.threads;
    parts->workers.push_back(
        std::make_unique<LoadWorker>(kept, address, std::max<std::size_t>(1, most)));
    HF_TRY_VOID(parts->workers.back()->open());
  }
  for (const auto& worker : parts->workers)
    parts->threads.emplace_back([one = worker.get()] { one->run(); });
  return std::unique_ptr<LoadGenerator>(new LoadGenerator(std::move(parts)));
}

void LoadGenerator::begin(const load::ArrivalPlan& plan, Duration slice) {
  parts_->slices.clear();
  parts_->settled = 0;
  const std::uint64_t shares = parts_->workers.size();
  for (std::uint64_t i = 0; i < shares; ++i)
    parts_->workers[i]->begin(plan, slice, i, shares);
}

void LoadGenerator::halt() {
  for (const auto& worker : parts_->workers)
    worker->halt();
}

bool LoadGenerator::quiet() const {
  return std::all_of(parts_->workers.begin(), parts_->workers.end(),
                     [](const auto& worker) { return worker->quiet(); });
}

const std::vector<load::Slice>& LoadGenerator::slices() {
  std::vector<load::Slice>& all = parts_->slices;
  all.resize(parts_->settled);
  for (const auto& worker : parts_->workers) {
    auto own = worker->slices(parts_->settled);
    for (std::size_t i = 0; i < own.size(); ++i) {
      const std::size_t at = parts_->settled + i;
      if (at < all.size()) {
        all[at].merge(own[i]);
      } else {
        all.push_back(std::move(own[i]));
      }
    }
  }
  // No request is under way for longer than the timeout.
  const Instant safe = now() - parts_->options.timeout - Duration::seconds(1);
  while (parts_->settled < all.size() && all[parts_->settled].end() < safe)
    parts_->settled += 1;
  return all;
}

LoadSelf LoadGenerator::self() const {
  LoadSelf all;
  all.most = parts_->options.connections;
  for (const auto& worker : parts_->workers) {
    const LoadSelf one = worker->self();
    all.cpu = std::max(all.cpu, one.cpu);
    all.connections += one.connections;
    all.opened += one.opened;
    all.waiting += one.waiting;
    all.bound_reached = all.bound_reached || one.bound_reached;
    if (!one.exhausted.empty()) all.exhausted = one.exhausted;
  }
  return all;
}

Instant LoadGenerator::now() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return {std::chrono::duration_cast<std::chrono::nanoseconds>(now).count()};
}

}  // namespace hf::adapters
