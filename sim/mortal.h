// A process that dies in the midst of what it does: between one call over its ports and the next.
// From then on nothing it does reaches anybody; whoever owns it buries it once the action in which
// it died is over.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "adapters/journal/commands.h"
#include "ports/clients.h"
#include "ports/upstream.h"
#include "sim/journal.h"

namespace hf::sim {

// Counts the calls that somebody outside can notice, over all lives.
class Mortality {
 public:
  // Dies at so many calls, each time counted from the last death. `died` is called at that instant.
  Mortality(std::vector<std::uint64_t> deaths, std::function<void()> died)
      : deaths_(std::move(deaths)), died_(std::move(died)) {}

  // One more call; false: there is nobody any more who makes it.
  bool call() {
    if (dead_) return false;
    if (next_ == deaths_.size()) return true;
    calls_ += 1;
    if (calls_ < deaths_[next_]) return true;
    next_ += 1;
    calls_ = 0;
    die();
    return false;
  }
  void die() {
    dead_ = true;
    died_();
  }
  [[nodiscard]] bool dead() const { return dead_; }
  void begin_anew() { dead_ = false; }
  void spare() { next_ = deaths_.size(); }

 private:
  std::vector<std::uint64_t> deaths_;
  std::function<void()> died_;
  std::size_t next_ = 0;
  std::uint64_t calls_ = 0;
  bool dead_ = false;
};

// All of them outlive none of what they are given.
class MortalUpstream final : public ports::Upstream {
 public:
  MortalUpstream(ports::Upstream& upstream, Mortality& life) : upstream_(upstream), life_(life) {}

  void start(ports::AttemptSpec spec) override {
    if (life_.call()) upstream_.start(std::move(spec));
  }
  void cancel(AttemptId id) override {
    if (!life_.dead()) upstream_.cancel(id);
  }
  void forward(AttemptId id, std::shared_ptr<ports::AnswerSink> sink) override {
    if (!life_.dead()) upstream_.forward(id, std::move(sink));
  }
  void capture(AttemptId id, std::uint64_t max) override {
    if (!life_.dead()) upstream_.capture(id, max);
  }

 private:
  ports::Upstream& upstream_;
  Mortality& life_;
};

class MortalClients final : public ports::Clients {
 public:
  MortalClients(ports::Clients& clients, Mortality& life) : clients_(clients), life_(life) {}

  void reply(ExchangeId id, call::Reply reply) override {
    if (life_.call()) clients_.reply(id, std::move(reply));
  }
  std::shared_ptr<ports::AnswerSink> begin(ExchangeId id, call::AnswerHead head) override {
    return life_.call() ? clients_.begin(id, std::move(head)) : nullptr;
  }
  void finish(ExchangeId id, bool complete) override {
    if (life_.call()) clients_.finish(id, complete);
  }

 private:
  ports::Clients& clients_;
  Mortality& life_;
};

class MortalJournal final : public adapters::CommandJournal {
 public:
  MortalJournal(SimJournal& journal, Mortality& life) : journal_(journal), life_(life) {}

  Result<call::Recovered> open() override { return journal_.open(); }
  void attach(ports::JournalEvents& events) override { journal_.attach(events); }
  void close() override { journal_.close(); }
  [[nodiscard]] bool surely_lacks(const call::Digest& identity) const override {
    return !life_.dead() && journal_.surely_lacks(identity);
  }

 private:
  void enqueue(adapters::Command command) override {
    const bool commit = std::holds_alternative<adapters::CommitCommand>(command);
    if (commit ? life_.call() : !life_.dead()) journal_.enqueue(std::move(command));
  }

  SimJournal& journal_;
  Mortality& life_;
};

}  // namespace hf::sim
