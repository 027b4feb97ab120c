// The witness's own reckoning of which addresses are left out, from what Holdfast was told of its
// attempts. Where it cannot know (what was decided earlier leaves only now), it is silent.
#include <fmt/format.h>

#include <algorithm>

#include "sim/witness.h"

namespace hf::sim {
namespace {

using call::Evidence;

// An attempt leaves so much after it was decided while the journal is well.
constexpr Duration kEdge = Duration::millis(600);
// Free attempts that went elsewhere while an address waited for its probe.
constexpr int kPassedBy = 20;

enum class Sign : std::uint8_t { none, ok, failed };

Sign sign_of(const call::AttemptOutcome& outcome, const std::vector<int>& refused) {
  if (outcome.cause == call::Cause::cancelled || outcome.cause == call::Cause::client_body) {
    return Sign::none;
  }
  if (outcome.evidence < Evidence::answer_begun) return Sign::failed;
  const int status = outcome.head.status;
  if (std::count(refused.begin(), refused.end(), status) > 0) return Sign::none;
  if (status >= 500 || outcome.cause != call::Cause::none) return Sign::failed;
  return status == 429 ? Sign::none : Sign::ok;
}

std::int64_t may_be_out(const call::UpstreamSettings& settings) {
  const auto all = static_cast<std::int64_t>(settings.urls.size());
  return std::min(all - 1, (all * settings.ejection.most_permille + 999) / 1000);
}

}  // namespace

// More of them may fail, as Holdfast sees it, than may be left out: then nobody is.
bool Witness::may_panic(const Upstream& upstream, const call::UpstreamSettings& settings) {
  std::int64_t failing = 0;
  for (const auto& [authority, place] : upstream.places) {
    if (place.unknowable) return true;
    failing += place.out || place.streak >= settings.ejection.consecutive ? 1 : 0;
  }
  return failing > may_be_out(settings);
}

void Witness::note_health(const UnderWay& over, const call::AttemptOutcome& outcome) {
  if (over.settings->urls.size() < 2) return;
  Upstream& upstream = upstreams_[over.upstream];
  const bool before = may_panic(upstream, *over.settings);
  note_result(upstream, over, outcome);
  if (before || may_panic(upstream, *over.settings)) upstream.panicked = world_.true_now();
}

void Witness::note_result(Upstream& upstream, const UnderWay& over,
                          const call::AttemptOutcome& outcome) {
  Place& place = upstream.places[over.authority];
  const Instant now = world_.true_now();
  place.running -= 1;
  if (over.probe && over.begun > place.last_failure) place.probes -= 1;
  const Sign sign = sign_of(outcome, over.refused);
  if (sign == Sign::none) return;
  // Decided before the ejection or the return, perhaps: then it tells of the time before.
  const std::optional<Instant> turned = place.out ? place.out_at : place.in_since;
  if (turned && (over.begun < *turned + kEdge || world_.lagged(*turned))) {
    place.unknowable = place.unknowable || over.begun >= *turned;
    return;
  }
  // A probe that failed has begun its time out anew: who was decided before that brings nobody
  // back.
  const bool old = over.begun < place.last_failure + kEdge || world_.lagged(place.last_failure);
  if (place.out && sign == Sign::ok && old) {
    place.unknowable = true;
    return;
  }
  if (sign == Sign::ok) {
    place.streak = 0;
    if (place.out) place.in_since = now;
    place.out = false;
    return;
  }
  place.last_failure = now;
  place.streak += 1;
  place.probes = 0;
  place.passed_by = 0;
  const auto out = std::count_if(upstream.places.begin(), upstream.places.end(),
                                 [](const auto& entry) { return entry.second.out; });
  if (place.out || place.streak < over.settings->ejection.consecutive ||
      out >= may_be_out(*over.settings)) {
    return;
  }
  place.out = true;
  place.out_at = now;
}

void Witness::judge_address(const ports::AttemptSpec& spec, const std::string& order,
                            const Copy& fresh) {
  const call::UpstreamSettings& settings = *spec.upstream;
  if (settings.urls.size() < 2) return;
  // Whoever may have applied somewhere goes there; what a dead process was told may be lost, and a
  // copy that it meant to send is in doubt although nobody has seen it.
  const auto& before = copies_of(order);
  const bool doubt =
      cut_.contains(fresh.call) || std::any_of(before.begin(), before.end(), [&](const Copy& copy) {
        return copy.life != life_ || !copy.proven();
      });
  const bool bound = doubt && !fresh.safe && !settings.one_key_store;
  Upstream& upstream = upstreams_[settings.name];
  const auto under_way = under_way_.find(spec.id);
  if (bound || under_way == under_way_.end() || may_panic(upstream, settings)) return;
  // It may have been decided while nobody was left out.
  const auto& panicked = upstream.panicked;
  if (panicked && (under_way->second.begun < *panicked + kEdge || world_.lagged(*panicked))) return;
  for (auto& [authority, place] : upstream.places) {
    if (!place.out) continue;
    if (authority == fresh.authority) {
      judge_probe(settings, order, place, under_way->second);
    } else if (place.running == 0) {
      judge_passing_by(settings, authority, place);
    }
  }
}

void Witness::judge_probe(const call::UpstreamSettings& settings, const std::string& order,
                          Place& place, UnderWay& under_way) {
  const Instant begun = under_way.begun;
  if (begun < place.out_at + kEdge || world_.lagged(place.out_at)) return;
  place.passed_by = 0;
  under_way.probe = true;
  place.probes += 1;
  if (begun < place.out_at + settings.ejection.out.low) {
    world_.violation(fmt::format("ejected: {} went to {}, which is left out since {} ms only",
                                 order, under_way.authority, (begun - place.out_at).ms()));
  } else if (place.probes > 1) {
    world_.violation(fmt::format("ejected: {} calls at once go to {}, which waits for one probe",
                                 place.probes, under_way.authority));
  }
}

// It is left out for no longer than declared, jitter included, and any call is its probe when it
// has waited as long again.
void Witness::judge_passing_by(const call::UpstreamSettings& settings, const std::string& authority,
                               Place& place) {
  const Instant now = world_.true_now();
  const Duration high = settings.ejection.out.high;
  if (now <= place.last_failure + high * 2 + high / 5 + kEdge) return;
  place.passed_by += 1;
  if (place.passed_by <= kPassedBy) return;
  world_.violation(
      fmt::format("shut-out: {} has waited for a probe since {} ms, and {} calls went by",
                  authority, (now - place.last_failure).ms(), place.passed_by));
}

}  // namespace hf::sim
