// The simulated journal under the contract of all journals, working as one with a disk does.
#include "adapters/journal/contract.h"
#include "adapters/journal/contract_crash.h"
#include "sim/journal.h"

namespace hf::adapters::testing {
namespace {

class SimHarness {
 public:
  static constexpr bool kInStep = true;

  explicit SimHarness(call::Retention ages = {})
      : journal_(
            schedule_, prng_, faults(), call::Sealer(test_key(), counting_nonces()),
            [this] { return clock.read(); }, ages) {
    recovered = std::make_unique<Result<call::Recovered>>(journal_.open());
    journal_.attach(*recorder);
  }
  ports::Journal& journal() { return journal_; }
  void settle(std::size_t answers) {
    while (recorder->order.size() < answers) {
      journal_.wake();
      HF_CHECK(schedule_.step());
    }
  }
  void maintain() {
    while (*journal_.sweep() > 0) {
    }
  }
  void evict_all() {
    while (*journal_.evict(std::uint64_t{1} << 40) > 0) {
    }
  }
  void reopen() {
    journal_.close();
    begin_anew();
  }
  // In the midst of a sync, or before the journal has taken anything; it draws by itself what
  // survives.
  void crash(std::uint64_t chance) {
    if (chance % 2 == 1 && journal_.waits()) {
      journal_.wake();
      HF_CHECK(schedule_.step());
    }
    journal_.crash();
    begin_anew();
  }
  void fail_next(std::uint64_t chance) {
    constexpr CommitFate kWays[] = {CommitFate::failed, CommitFate::failed_written,
                                    CommitFate::unknown_written, CommitFate::unknown_lost};
    journal_.fail_next(kWays[chance % 4]);
  }

  TestClock clock;
  std::unique_ptr<Recorder> recorder = std::make_unique<Recorder>();
  std::unique_ptr<Recorder> before;
  std::unique_ptr<Result<call::Recovered>> recovered;

 private:
  static sim::JournalFaults faults() {
    sim::JournalFaults out;
    out.group_max = 5;
    out.pickup_us = 50;
    out.sync_us = 2000;
    out.read_us = 100;
    out.sweeps_unsynced = true;
    return out;
  }
  void begin_anew() {
    recovered = std::make_unique<Result<call::Recovered>>(journal_.open());
    before = std::exchange(recorder, std::make_unique<Recorder>());
    if (recovered->ok()) journal_.attach(*recorder);
  }

  sim::Schedule schedule_;
  Prng prng_{4711};
  sim::SimJournal journal_;
};

INSTANTIATE_TYPED_TEST_SUITE_P(Sim, JournalContract, SimHarness);
INSTANTIATE_TYPED_TEST_SUITE_P(Sim, JournalCrash, SimHarness);

}  // namespace
}  // namespace hf::adapters::testing
