// What a configuration can be told off for: one row a rule, with the id that tools and people may
// rely on. docs/configuration.md lists the same rows, and a test compares the two.
#pragma once

#include <span>
#include <string_view>

namespace hf::config {

enum class Level { error, warning };

enum class Rule {
  // Errors of the text.
  file,
  too_large,
  syntax,
  yaml_feature,
  duplicate_key,
  unknown_key,
  wrong_type,
  bad_value,
  out_of_range,
  missing,
  too_many,
  // Errors of one part against another.
  unknown_upstream,
  unknown_preset,
  bad_url,
  bad_proxy,
  urls_differ,
  upstream_is_self,
  bad_listen,
  listen_twice,
  tls_incomplete,
  tls_unused,
  tls_files,
  route_duplicate,
  key_lifetime,
  lookup_missing,
  lookup_absence,
  mode_mismatch,
  classify_proof,
  status_conflict,
  credentials_both,
  inject_field,
  secret_reference,
  required_without_key,
  stable_without_key,
  derive_content,
  strip_root,
  hold_credentials,
  hold_unrecognised,
  held_answer_conflict,
  deadline_lifetime,
  body_buffers,
  callback_refused,
  callback_hold,
  webhook_key,
  // Unwise.
  held_202_sdk,
  hold_mode_none,
  hold_methods,
  stable_sdk_key,
  preset_scope,
  preset_known_host,
  preset_overridden,
  refused_unwise,
  key_stores,
  wait_long,
  head_short,
  deadline_margin,
  deadline_schedule,
  settle_short,
  budget_zero,
  retention_keys,
  retention_bodies,
  retention_tombstones,
  listen_public,
  admin_public,
  upstream_plain,
  tls_unreadable,
  tls_expired,
  tls_expires,
  upstream_unused,
  secret_literal,
  index_unrecorded,
  callback_private,
  webhook_hold,
  alerts_stake,
  observe_passes,
  trusts_everybody,
  limit_claim,
  limit_body,
  stale_never,
  stale_personal,
  stale_unused,
};

struct RuleRow {
  Rule rule;
  std::string_view id;  // stable
  Level level;
  std::string_view meaning;  // one line, as the documentation has it
};

// All rules, in the order of the enum.
std::span<const RuleRow> rules();
const RuleRow& row_of(Rule rule);

}  // namespace hf::config
