#include "config/draft.h"
#include "config/section.h"

namespace hf::config {
namespace {

using Format = call::AlertTarget::Format;

// A word about the upstream would be lost on people: the target's name stands in the log.
call::UpstreamSettings target_of(std::string_view name) {
  call::UpstreamSettings out;
  out.name = std::string(name);
  out.timeouts.head = Duration::seconds(10);
  return out;
}

void read_target(Section in, std::string_view name, Format format, call::AlertSettings& out) {
  if (in.node() == nullptr) return;
  call::AlertTarget target;
  target.upstream = target_of(name);
  target.format = format;
  read_url(in, target.upstream.urls);
  read_inject(in, "headers", target.upstream);
  in.text("ca_file", target.upstream.tls.ca);
  if (format != Format::alertmanager) {
    in.word("format", target.format,
            std::vector<Word<Format>>{{"json", Format::json}, {"slack", Format::slack}});
  }
  in.close();
  if (!target.upstream.urls.empty()) out.targets.push_back(std::move(target));
}

}  // namespace

void read_alerts(Section in, call::AlertSettings& out) {
  read_target(in.section("webhook"), "webhook", Format::json, out);
  read_target(in.section("alertmanager"), "alertmanager", Format::alertmanager, out);
  Section rate = in.section("failure_rate");
  rate.permille("failures", out.failure_permille, {1, 1000});
  rate.integer("of_at_least", out.failure_of_at_least, {1, 1'000'000});
  rate.duration("within", out.failure_within, {Duration::seconds(10), Duration::hours(24)});
  rate.close();
  const Within<Duration> within{Duration::seconds(1), Duration::hours(24 * 7)};
  in.duration("every", out.every, within);
  in.duration("over_after", out.over_after, {Duration{}, Duration::hours(24)});
  in.duration("standing_still", out.standing_still, within);
  in.text("stake", out.stake);
  in.close();
}

}  // namespace hf::config
