// What is known of millions of clients, in bounded memory: open addressing in many small tables, so
// that none takes long to grow. Who owes nothing is forgotten without loss; an active offender is
// never forgotten to make room.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/time.h"

namespace hf::traffic {

// A client under one limit: a keyed hash, because an attacker chooses what goes in.
struct ClientKey {
  std::uint64_t high = 0;
  std::uint64_t low = 0;
  bool operator==(const ClientKey&) const = default;
};

// Instants in nanoseconds; one that has passed says nothing any more.
struct ClientState {
  std::int64_t arrival = 0;       // of the limit (policy/gcra.h)
  std::int64_t offences = 0;      // of a ban's own limit (policy/gcra.h)
  std::int64_t banned_until = 0;  // or kRefused; 0: nobody has refused it since it owed nothing

  static constexpr std::int64_t kRefused = -1;
  // Whoever was refused is an offender for as long as it owes anything.
  [[nodiscard]] std::int64_t offender_until() const {
    return std::max({offences, banned_until, banned_until == 0 ? 0 : arrival});
  }
  [[nodiscard]] bool offender(Instant now) const { return offender_until() > now.ns; }
  [[nodiscard]] bool forgettable(Instant now) const { return arrival <= now.ns && !offender(now); }
};

class LimitTable {
 public:
  static constexpr std::size_t kParts = 256;

  // At most `keys_max` rounded up to a multiple of kParts; each takes 40 bytes and what a table of
  // its size leaves free (a quarter to five eighths).
  explicit LimitTable(std::size_t keys_max);

  // Null: not known. A pointer holds until the next find_or_add() or erase().
  ClientState* find(const ClientKey& key);
  // Null: there is no room, and everybody there is an offender.
  ClientState* find_or_add(const ClientKey& key, Instant now);
  bool erase(const ClientKey& key);

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::size_t keys_max() const { return part_max_ * kParts; }
  [[nodiscard]] std::size_t bytes() const;
  // Clients that were forgotten while they still owed something, because there was no room.
  [[nodiscard]] std::uint64_t evicted() const { return evicted_; }

 private:
  struct Slot {
    ClientKey key;  // 0, 0: empty
    ClientState state;
  };
  struct Part {
    std::vector<Slot> slots;  // a power of two, or none
    std::size_t size = 0;
    std::size_t hand = 0;         // where the look for room goes on
    std::int64_t full_until = 0;  // everybody is an offender until then
  };

  Part& part_of(const ClientKey& key) { return parts_[key.high >> 56]; }
  static std::size_t place_of(const Part& part, const ClientKey& key);
  static void grow(Part& part);
  void erase_at(Part& part, std::size_t at);
  bool make_room(Part& part, Instant now);

  std::array<Part, kParts> parts_;
  std::size_t part_max_;
  std::size_t size_ = 0;
  std::uint64_t evicted_ = 0;
};

}  // namespace hf::traffic
