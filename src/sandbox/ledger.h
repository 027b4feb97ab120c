// What really happened: the effects, and beside them every request with how it ended. The outside
// witness that tests and the demo count by.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"
#include "sandbox/options.h"
#include "sandbox/params.h"

namespace hf::sandbox {

struct RequestEntry {
  std::uint64_t seq = 0;  // order of arrival, from 1
  WallTime at;
  std::string method;
  std::string path;
  std::string query;
  std::string key;    // as sent, empty if none
  std::string order;  // metadata[order] and the like, empty if none
  std::string fault;  // as Fault::text(), empty if none
  std::string request_id;
  int status_answered = 0;  // 0: the client got no status line
  bool replayed = false;
  std::uint64_t effect = 0;  // the effect it caused, 0 if none
};

struct Effect {
  std::uint64_t id = 0;   // order of effects, from 1
  std::uint64_t seq = 0;  // the request
  WallTime at;            // when it took effect
  std::string method;
  std::string path;
  std::string query;
  std::string key;
  std::string order;
  std::string body_sha256;
  std::string body;  // the first kBodyKept bytes; dropped when the ledger is full
  Params params;     // the first kParamsKept
  std::string fault;
  // The first effect on the same method and path with the same order, or, without an order, the
  // same key; 0 if this is the first.
  std::uint64_t duplicate_of = 0;
};

struct LedgerFilter {
  std::optional<std::string> order;
  std::optional<std::string> key;
  std::optional<std::string> path;
  std::uint64_t since = 0;  // requests, and effects of requests, with a greater seq
  std::size_t limit = static_cast<std::size_t>(-1);  // the newest so many of each
  bool counts_only = false;
};

class Ledger {
 public:
  static constexpr std::size_t kBodyKept = 4096;
  static constexpr std::size_t kParamsKept = 32;
  static constexpr std::size_t kValueKept = 256;

  explicit Ledger(const SandboxOptions& options);

  // Returns the seq.
  std::uint64_t add_request(RequestEntry entry);
  // nullptr when it has been dropped for space. Valid until the next add_request().
  RequestEntry* request(std::uint64_t seq);
  // The effect of an earlier request; returns its id, or 0 when the request was before clear().
  // `body` is what the request carried.
  std::uint64_t add_effect(std::uint64_t seq, WallTime at, std::string_view body, Params params);
  // Forgets everything; seqs and ids go on, so that a request still under way is not mixed up.
  void clear();

  [[nodiscard]] boost::json::object to_json(const LedgerFilter& filter) const;
  [[nodiscard]] const std::deque<Effect>& effects() const { return effects_; }
  [[nodiscard]] const std::deque<RequestEntry>& requests() const { return requests_; }
  [[nodiscard]] std::uint64_t duplicates() const { return duplicates_; }
  [[nodiscard]] std::uint64_t last_effect_id() const { return last_effect_; }
  [[nodiscard]] std::uint64_t effect_count() const { return last_effect_ - dropped_before_; }

 private:
  void drop_surplus();
  [[nodiscard]] boost::json::object counts() const;
  [[nodiscard]] const RequestEntry* find(std::uint64_t seq) const;

  std::size_t max_effects_;
  std::size_t max_requests_;
  std::size_t max_body_bytes_;
  std::deque<RequestEntry> requests_;
  std::deque<Effect> effects_;
  std::uint64_t last_seq_ = 0;
  std::uint64_t last_effect_ = 0;
  std::uint64_t cleared_seq_ = 0;     // last_seq_ at the last clear()
  std::uint64_t dropped_before_ = 0;  // last_effect_ at the last clear()
  std::uint64_t duplicates_ = 0;
  std::uint64_t first_with_body_ = 1;  // effects below have lost theirs
  std::size_t body_bytes_ = 0;
  std::map<std::string, std::uint64_t> faults_;       // how often each kind
  std::map<std::string, std::uint64_t> first_by_id_;  // identity -> first effect
};

}  // namespace hf::sandbox
