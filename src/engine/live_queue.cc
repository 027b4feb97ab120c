#include "engine/live_queue.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/planted.h"

namespace hf::engine {

namespace {

constexpr Duration kHalfLife = Duration::seconds(1);
// Of the clients with the longest lines so many are compared by what they have had.
constexpr int kCompared = 16;

}  // namespace

void LiveQueue::forget_turns(Instant now) {
  if (now < halved_ + kHalfLife) return;
  const bool all = halved_.ns == INT64_MIN || now - halved_ >= kHalfLife * 32;
  const auto halvings = all ? 32 : (now - halved_).ns / kHalfLife.ns;
  for (std::uint32_t& turns : turns_had_)
    turns = halvings >= 32 ? 0 : turns >> halvings;
  halved_ = now;
}

void LiveQueue::push(const CallId& id, const Waiting& waiting) {
  forget_turns(waiting.since);
  Place place;
  place.waiting = waiting;
  place.number = next_++;
  place.age = ages_.insert(ages_.end(), id);
  Class& in = of(waiting);
  const auto [found, fresh] = in.clients.try_emplace(waiting.client);
  Client& client = found->second;
  if (fresh) {
    client.turn = in.turns.insert(in.turns.end(), waiting.client);
  } else {
    forget_length(in, waiting.client, client);
  }
  Calls& line = client.calls.of(waiting.urgency);
  place.call = line.insert(line.end(), id);
  place.leaver = client.may_leave.end();
  if (waiting.may_leave) {
    place.leaver = client.may_leave.insert(client.may_leave.end(), id);
    client.newest = place.number;
  }
  note_length(in, waiting.client, client);
  HF_CHECK(places_.emplace(id, place).second);
}

void LiveQueue::forget_length(Class& in, std::uint64_t who, const Client& client) {
  in.longest.erase({client.may_leave.size(), client.newest, who});
}

void LiveQueue::note_length(Class& in, std::uint64_t who, const Client& client) {
  if (!client.may_leave.empty()) {
    in.longest.insert({client.may_leave.size(), client.newest, who});
  }
}

const LiveQueue::Class& LiveQueue::first_class() const {
  HF_CHECK(!places_.empty());
  const auto waits = [](const Class& one) { return !one.turns.empty(); };
  if (HF_BUG("the-least-important-first")) {
    return *std::find_if(classes_.begin(), classes_.end(), waits);
  }
  return *std::find_if(classes_.rbegin(), classes_.rend(), waits);
}

const CallId& LiveQueue::front() const {
  const Class& in = first_class();
  const auto& calls = in.clients.at(in.turns.front()).calls;
  return calls.of(calls.next()).front();
}

void LiveQueue::pop_front(bool had_its_turn) {
  const auto place = places_.find(front());
  if (had_its_turn) {
    turns_had_[place->second.waiting.client % turns_had_.size()] += 1;
    Class& in = of(place->second.waiting);
    in.clients.at(place->second.waiting.client).calls.took(place->second.waiting.urgency);
    // The next client is due; this one comes again after all the others.
    in.turns.splice(in.turns.end(), in.turns, in.turns.begin());
  }
  take_out(place);
}

bool LiveQueue::erase(const CallId& id) {
  if (places_.empty()) return false;
  const auto place = places_.find(id);
  if (place == places_.end()) return false;
  take_out(place);
  return true;
}

void LiveQueue::take_out(Places::iterator found) {
  const Place& place = found->second;
  Class& in = of(place.waiting);
  const auto owner = in.clients.find(place.waiting.client);
  Client& client = owner->second;
  forget_length(in, owner->first, client);
  client.calls.of(place.waiting.urgency).erase(place.call);
  if (place.waiting.may_leave) {
    client.may_leave.erase(place.leaver);
    if (!client.may_leave.empty()) client.newest = places_.at(client.may_leave.back()).number;
  }
  ages_.erase(place.age);
  if (client.calls.empty()) {
    in.turns.erase(client.turn);
    in.clients.erase(owner);
  } else {
    note_length(in, owner->first, client);
  }
  places_.erase(found);
}

std::optional<LiveQueue::Victim> LiveQueue::victim(std::size_t below) const {
  for (std::size_t rank = 0; rank < std::min(below, classes_.size()); ++rank) {
    const Class& in = classes_[rank];
    if (in.longest.empty()) continue;
    std::uint64_t who = 0;
    std::uint64_t most = 0;
    int compared = 0;
    for (auto one = in.longest.rbegin(); one != in.longest.rend() && compared < kCompared; ++one) {
      const std::uint64_t has = std::get<0>(*one) + turns_of(std::get<2>(*one));
      if (has > most) {
        most = has;
        who = std::get<2>(*one);
      }
      compared += 1;
    }
    return Victim{in.clients.at(who).may_leave.back(), rank};
  }
  return std::nullopt;
}

std::optional<Instant> LiveQueue::oldest() const {
  if (ages_.empty()) return std::nullopt;
  return places_.at(ages_.front()).waiting.since;
}

}  // namespace hf::engine
