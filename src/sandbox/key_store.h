// Idempotency keys as Stripe keeps them: the first result of a key is stored and replayed, 500s
// included; other parameters under the same key are refused; a second request while the first still
// runs is refused. Pure; the owner of the io thread calls it.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <variant>

#include "base/time.h"
#include "sandbox/answer.h"

namespace hf::sandbox {

struct KeyFresh {};       // execute, then store() or release()
struct KeyInProgress {};  // 409
struct KeyMismatch {};    // 400
struct KeyReplay {
  Answer answer;
};
using KeyVerdict = std::variant<KeyFresh, KeyInProgress, KeyMismatch, KeyReplay>;

class KeyStore {
 public:
  static constexpr std::size_t kMaxKeys = 200'000;
  static constexpr std::size_t kMaxBytes = 256U << 20;

  explicit KeyStore(Duration lifetime) : lifetime_(lifetime) {}

  // `key` includes whose it is; `fingerprint` is a hash of method, target and body.
  KeyVerdict begin(const std::string& key, const std::string& fingerprint, WallTime now);
  // The first request of the key has its result.
  void store(const std::string& key, Answer answer, WallTime now);
  // It ended without one that Stripe would keep: the key is free again.
  void release(const std::string& key);
  void set_lifetime(Duration lifetime) { lifetime_ = lifetime; }
  void clear();
  [[nodiscard]] Duration lifetime() const { return lifetime_; }
  [[nodiscard]] std::size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    std::string fingerprint;
    WallTime stored_at;
    bool done = false;
    Answer answer;
    std::uint64_t turn = 0;
  };
  void drop_surplus();

  Duration lifetime_;
  std::map<std::string, Entry> entries_;
  std::deque<std::pair<std::uint64_t, std::string>> stored_;  // oldest first
  std::uint64_t turn_ = 0;
  std::size_t bytes_ = 0;
};

}  // namespace hf::sandbox
