#include "config/rules.h"

#include "base/check.h"

namespace hf::config {
namespace {

constexpr auto kError = Level::error;
constexpr auto kWarning = Level::warning;

constexpr RuleRow kRows[] = {
    {Rule::file, "file", kError, "The file cannot be read."},
    {Rule::too_large, "too-large", kError,
     "More than 1 MiB, 16 levels or 50,000 values: nobody wrote that by hand."},
    {Rule::syntax, "syntax", kError, "Not YAML, not UTF-8, or a control character."},
    {Rule::yaml_feature, "yaml-feature", kError,
     "Anchors, aliases, tags, several documents and keys that are not plain text are refused."},
    {Rule::duplicate_key, "duplicate-key", kError, "A key stands twice in one mapping."},
    {Rule::unknown_key, "unknown-key", kError, "A key that means nothing here."},
    {Rule::wrong_type, "wrong-type", kError,
     "A value of another kind than the key takes: a list for a duration, say."},
    {Rule::bad_value, "bad-value", kError,
     "The right kind of value, but not one of those that exist."},
    {Rule::out_of_range, "out-of-range", kError, "Below or above what the key takes."},
    {Rule::missing, "missing", kError, "Something without a default is not there."},
    {Rule::too_many, "too-many", kWarning, "Findings beyond the 200th of a level are left out."},
    {Rule::unknown_upstream, "unknown-upstream", kError,
     "A route names an upstream that is not declared."},
    {Rule::unknown_preset, "unknown-preset", kError, "There is no preset of that name."},
    {Rule::bad_url, "bad-url", kError,
     "Not `http://` or `https://` with a host, or with user name, query or fragment."},
    {Rule::bad_proxy, "bad-proxy", kError,
     "Not `http://` with a host and a port, perhaps with a user name and password and an `@` "
     "before "
     "them."},
    {Rule::urls_differ, "urls-differ", kError,
     "The `urls` of one upstream repeat, differ in nothing but the scheme, or have different base "
     "paths."},
    {Rule::upstream_is_self, "upstream-is-self", kError,
     "An upstream's URL, or its proxy, is a listener of this very configuration."},
    {Rule::bad_listen, "bad-listen", kError, "Not an IP address and a port."},
    {Rule::listen_twice, "listen-twice", kError, "Two listeners would take the same address."},
    {Rule::tls_incomplete, "tls-incomplete", kError,
     "`tls` has a certificate without its key, or the other way round."},
    {Rule::tls_unused, "tls-unused", kError, "`tls` at an upstream without `https://`."},
    {Rule::tls_files, "tls-files", kError,
     "A file of `tls` is there and of no use: no PEM, a key of another certificate, a wrong "
     "passphrase."},
    {Rule::route_duplicate, "route-duplicate", kError,
     "Two routes take the same path, host, method and listener."},
    {Rule::key_lifetime, "key-lifetime", kError,
     "`mode: key` without `lifetime`: how long the upstream remembers a key has no safe "
     "default."},
    {Rule::lookup_missing, "lookup-missing", kError,
     "`mode: verify` without `lookup`: nobody could be asked what became of a call."},
    {Rule::lookup_absence, "lookup-absence", kError,
     "A lookup that can never find nothing: `found` is no element of a list and there is no "
     "`absent_status`."},
    {Rule::mode_mismatch, "mode-mismatch", kError,
     "A setting that only means something with another `mode`."},
    {Rule::classify_proof, "classify-proof", kError,
     "A `classify` rule that says more than its conditions can show: a status alone is no "
     "promise."},
    {Rule::status_conflict, "status-conflict", kError,
     "One status stands in two of `refused`, `in_progress` and `settles`."},
    {Rule::credentials_both, "credentials-both", kError,
     "`inject` and `credentials: stored` at one upstream: which one is sent?"},
    {Rule::inject_field, "inject-field", kError,
     "A field that cannot be put in: it frames the message, or carries the key."},
    {Rule::secret_reference, "secret-reference", kError,
     "A `${...}` that is neither `${file:PATH}` nor `${env:NAME}`."},
    {Rule::required_without_key, "required-without-key", kError,
     "`key.required` where no key can be found."},
    {Rule::stable_without_key, "stable-without-key", kError,
     "`key.stable` where no key can be found."},
    {Rule::derive_content, "derive-content", kError,
     "`key.derive` without `body`, which would join different requests, or where a key is "
     "required and none would be derived."},
    {Rule::strip_root, "strip-root", kError,
     "`strip_prefix` on the path `/`: there is nothing to strip."},
    {Rule::hold_credentials, "hold-credentials", kError,
     "A route may hold, but a held call would have no credential to send."},
    {Rule::hold_unrecognised, "hold-unrecognised", kError,
     "`on_failure` with `held_answer: error` and no stable key: the repeat would not be "
     "recognised."},
    {Rule::held_answer_conflict, "held-answer-conflict", kError,
     "`held_answer` says other than what `hold` does."},
    {Rule::deadline_lifetime, "deadline-lifetime", kError,
     "A deadline beyond the upstream's key lifetime."},
    {Rule::body_buffers, "body-buffers", kError,
     "A limit for one body that is larger than `buffers` for all."},
    {Rule::callback_refused, "callback-refused", kError,
     "A `callback` that does not lie below any URL in `callbacks.allow`."},
    {Rule::callback_hold, "callback-hold", kError, "`callback` on a route that never holds."},
    {Rule::webhook_key, "webhook-key", kError,
     "A `webhook` route without a required key: an event that comes again would be a new one."},
    {Rule::held_202_sdk, "held-202-sdk", kWarning,
     "A preset's SDK takes the 202 of a held call for success."},
    {Rule::hold_mode_none, "hold-mode-none", kWarning,
     "Holding at an upstream of `mode: none`: an attempt in doubt ends in `unknown`, not in a "
     "retry."},
    {Rule::hold_methods, "hold-methods", kWarning,
     "The route may hold, but its methods can be held only with `Holdfast-Order`."},
    {Rule::stable_sdk_key, "stable-sdk-key", kWarning,
     "`key.stable` on the header that Stripe's SDK fills with a fresh key for each call."},
    {Rule::preset_scope, "preset-scope", kWarning,
     "The preset's scope is left out: accounts would share keys."},
    {Rule::preset_known_host, "preset-known-host", kWarning,
     "A host whose preset is known, without the preset."},
    {Rule::preset_overridden, "preset-overridden", kWarning, "Another `mode` than the preset's."},
    {Rule::refused_unwise, "refused-unwise", kWarning,
     "A status declared as \"not applied\" or as settling that seldom is."},
    {Rule::key_stores, "key-stores", kWarning,
     "Several `urls` with `mode: key` and no `one_key_store`: a call in doubt stays with one of "
     "them."},
    {Rule::wait_long, "wait-long", kWarning, "`wait` is longer than SDKs wait."},
    {Rule::head_short, "head-short", kWarning,
     "`timeouts.head` is so short that slow successes become doubts."},
    {Rule::deadline_margin, "deadline-margin", kWarning,
     "A deadline within the margin at the end of the key's lifetime, in which no attempt "
     "starts."},
    {Rule::deadline_schedule, "deadline-schedule", kWarning,
     "The deadline comes before the end of `retry.held`, or before `wait`."},
    {Rule::settle_short, "settle-short", kWarning,
     "`settle` is shorter than the upstream may still be at work: an effect that shows later is "
     "doubled."},
    {Rule::budget_zero, "budget-zero", kWarning,
     "`retry.budget` of 0%: beyond the floor there are no second attempts."},
    {Rule::retention_keys, "retention-keys", kWarning,
     "Keys are forgotten before the upstream forgets them."},
    {Rule::retention_bodies, "retention-bodies", kWarning,
     "Bodies go before keys: a replay will then be 409 `answer-not-kept`."},
    {Rule::retention_tombstones, "retention-tombstones", kWarning, "Tombstones go before keys."},
    {Rule::listen_public, "listen-public", kWarning,
     "A listener that others can reach, without TLS."},
    {Rule::admin_public, "admin-public", kWarning,
     "The admin API on an address that others can reach; its token would travel in clear."},
    {Rule::upstream_plain, "upstream-plain", kWarning,
     "`http://` to another machine: bodies and credentials travel in clear."},
    {Rule::tls_unreadable, "tls-unreadable", kWarning,
     "A file of `tls`, or its passphrase, cannot be read here: `serve` would not start."},
    {Rule::tls_expired, "tls-expired", kWarning,
     "The time of a certificate of ours is over, or has not begun."},
    {Rule::tls_expires, "tls-expires", kWarning,
     "The time of a certificate of ours is over within 14 days."},
    {Rule::upstream_unused, "upstream-unused", kWarning, "No route leads to the upstream."},
    {Rule::secret_literal, "secret-literal", kWarning,
     "A secret written into the configuration itself."},
    {Rule::index_unrecorded, "index-unrecorded", kWarning,
     "Searchable fields on a route whose calls are not written to the journal."},
    {Rule::callback_private, "callback-private", kWarning,
     "A loopback address in `callbacks.allow` without `private_addresses`: never reached."},
    {Rule::webhook_hold, "webhook-hold", kWarning,
     "A `webhook` route that does not hold with a 202: a deploy of the application costs events."},
    {Rule::alerts_stake, "alerts-stake", kWarning,
     "`alerts.stake` names a field that no route has in its `index`, or has as `sensitive`."},
    {Rule::observe_passes, "observe-passes", kWarning,
     "A route that only observes leaves out what its settings put in or refuse: `inject`, "
     "`webhook`."},
    {Rule::trusts_everybody, "trusts-everybody", kWarning,
     "`client_address.trusted` holds every address: anybody may say what address it has."},
    {Rule::limit_claim, "limit-claim", kWarning,
     "A limit by a token's claim without the address: nobody has verified the token."},
    {Rule::limit_body, "limit-body", kWarning,
     "A limit by a part of the body, and no route reads its requests whole."},
    {Rule::stale_never, "stale-never", kWarning,
     "`stale_if_error` on a route where no answer can come from memory: without GET and HEAD, or "
     "only observing."},
    {Rule::stale_personal, "stale-personal", kWarning,
     "`stale_if_error` on a route where each user sees their own data."},
    {Rule::stale_unused, "stale-unused", kWarning,
     "`stale_cache` without a route that has `stale_if_error`."},
};

}  // namespace

std::span<const RuleRow> rules() {
  return kRows;
}

const RuleRow& row_of(Rule rule) {
  const auto index = static_cast<std::size_t>(rule);
  HF_CHECK(index < rules().size() && rules()[index].rule == rule);
  return rules()[index];
}

}  // namespace hf::config
