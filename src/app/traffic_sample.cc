#include "app/traffic_sample.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <cerrno>
#include <cstring>

#include "app/load_files.h"

namespace hf::app {
namespace {

namespace json = boost::json;

constexpr std::size_t kMostWaiting = 1U << 20;
// A field whose name holds one of these may be a credential, or be as good as one.
constexpr std::array<std::string_view, 10> kSecretNames{
    "authorization", "cookie",   "token",   "secret",    "key",
    "auth",          "password", "session", "signature", "credential"};

Result<void> check_headers(const std::vector<std::string>& headers) {
  for (const std::string& name : headers) {
    const std::string lower = lower_ascii(name);
    for (const std::string_view secret : kSecretNames) {
      if (lower.find(secret) == std::string::npos) continue;
      return fail(
          ErrorKind::invalid,
          fmt::format("--record-header {}: its name says that it may hold a secret; give it "
                      "to `holdfast load --header` instead, where nothing is written",
                      name));
    }
  }
  return {};
}

}  // namespace

std::string sample_line(const call::Request& request, bool has_body,
                        const std::vector<std::string>& headers) {
  json::object line{{"method", request.method},
                    {"path", request.target.substr(0, request.target.find_first_of("?#"))}};
  json::array fields;
  for (const Field& field : request.fields) {
    // Whoever fills in a body needs to know what it was.
    const bool named = std::any_of(headers.begin(), headers.end(), [&](const std::string& name) {
      return same_name(field.name, name);
    });
    if (named || (has_body && same_name(field.name, "content-type")))
      fields.push_back(json::array{field.name, field.value});
  }
  if (!fields.empty()) line["headers"] = std::move(fields);
  if (has_body) line["body"] = nullptr;
  return json::serialize(line) + "\n";
}

Result<std::unique_ptr<TrafficSample>> TrafficSample::open(const SampleOptions& options,
                                                           std::uint64_t seed) {
  HF_TRY_VOID(check_headers(options.headers));
  // Paths may name customers: nobody else is to read them.
  const int fd =
      ::open(options.file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
  struct stat found {};
  if (fd < 0 || ::fstat(fd, &found) != 0) {
    const std::string why = std::strerror(errno);
    if (fd >= 0) ::close(fd);
    return fail(ErrorKind::unavailable,
                fmt::format("--record: {} cannot be written: {}", options.file, why));
  }
  return std::unique_ptr<TrafficSample>(
      new TrafficSample(options, fd, static_cast<std::uint64_t>(found.st_size), seed));
}

TrafficSample::TrafficSample(SampleOptions options, int fd, std::uint64_t size, std::uint64_t seed)
    : options_(std::move(options)), prng_(seed), fd_(fd), size_(size), thread_([this] {
        write();
      }) {}

TrafficSample::~TrafficSample() {
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
  }
  wake_.notify_one();
  thread_.join();
  ::close(fd_);
}

void TrafficSample::on_call(ExchangeId id, call::NewCall call,
                            std::shared_ptr<ports::BodySource> body) {
  if (call.request && prng_.chance(static_cast<std::uint64_t>(options_.share_permille), 1000))
    note(call);
  next_->on_call(id, std::move(call), std::move(body));
}

void TrafficSample::note(const call::NewCall& call) {
  if (size_ >= kMostRequestBytes) return;
  const std::string line = sample_line(*call.request, call.has_body, options_.headers);
  if (size_ + line.size() > kMostRequestBytes) {
    size_ = kMostRequestBytes;  // full: shorter ones would make it a sample of short ones
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    if (waiting_.size() + line.size() > kMostWaiting) return;
    waiting_ += line;
  }
  size_ += line.size();
  wake_.notify_one();
}

void TrafficSample::write() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return ended_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    const std::string lines = std::exchange(waiting_, {});
    lock.unlock();
    std::string_view left = lines;
    while (!left.empty()) {
      const auto n = ::write(fd_, left.data(), left.size());
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) break;  // a full disk costs the sample and nothing else
      left.remove_prefix(static_cast<std::size_t>(n));
    }
    lock.lock();
  }
}

}  // namespace hf::app
