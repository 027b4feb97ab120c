#include "config/places.h"

#include <fmt/format.h>

#include "config/presets.h"
#include "config/yaml_tree.h"

namespace hf::config {
namespace {

using From = Place::From;

// What stands below `node` for `key`; the position of `owner` where there is no such node.
Place look(const Node* node, std::string_view key, Position owner) {
  Place out;
  out.at = owner;
  if (node == nullptr) return out;
  if (key.empty()) {
    out.from = From::written;
    return out;
  }
  if (node->find_path(key) != nullptr) out.from = From::written;
  const bool any = node->find(key.substr(0, key.find('.'))) != nullptr;
  if (any) out.at = node->place(key);
  return out;
}

// A preset says nothing of times that are everybody's, and of idempotency only while the mode is
// its own.
bool by_preset(const call::UpstreamSettings& upstream, std::string_view key) {
  const Preset* preset = find_preset(upstream.preset);
  if (preset == nullptr) return false;
  if (key == "classify") return !preset->classify.empty();
  const bool own_mode = upstream.idempotency.mode == preset->idempotency.mode;
  if (key.starts_with("idempotency.lookup")) return false;
  if (key.starts_with("idempotency.")) {
    return own_mode || key == "idempotency.refused" || key == "idempotency.no_retry_advice";
  }
  const call::Timeouts standard;
  if (key == "timeouts.connect") return preset->timeouts.connect != standard.connect;
  if (key == "timeouts.head") return preset->timeouts.head != standard.head;
  if (key == "timeouts.idle") return preset->timeouts.idle != standard.idle;
  return false;
}

std::string join(std::string owner, std::string_view key) {
  if (!key.empty()) owner += fmt::format(".{}", key);
  return owner;
}

}  // namespace

Places::Places(std::shared_ptr<const Node> tree, std::string file)
    : tree_(std::move(tree)), file_(std::move(file)) {}

Place Places::of_service(std::string_view key) const {
  Place out = look(tree_.get(), key, tree_ == nullptr ? Position{} : tree_->at);
  out.path = std::string(key);
  return out;
}

Place Places::of_upstream(const call::UpstreamSettings& upstream, std::string_view key) const {
  Place out;
  const Node* all = tree_ == nullptr ? nullptr : tree_->find("upstreams");
  for (std::size_t i = 0; all != nullptr && i < all->keys.size(); ++i) {
    if (all->keys[i].text != upstream.name) continue;
    out = look(&all->items[i], key, all->keys[i].at);
  }
  out.path = join("upstreams." + upstream.name, key);
  if (out.from == From::standard && by_preset(upstream, key)) {
    out.from = From::preset;
    out.preset = upstream.preset;
  }
  return out;
}

Place Places::of_route(std::size_t index, const call::RouteSettings& route,
                       const call::UpstreamSettings& upstream, std::string_view key) const {
  Place out;
  const Node* all = tree_ == nullptr ? nullptr : tree_->find("routes");
  if (all != nullptr && index < all->items.size()) {
    out = look(&all->items[index], key, all->items[index].at);
    const bool said = key.starts_with("key.") || key.starts_with("fingerprint.");
    if (out.from == From::standard && route.webhook && said &&
        all->items[index].find(key.substr(0, key.find('.'))) == nullptr) {
      out.from = From::webhook;
      out.at = all->items[index].place("webhook.scheme");
    }
  }
  out.path = join(fmt::format("routes[{}]", index), key);
  const Preset* preset = find_preset(upstream.preset);
  if (out.from == From::standard && key == "key.scope" && preset != nullptr &&
      !preset->scope.empty()) {
    out.from = From::preset;
    out.preset = upstream.preset;
  }
  return out;
}

std::string Places::text(const Place& place) const {
  switch (place.from) {
    case From::written:
      return line(place);
    case From::preset:
      return "preset " + place.preset;
    case From::webhook:
      return "webhook, " + line(place);
    case From::standard:
      return "default";
  }
  return {};
}

std::string Places::line(const Place& place) const {
  return place.at.line == 0 ? file_ : fmt::format("{}:{}", file_, place.at.line);
}

}  // namespace hf::config
