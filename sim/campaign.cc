#include "sim/campaign.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>

#include "base/check.h"
#include "base/planted.h"
#include "sim/world.h"

namespace hf::sim {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr rlim_t kWorldMemory = rlim_t{1} << 31;

// What a worker says, a line each: "w SEED" a world begins, "v TEXT" a violation in it, "c N.." the
// counts of the world that has ended, "p N.." the hits of all probes so far, "h N" the harm that a
// planted bug has done so far.
void say(int to, const std::string& line) {
  std::string_view rest = line;
  while (!rest.empty()) {
    const ssize_t wrote = ::write(to, rest.data(), rest.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) ::_exit(1);  // nobody listens any more
    rest.remove_prefix(static_cast<std::size_t>(wrote));
  }
}

std::string counts_line(const Counts& counts) {
  std::string out = "c";
  for (const auto& [name, member] : kCounts)
    out += ' ' + std::to_string(counts.*member);
  return out + '\n';
}

std::string probes_line() {
  std::string out = "p";
  for (const planted::Point* probe : planted::probes())
    out += ' ' + std::to_string(probe->hits.load());
  return out + '\n';
}

std::vector<std::uint64_t> numbers(std::string_view text) {
  std::vector<std::uint64_t> out;
  while (!text.empty()) {
    const auto end = std::min(text.find(' '), text.size());
    if (end > 0) out.push_back(std::stoull(std::string(text.substr(0, end))));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

// A world that grows without end is a violation, and must not take the machine with it.
void limit_memory() {
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // they map the whole space
  const rlimit most{kWorldMemory, kWorldMemory};
  ::setrlimit(RLIMIT_AS, &most);
#endif
}

class Worker {
 public:
  Worker(const CampaignOptions& options, std::uint64_t first, std::uint64_t step)
      : options_(options), next_(first), step_(step) {}
  ~Worker() { stop(); }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  [[nodiscard]] int from() const { return from_; }
  [[nodiscard]] bool done() const { return pid_ < 0 && finished_; }
  // All seeds below this one that are its own have been run.
  [[nodiscard]] std::uint64_t next() const { return next_; }

  void start() {
    int ends[2];
    HF_CHECK_MSG(::pipe2(ends, O_CLOEXEC) == 0, std::strerror(errno));
    std::fflush(nullptr);
    pid_ = ::fork();
    HF_CHECK_MSG(pid_ >= 0, std::strerror(errno));
    if (pid_ == 0) {
      ::close(ends[0]);
      limit_memory();
      work(ends[1]);
      ::_exit(0);
    }
    ::close(ends[1]);
    from_ = ends[0];
  }

  // Takes what it has said; false when it has ended.
  bool hear(Outcome& outcome) {
    char buffer[65536];
    const ssize_t got = ::read(from_, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) return true;
    if (got <= 0) {
      ended(outcome);
      return false;
    }
    heard_.append(buffer, static_cast<std::size_t>(got));
    std::size_t end = 0;
    while ((end = heard_.find('\n')) != std::string::npos) {
      take(heard_.substr(0, end), outcome);
      heard_.erase(0, end + 1);
    }
    return true;
  }

  void stop() {
    if (pid_ < 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    ::close(from_);
    pid_ = -1;
    finished_ = true;
  }

 private:
  [[noreturn]] void work(int to) {
    const std::uint64_t end = options_.start + options_.worlds;
    if (options_.bug != nullptr) HF_CHECK_MSG(plant(options_.bug->name), options_.bug->name);
    for (std::uint64_t seed = next_; options_.lasts || seed < end; seed += step_) {
      say(to, "w " + std::to_string(seed) + '\n');
      const Verdict verdict = run_world(seed, options_.edition);
      for (const std::string& violation : verdict.violations)
        say(to, "v " + violation + '\n');
      if (options_.bug != nullptr)
        say(to, "h " + std::to_string(harm_done(options_.bug->name)) + '\n');
      say(to, counts_line(verdict));
      if ((seed / step_) % 16 == 0) say(to, probes_line());
    }
    say(to, probes_line());
    ::_exit(0);
  }

  void take(const std::string& line, Outcome& outcome) {
    const std::string rest = line.substr(std::min<std::size_t>(2, line.size()));
    switch (line.empty() ? ' ' : line[0]) {
      case 'w':
        seed_ = std::stoull(rest);
        wrong_.clear();
        break;
      case 'v':
        wrong_.push_back(rest);
        break;
      case 'c': {
        const auto found = numbers(rest);
        HF_CHECK(found.size() == std::size(kCounts));
        for (std::size_t i = 0; i < found.size(); ++i)
          outcome.counts.*kCounts[i].second += found[i];
        if (!wrong_.empty()) went_wrong({seed_, wrong_}, outcome);
        next_ = seed_ + step_;
        break;
      }
      case 'h': {
        const std::uint64_t harm = std::stoull(rest);
        outcome.harm += harm - std::exchange(harm_, harm);
        break;
      }
      case 'p': {
        const auto found = numbers(rest);
        HF_CHECK(found.size() == planted::probes().size());
        for (std::size_t i = 0; i < found.size(); ++i) {
          auto& hits = outcome.probes[std::string(planted::probes()[i]->name)];
          hits += found[i] - (i < probes_.size() ? probes_[i] : 0);
        }
        probes_ = found;
        break;
      }
      default:
        HF_CHECK_MSG(false, line);
    }
  }

  void went_wrong(Violated world, Outcome& outcome) const {
    const PlantedBug* bug = options_.bug;
    const bool lower = !outcome.caught || world.seed < outcome.caught->seed;
    for (const std::string& violation : world.what) {
      const std::string oracle = oracle_of(violation);
      if (bug == nullptr || !lower ||
          std::ranges::find(bug->caught_by, oracle) == bug->caught_by.end())
        continue;
      outcome.caught = world;
      outcome.caught_by = oracle;
      break;
    }
    outcome.violated.push_back(std::move(world));
  }

  // A worker that ended before its work did was ended by a check in the world it was running.
  void ended(Outcome& outcome) {
    int status = 0;
    ::waitpid(pid_, &status, 0);
    ::close(from_);
    pid_ = -1;
    probes_.clear();
    harm_ = 0;
    heard_.clear();
    finished_ = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (finished_) return;
    const std::string how = WIFSIGNALED(status) ? fmt::format("signal {}", WTERMSIG(status))
                                                : fmt::format("exit code {}", WEXITSTATUS(status));
    went_wrong({seed_, {"check: the process ended by " + how}}, outcome);
    outcome.counts.worlds += 1;
    next_ = seed_ + step_;
  }

  const CampaignOptions& options_;
  std::uint64_t next_;
  std::uint64_t step_;
  pid_t pid_ = -1;
  int from_ = -1;
  bool finished_ = false;
  std::string heard_;
  std::uint64_t seed_ = 0;
  std::vector<std::string> wrong_;
  std::vector<std::uint64_t> probes_;
  std::uint64_t harm_ = 0;
};

// Whether there is nothing more to be learnt.
bool enough(const CampaignOptions& options, const Outcome& outcome,
            const std::vector<std::unique_ptr<Worker>>& workers) {
  if (options.bug == nullptr) return outcome.violated.size() >= options.violations_max;
  // Another process may be about to catch it in a lower seed.
  return outcome.caught && std::all_of(workers.begin(), workers.end(), [&](const auto& worker) {
           return worker->done() || worker->next() > outcome.caught->seed;
         });
}

}  // namespace

Verdict run_world(std::uint64_t seed, Edition edition) {
  const bool twice = seed % kRepeatEvery == 0;
  Verdict verdict = World({.seed = seed, .edition = edition, .audit = twice}).run();
  if (!twice || !verdict.violations.empty()) return verdict;
  const Verdict again = World({.seed = seed, .edition = edition, .audit = true}).run();
  const auto& first = verdict.digests;
  const auto& second = again.digests;
  const auto differ = std::mismatch(first.begin(), first.end(), second.begin(), second.end());
  if (differ.first != first.end() || differ.second != second.end()) {
    verdict.violations.push_back(fmt::format(
        "determinism: event {} is not the same the second time", differ.first - first.begin() + 1));
  }
  verdict.repeated = 1;
  return verdict;
}

Outcome run_campaign(const CampaignOptions& options,
                     const std::function<void(const Outcome&)>& on_progress) {
  Outcome outcome;
  for (const planted::Point* probe : planted::probes())
    outcome.probes.emplace(probe->name, 0);
  const auto began = SteadyClock::now();
  const unsigned jobs = std::max(1U, options.jobs);
  std::vector<std::unique_ptr<Worker>> workers;
  for (unsigned i = 0; i < jobs; ++i) {
    workers.push_back(std::make_unique<Worker>(options, options.start + i, jobs));
    workers.back()->start();
  }
  auto shown = began;
  while (true) {
    std::vector<pollfd> waits;
    std::vector<Worker*> whose;
    for (const auto& worker : workers) {
      if (worker->done()) continue;
      waits.push_back({worker->from(), POLLIN, 0});
      whose.push_back(worker.get());
    }
    if (waits.empty() || enough(options, outcome, workers)) break;
    if (::poll(waits.data(), waits.size(), 200) < 0 && errno != EINTR) break;
    for (std::size_t i = 0; i < waits.size(); ++i) {
      if (waits[i].revents == 0) continue;
      if (!whose[i]->hear(outcome) && !whose[i]->done()) whose[i]->start();
    }
    const auto now = SteadyClock::now();
    if (options.lasts && now - began >= std::chrono::nanoseconds(options.lasts->ns)) break;
    if (now - shown < std::chrono::milliseconds(250)) continue;
    shown = now;
    on_progress(outcome);
  }
  std::sort(outcome.violated.begin(), outcome.violated.end(),
            [](const Violated& a, const Violated& b) { return a.seed < b.seed; });
  return outcome;
}

}  // namespace hf::sim
