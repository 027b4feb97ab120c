#include "policy/ejection.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/planted.h"

namespace hf::policy {
namespace {

constexpr std::int64_t kJitterShare = 5;
constexpr int kMaxStreak = 100'000'000;

}  // namespace

Ejection::Ejection(EjectionConfig config) : config_(config) {
  HF_CHECK(config.consecutive > 0);
  HF_CHECK(config.out_min.ns > 0 && config.out_min <= config.out_max);
  HF_CHECK(config.most_permille >= 0 && config.most_permille <= 1000);
}

void Ejection::set(const std::vector<std::string>& addresses) {
  order_.clear();
  std::map<std::string, Member, std::less<>> kept;
  for (const std::string& address : addresses) {
    Member* known = find(address);
    const bool fresh =
        kept.try_emplace(address, known == nullptr ? Member{} : std::move(*known)).second;
    if (fresh) order_.push_back(address);
  }
  members_ = std::move(kept);
}

const Ejection::Member* Ejection::find(std::string_view address) const {
  const auto found = members_.find(address);
  return found == members_.end() ? nullptr : &found->second;
}

Ejection::Member* Ejection::find(std::string_view address) {
  return const_cast<Member*>(std::as_const(*this).find(address));
}

int Ejection::may_be_out() const {
  const auto all = static_cast<int>(order_.size());
  const auto share =
      static_cast<int>((static_cast<std::int64_t>(all) * config_.most_permille + 999) / 1000);
  if (HF_BUG("leave-nobody")) return all;
  return std::max(0, std::min(share, all - 1));
}

int Ejection::out() const {
  return static_cast<int>(std::count_if(members_.begin(), members_.end(),
                                        [](const auto& entry) { return entry.second.out; }));
}

bool Ejection::panics() const {
  const auto failing = std::count_if(members_.begin(), members_.end(), [this](const auto& entry) {
    return entry.second.out || entry.second.streak >= config_.consecutive;
  });
  return failing > may_be_out();
}

std::vector<std::string> Ejection::choices() const {
  if (panics()) {
    HF_PROBE("more-addresses-fail-than-may-be-out");
    return order_;
  }
  std::vector<std::string> in;
  for (const std::string& address : order_) {
    if (!members_.find(address)->second.out || HF_BUG("send-to-the-ejected")) {
      in.push_back(address);
    }
  }
  return in;
}

std::optional<std::string> Ejection::due(Instant now, bool harmless) const {
  // A probe that told nothing was one: else who waits longest would have all of them, and nobody
  // after it would come back.
  const std::string* next = nullptr;
  std::pair<std::uint64_t, Instant> place;
  for (const auto& [address, member] : members_) {
    if (!member.out || (member.probing && !HF_BUG("a-crowd-of-probes"))) continue;
    const Instant from = harmless ? member.out_until : member.out_until + member.out_for;
    if (now < from || HF_BUG("no-way-back")) continue;
    const std::pair its{member.probe, member.out_until};
    if (next != nullptr && place <= its) continue;
    next = &address;
    place = its;
  }
  return next == nullptr ? std::nullopt : std::optional(*next);
}

void Ejection::begin_probe(std::string_view address) {
  Member* member = find(address);
  if (member == nullptr) return;
  member->probing = true;
  member->probe = ++probes_;
}

void Ejection::abandon_probe(std::string_view address) {
  if (Member* member = find(address)) member->probing = false;
}

// `in_since` of who comes back is when it did: what began before that tells of the time before.
Verdict Ejection::record(std::string_view address, bool ok, bool probe, Instant begun, Instant now,
                         Prng& prng) {
  Member* member = find(address);
  if (member == nullptr) return Verdict::none;
  if (probe) member->probing = false;
  if (member->out) {
    if (begun < member->out_at) return Verdict::none;
    if (!ok) member->streak = std::min(member->streak + 1, kMaxStreak);
    if (ok) {
      member->out = false;
      member->probing = false;
      member->streak = 0;
      member->in_since = now;
      return Verdict::returned;
    }
    // Who had to go there while it is out tells nothing new.
    if (!probe && now < member->out_until) return Verdict::none;
    member->probing = false;
    eject(*member, std::min(member->out_for * 2, config_.out_max), now, prng);
    return Verdict::kept_out;
  }
  if (ok) {
    member->streak = 0;
    return Verdict::none;
  }
  if (begun < member->in_since) return Verdict::none;
  member->streak = std::min(member->streak + 1, kMaxStreak);
  if (member->streak < config_.consecutive || out() >= may_be_out()) return Verdict::none;
  const bool soon = member->out_for.ns > 0 && now - member->in_since < member->out_for;
  eject(*member, soon ? std::min(member->out_for * 2, config_.out_max) : config_.out_min, now,
        prng);
  return Verdict::ejected;
}

void Ejection::eject(Member& member, Duration length, Instant now, Prng& prng) const {
  member.out = true;
  member.probe = 0;
  member.out_at = now;
  member.out_for = length;
  member.out_until = now + length + Duration{prng.between(0, length.ns / kJitterShare)};
}

Standing Ejection::standing(std::string_view address, Instant now) const {
  const Member* member = find(address);
  if (member == nullptr || !member->out) return Standing::in;
  if (member->probing) return Standing::probing;
  return now < member->out_until ? Standing::out : Standing::due;
}

int Ejection::streak(std::string_view address) const {
  const Member* member = find(address);
  return member == nullptr ? 0 : member->streak;
}

std::optional<Instant> Ejection::out_until(std::string_view address) const {
  const Member* member = find(address);
  if (member == nullptr || !member->out) return std::nullopt;
  return member->out_until;
}

std::string_view to_string(Standing standing) {
  switch (standing) {
    case Standing::in:
      return "in";
    case Standing::out:
      return "out";
    case Standing::due:
      return "due";
    case Standing::probing:
      return "probing";
  }
  return "?";
}

}  // namespace hf::policy
