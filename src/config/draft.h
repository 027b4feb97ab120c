// A configuration while it is being read: settings beside the text they came from, so that what is
// found out later can still point at its line.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "call/settings.h"
#include "config/finding.h"
#include "config/presets.h"
#include "config/yaml_tree.h"

namespace hf::config {

class Section;

struct UpstreamDraft {
  call::UpstreamSettings settings;
  const Node* node = nullptr;  // into the tree; never null
  Position at;                 // of its name
  std::string path;            // upstreams.stripe
  const Preset* preset = nullptr;
};

struct RouteDraft {
  call::RouteSettings settings;
  const Node* node = nullptr;
  std::string path;                         // routes[0]
  const UpstreamDraft* upstream = nullptr;  // null: unknown, which has been reported
};

struct Draft {
  call::Settings settings;  // without upstreams and routes
  const Node* node = nullptr;
  std::vector<UpstreamDraft> upstreams;
  std::vector<RouteDraft> routes;
};

// Beside upstreams: URLs and fields to put in, by the same rules.
void read_url(Section& in, std::vector<call::Url>& out);
void read_inject(Section& in, std::string_view key, call::UpstreamSettings& out);
void read_alerts(Section in, call::AlertSettings& out);
// `review: { accept: { RULE: REASON } }`, at a route, an upstream or the service.
void read_review(Section in, std::vector<call::Accepted>& out);

// Text to values. Everything wrong with a single value is found here.
Draft read_draft(const Node& root, Findings& findings);
std::vector<UpstreamDraft> read_upstreams(const Node* node, Findings& findings);
std::vector<RouteDraft> read_routes(const Node* node, const std::vector<UpstreamDraft>& upstreams,
                                    Findings& findings);

class Section;
void read_methods(Section& in, std::string_view key, std::vector<std::string>& out);
void read_client_address(Section in, call::ClientAddressSettings& out);
void read_limits(Section& in, std::string_view key, std::vector<call::LimitSettings>& out);
void read_features(Section in, call::FeatureSettings& out);
void judge_features(const Draft& draft, Findings& findings);
void judge_limits(const Draft& draft, Findings& findings);
void judge_stale(const Draft& draft, Findings& findings);
void read_callbacks(Section in, call::CallbackSettings& out);
// After the route's key and fingerprint: `webhook` fills in what they leave out.
void read_route_webhooks(Section& in, call::RouteSettings& out);
void judge_webhooks(const Draft& draft, const RouteDraft& route, Findings& findings);

// One value against another: what cannot be meant, and what is probably not wanted.
void judge_contradictions(const Draft& draft, Findings& findings);
void judge_wisdom(const Draft& draft, Findings& findings);

// No attempt starts within this much of the end of a key's lifetime (DESIGN section 4, key
// lifetime).
Duration lifetime_margin(const call::UpstreamSettings& upstream);
// "at most 23h": the longest deadline that ends before that margin, in round units; empty: none
// does.
std::string longest_deadline(const call::UpstreamSettings& upstream);
// True for a written secret: a credential's field whose value is more than a scheme and references.
bool is_secret_literal(const call::Injected& field);

// Every ${...} is one of the two that exist.
bool references_are_sound(std::string_view value);

// A finding about one key of an upstream or a route, where it is written, else where its owner is.
void add(const UpstreamDraft& draft, Findings& findings, Rule rule, std::string_view key,
         std::string message, std::string suggestion = {});
void add(const RouteDraft& draft, Findings& findings, Rule rule, std::string_view key,
         std::string message, std::string suggestion = {});

}  // namespace hf::config
