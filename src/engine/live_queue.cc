#include "engine/live_queue.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/planted.h"

namespace hf::engine {

namespace {

// Where the turns of an owner are counted: one name at two addresses is two.
std::uint64_t place_of(const call::Share& who) {
  return who.owner ^ (who.address * 0x9E3779B97F4A7C15ULL);
}

}  // namespace

void LiveQueue::push(const CallId& id, const Waiting& waiting) {
  addresses_had_.forget(waiting.since);
  owners_had_.forget(waiting.since);
  Place place;
  place.waiting = waiting;
  place.number = next_++;
  place.age = ages_.insert(ages_.end(), id);
  Class& in = of(waiting);
  Turns<Owner>& owners = in.enter(waiting.who.address).owners;
  Calls& line = owners.enter(place_of(waiting.who)).calls.of(waiting.urgency);
  place.call = line.insert(line.end(), id);
  if (waiting.may_leave) {
    in.add_leaver(waiting.who.address, place.number);
    owners.add_leaver(place_of(waiting.who), place.number);
    leavers_.emplace(place.number, id);
  }
  HF_CHECK(places_.emplace(id, place).second);
}

const LiveQueue::Class& LiveQueue::first_class() const {
  HF_CHECK(!places_.empty());
  const auto waits = [](const Class& one) { return !one.empty(); };
  if (HF_BUG("the-least-important-first")) {
    return *std::find_if(classes_.begin(), classes_.end(), waits);
  }
  return *std::find_if(classes_.rbegin(), classes_.rend(), waits);
}

const CallId& LiveQueue::front() const {
  const auto& calls = first_class().first().owners.first().calls;
  return calls.of(calls.next()).front();
}

void LiveQueue::pop_front(bool had_its_turn) {
  const auto place = places_.find(front());
  if (had_its_turn) {
    const Waiting& had = place->second.waiting;
    addresses_had_.add(had.who.address);
    owners_had_.add(place_of(had.who));
    Class& in = of(had);
    Turns<Owner>& owners = in.at(had.who.address).owners;
    owners.at(place_of(had.who)).calls.took(had.urgency);
    owners.next();
    in.next();
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
  const call::Share& who = place.waiting.who;
  Class& in = of(place.waiting);
  Turns<Owner>& owners = in.at(who.address).owners;
  owners.at(place_of(who)).calls.of(place.waiting.urgency).erase(place.call);
  if (place.waiting.may_leave) {
    in.drop_leaver(who.address, place.number);
    owners.drop_leaver(place_of(who), place.number);
    leavers_.erase(place.number);
  }
  ages_.erase(place.age);
  owners.forget_if_empty(place_of(who));
  in.forget_if_empty(who.address);
  places_.erase(found);
}

std::optional<LiveQueue::Victim> LiveQueue::victim(std::size_t below) const {
  for (std::size_t rank = 0; rank < std::min(below, classes_.size()); ++rank) {
    const Class& in = classes_[rank];
    const auto address = in.who_has_most(addresses_had_);
    if (!address) continue;
    const Turns<Owner>& owners = in.at(*address).owners;
    const auto owner = owners.who_has_most(owners_had_);
    HF_CHECK(owner.has_value());
    return Victim{leavers_.at(owners.newest_leaver(*owner)), rank};
  }
  return std::nullopt;
}

std::optional<Instant> LiveQueue::oldest() const {
  if (ages_.empty()) return std::nullopt;
  return places_.at(ages_.front()).waiting.since;
}

}  // namespace hf::engine
