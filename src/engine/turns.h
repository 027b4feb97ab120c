// Members that take turns, and which of them has had and asks for most.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <set>
#include <tuple>

#include "base/check.h"
#include "base/time.h"

namespace hf::engine {

// The turns of the last seconds, by member; those that meet in one place have them together.
class TurnsHad {
 public:
  void add(std::uint64_t who) { had_[who % had_.size()] += 1; }
  [[nodiscard]] std::uint32_t of(std::uint64_t who) const { return had_[who % had_.size()]; }
  // Halved every second.
  void forget(Instant now) {
    constexpr Duration kHalfLife = Duration::seconds(1);
    if (now < halved_ + kHalfLife) return;
    const bool all = halved_.ns == INT64_MIN || now - halved_ >= kHalfLife * 32;
    const auto halvings = all ? 32 : (now - halved_).ns / kHalfLife.ns;
    for (std::uint32_t& turns : had_)
      turns = halvings >= 32 ? 0 : turns >> halvings;
    halved_ = now;
  }

 private:
  std::array<std::uint32_t, 1024> had_{};
  Instant halved_{INT64_MIN};
};

// A Member says whether it is empty(), and is forgotten then.
template <typename Member>
class Turns {
 public:
  [[nodiscard]] bool empty() const { return members_.empty(); }
  // A new one comes last.
  Member& enter(std::uint64_t who) {
    const auto [found, fresh] = members_.try_emplace(who);
    if (fresh) found->second.turn = order_.insert(order_.end(), who);
    return found->second.member;
  }
  [[nodiscard]] Member& at(std::uint64_t who) { return members_.at(who).member; }
  [[nodiscard]] const Member& at(std::uint64_t who) const { return members_.at(who).member; }
  [[nodiscard]] const Member& first() const { return members_.at(order_.front()).member; }
  // The first one has had its turn: it comes again after all the others.
  void next() { order_.splice(order_.end(), order_, order_.begin()); }
  void forget_if_empty(std::uint64_t who) {
    const auto found = members_.find(who);
    if (!found->second.member.empty()) return;
    HF_CHECK(found->second.leavers.empty());
    order_.erase(found->second.turn);
    members_.erase(found);
  }

  // Calls of a member that may be sent away, by number; a higher one came later.
  void add_leaver(std::uint64_t who, std::uint64_t number) {
    change(who, [&](auto& leavers) { leavers.insert(number); });
  }
  void drop_leaver(std::uint64_t who, std::uint64_t number) {
    change(who, [&](auto& leavers) { leavers.erase(number); });
  }
  // Whose calls that may be sent away and turns had are most together, of the kCompared that have
  // most of the first; of equals who has more of the first, then who came last.
  [[nodiscard]] std::optional<std::uint64_t> who_has_most(const TurnsHad& had) const {
    constexpr int kCompared = 16;
    std::optional<std::uint64_t> out;
    std::uint64_t most = 0;
    int compared = 0;
    for (auto one = longest_.rbegin(); one != longest_.rend() && compared < kCompared; ++one) {
      const std::uint64_t has = std::get<0>(*one) + had.of(std::get<2>(*one));
      if (has > most) {
        most = has;
        out = std::get<2>(*one);
      }
      compared += 1;
    }
    return out;
  }
  // The newest of them; the member must have one.
  [[nodiscard]] std::uint64_t newest_leaver(std::uint64_t who) const {
    return *members_.at(who).leavers.rbegin();
  }

 private:
  struct Entry {
    Member member;
    std::list<std::uint64_t>::iterator turn;
    std::set<std::uint64_t> leavers;
  };
  template <typename What>
  void change(std::uint64_t who, const What& what) {
    std::set<std::uint64_t>& leavers = members_.at(who).leavers;
    if (!leavers.empty()) longest_.erase({leavers.size(), *leavers.rbegin(), who});
    what(leavers);
    if (!leavers.empty()) longest_.insert({leavers.size(), *leavers.rbegin(), who});
  }

  std::map<std::uint64_t, Entry> members_;
  std::list<std::uint64_t> order_;
  // How many may be sent away, the newest of them, whose.
  std::set<std::tuple<std::size_t, std::uint64_t, std::uint64_t>> longest_;
};

}  // namespace hf::engine
