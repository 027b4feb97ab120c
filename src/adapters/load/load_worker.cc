#include "adapters/load/load_worker.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/check.h"

namespace hf::adapters {
namespace {

constexpr std::size_t kRoom = 64 * 1024;
constexpr int kEvents = 512;
// Requests sent before answers are read again.
constexpr int kBatch = 128;
constexpr Duration kLongestWait = Duration::millis(100);

std::int64_t thread_cpu() {
  timespec used{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return std::int64_t{used.tv_sec} * 1'000'000'000 + used.tv_nsec;
}

// Waits as short as a request's turn needs: milliseconds would make bursts of a schedule.
int wait_for(int epoll, std::array<epoll_event, kEvents>& events, Duration wait) {
  const timespec time{wait.ns / 1'000'000'000, wait.ns % 1'000'000'000};
  const int found = ::epoll_pwait2(epoll, events.data(), kEvents, &time, nullptr);
  if (found >= 0 || errno != ENOSYS) return found;
  return ::epoll_wait(epoll, events.data(), kEvents, static_cast<int>(wait.ms()));
}

}  // namespace

LoadWorker::~LoadWorker() {
  connections_.clear();
  if (epoll_ >= 0) ::close(epoll_);
  if (wake_ >= 0) ::close(wake_);
}

Result<void> LoadWorker::open() {
  room_.resize(kRoom);
  epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  wake_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = wake_;
  if (epoll_ < 0 || wake_ < 0 || ::epoll_ctl(epoll_, EPOLL_CTL_ADD, wake_, &event) != 0) {
    return fail(ErrorKind::unavailable, fmt::format("epoll: {}", std::strerror(errno)));
  }
  if (options_.target.tls) {
    HF_TRY(tls_, ClientContext::make(*options_.target.tls, {}));
  }
  return {};
}

void LoadWorker::run() {
  std::array<epoll_event, kEvents> events{};
  std::unique_lock lock(mutex_);
  while (!ended_) {
    turn();
    const Duration wait = wait_time(LoadGenerator::now());
    cpu_now_ = thread_cpu();
    lock.unlock();
    const int found = wait_for(epoll_, events, wait);
    lock.lock();
    for (int i = 0; i < found; ++i) {
      const int fd = events[static_cast<std::size_t>(i)].data.fd;
      if (fd == wake_) {
        std::uint64_t count = 0;
        static_cast<void>(!::read(wake_, &count, sizeof count));
        continue;
      }
      const auto at = static_cast<std::size_t>(fd);
      if (at >= connections_.size() || !connections_[at]) continue;
      const auto told = events[static_cast<std::size_t>(i)].events;
      go_on(*connections_[at], LoadGenerator::now(),
            (told & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0);
    }
    gone_.clear();
  }
}

void LoadWorker::turn() {
  const Instant now = LoadGenerator::now();
  take_due(now);
  give_up_late(now);
  gone_.clear();
}

void LoadWorker::wake() {
  const std::uint64_t one = 1;
  static_cast<void>(!::write(wake_, &one, sizeof one));
}

void LoadWorker::end() {
  const std::lock_guard lock(mutex_);
  ended_ = true;
  wake();
}

void LoadWorker::begin(const load::ArrivalPlan& plan, Duration slice, std::uint64_t share,
                       std::uint64_t shares) {
  const std::lock_guard lock(mutex_);
  begun_ = plan.begin;
  slice_length_ = slice;
  slices_.clear();
  share_ = share;
  shares_ = shares;
  arrivals_.emplace(plan, share, shares);
  next_due_ = arrivals_->next();
  first_flight_ += flights_.size();
  flights_.clear();
  first_flight_ = 0;
  queue_.clear();
  HF_CHECK(waiting_ == 0);
  heard_ = begun_;
  cpu_at_begin_ = cpu_now_;
  bound_reached_ = false;
  wake();
}

void LoadWorker::halt() {
  const std::lock_guard lock(mutex_);
  next_due_.reset();
}

bool LoadWorker::quiet() {
  const std::lock_guard lock(mutex_);
  return !next_due_ && waiting_ == 0;
}

std::vector<load::Slice> LoadWorker::slices(std::size_t from) {
  const std::lock_guard lock(mutex_);
  if (begun_ <= LoadGenerator::now() && slice_length_ > Duration{}) {
    slice_at(LoadGenerator::now());
  }
  return {slices_.begin() + static_cast<std::ptrdiff_t>(std::min(from, slices_.size())),
          slices_.end()};
}

LoadSelf LoadWorker::self() {
  const std::lock_guard lock(mutex_);
  LoadSelf self;
  const Duration length = LoadGenerator::now() - begun_;
  if (length > Duration{}) {
    self.cpu = static_cast<double>(cpu_now_ - cpu_at_begin_) / static_cast<double>(length.ns);
  }
  self.connections = open_;
  self.opened = opened_;
  self.waiting = waiting_;
  self.bound_reached = bound_reached_;
  self.exhausted = exhausted_;
  return self;
}

load::Slice& LoadWorker::slice_at(Instant at) {
  const Duration into = std::max(Duration{}, at - begun_);
  const auto index = static_cast<std::size_t>(into.ns / slice_length_.ns);
  while (slices_.size() <= index) {
    load::Slice& slice = slices_.emplace_back();
    slice.begin = begun_ + slice_length_ * static_cast<std::int64_t>(slices_.size() - 1);
    slice.length = slice_length_;
  }
  return slices_[index];
}

const load::PreparedRequest& LoadWorker::request(std::uint64_t number) const {
  return options_.requests[(share_ + number * shares_) % options_.requests.size()];
}

Duration LoadWorker::wait_time(Instant now) const {
  Instant until = now + kLongestWait;
  if (next_due_) until = std::min(until, *next_due_);
  if (!flights_.empty()) until = std::min(until, flights_.front().due + options_.timeout);
  return std::max(Duration{}, until - now);
}

void LoadWorker::take_due(Instant now) {
  for (int taken = 0; next_due_ && *next_due_ <= now; ++taken) {
    // The rest in the next turn: answers must not wait for it.
    if (taken == kBatch) return;
    const Instant due = *next_due_;
    const std::uint64_t number = first_flight_ + flights_.size();
    flights_.push_back({due});
    load::Slice& slice = slice_at(due);
    slice.tally.due += 1;
    slice.tally.lag.record(now - due);
    if (waiting_++ == 0) heard_ = now;
    place(number, now);
    load::Slice& current = slice_at(now);
    current.in_flight = std::max<std::uint64_t>(current.in_flight, waiting_);
    next_due_ = arrivals_->next();
    now = LoadGenerator::now();
  }
}

// On a connection that is there, or a new one, or in the queue.
void LoadWorker::place(std::uint64_t number, Instant now) {
  if (!idle_.empty()) {
    const int fd = idle_.back();
    idle_.pop_back();
    return ask(*connections_[static_cast<std::size_t>(fd)], number, now);
  }
  if (open_ < most_ && connect_for(number, now)) return;
  bound_reached_ = true;
  queue_.push_back(number);
  slice_at(flight(number).due).tally.queued += 1;
}

// False: the machine has no more to give.
bool LoadWorker::connect_for(std::uint64_t number, Instant now) {
  const int fd =
      ::socket(address_.bytes.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
  if (fd < 0) return refuse_connect(fd, errno, number, now);
  const int one = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  const auto* to = static_cast<const sockaddr*>(static_cast<const void*>(&address_.bytes));
  if (::connect(fd, to, address_.size) != 0 && errno != EINPROGRESS) {
    return refuse_connect(fd, errno, number, now);
  }
  auto made = std::make_unique<LoadConnection>(fd, now);
  LoadConnection& connection = *made;
  if (static_cast<std::size_t>(fd) >= connections_.size())
    connections_.resize(static_cast<std::size_t>(fd) + 1);
  connections_[static_cast<std::size_t>(fd)] = std::move(made);
  open_ += 1;
  opened_ += 1;
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.fd = fd;
  HF_CHECK(::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) == 0);
  connection.assign(request(number), number);
  flight(number).fd = fd;
  if (tls_ && !connection.use_tls(*tls_, options_.target.host, options_.target.port).ok()) {
    drop(fd);
    finish(number, now, load::Failure::tls);
  }
  return true;
}

bool LoadWorker::refuse_connect(int fd, int error, std::uint64_t number, Instant now) {
  if (fd >= 0) ::close(fd);
  if (error == EMFILE || error == ENFILE || error == EADDRNOTAVAIL || error == ENOBUFS ||
      error == ENOMEM || error == EAGAIN) {
    exhausted_ = error == EADDRNOTAVAIL ? "no local port is free" : std::strerror(error);
    // Without a connection that could take the queue, nobody would ever look at it again.
    if (open_ > 0) return false;
  }
  finish(number, now, load::Failure::connect_refused);
  return true;
}

void LoadWorker::ask(LoadConnection& connection, std::uint64_t number, Instant now) {
  flight(number).fd = connection.fd();
  connection.assign(request(number), number);
  go_on(connection, now, false);
}

void LoadWorker::go_on(LoadConnection& connection, Instant now, bool ended) {
  const bool asked = connection.phase() != LoadConnection::Phase::idle;
  const auto outcome = connection.go_on(now, room_, ended);
  if (const auto took = connection.take_connect_time()) {
    slice_at(connection.begun()).tally.connect.record(*took);
  }
  if (outcome == LoadConnection::Outcome::again) return;
  if (outcome == LoadConnection::Outcome::answered) return on_answered(connection, now);
  if (asked) return on_failed(connection, now);
  std::erase(idle_, connection.fd());
  drop(connection.fd());
}

void LoadWorker::on_answered(LoadConnection& connection, Instant now) {
  const std::uint64_t number = connection.number();
  load::Slice& slice = slice_at(flight(number).due);
  slice.tally.answered += 1;
  slice.tally.statuses[connection.status()] += 1;
  if (const auto sent = connection.sent_at()) slice.tally.service.record(now - *sent);
  slice_at(now).completed += 1;
  finish(number, now, std::nullopt);
  if (connection.reusable()) return next_queued(connection, now);
  drop(connection.fd());
}

void LoadWorker::on_failed(LoadConnection& connection, Instant now) {
  const std::uint64_t number = connection.number();
  const load::Failure failure = connection.failure();
  drop(connection.fd());
  finish(number, now, failure);
}

void LoadWorker::next_queued(LoadConnection& connection, Instant now) {
  while (!queue_.empty()) {
    const std::uint64_t number = queue_.front();
    queue_.pop_front();
    if (number < first_flight_ || flight(number).over) continue;
    return ask(connection, number, now);
  }
  idle_.push_back(connection.fd());
}

// A connection is gone: who waits for one may open another.
void LoadWorker::drop(int fd) {
  auto& place_of = connections_[static_cast<std::size_t>(fd)];
  ::epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, nullptr);
  gone_.push_back(std::move(place_of));
  open_ -= 1;
}

void LoadWorker::finish(std::uint64_t number, Instant now, std::optional<load::Failure> failure) {
  Flight& one = flight(number);
  HF_CHECK(!one.over);
  one.over = true;
  load::Slice& slice = slice_at(one.due);
  slice.tally.latency.record(now - one.due);
  if (failure) slice.tally.failures[static_cast<std::size_t>(*failure)] += 1;
  note_silence(now);
  waiting_ -= 1;
  while (!flights_.empty() && flights_.front().over) {
    flights_.pop_front();
    first_flight_ += 1;
  }
}

void LoadWorker::note_silence(Instant now) {
  load::Slice& current = slice_at(now);
  current.silence = std::max(current.silence, now - heard_);
  heard_ = now;
}

// The time of every request is the same, so the oldest is always the first to be over.
void LoadWorker::give_up_late(Instant now) {
  while (!flights_.empty() && flights_.front().due + options_.timeout <= now) {
    const std::uint64_t number = first_flight_;
    const int fd = flights_.front().fd;
    load::Failure failure = load::Failure::unsent;
    if (fd >= 0) {
      const auto phase = connections_[static_cast<std::size_t>(fd)]->phase();
      failure = phase == LoadConnection::Phase::asking ? load::Failure::timeout
                                                       : load::Failure::connect_timeout;
      drop(fd);
    }
    finish(number, now, failure);
  }
  // Connections that ended made room for those that wait.
  while (!queue_.empty() && open_ < most_) {
    const std::uint64_t number = queue_.front();
    if (number >= first_flight_ && !flight(number).over && !connect_for(number, now)) break;
    queue_.pop_front();
  }
}

}  // namespace hf::adapters
