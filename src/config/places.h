// Where each value of the effective configuration comes from: a line of the file, a preset, or
// nobody wrote it.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "call/settings.h"
#include "config/finding.h"

namespace hf::config {

struct Node;

struct Place {
  enum class From : std::uint8_t {
    written,
    preset,    // of the upstream
    webhook,   // a route's `webhook` says it
    standard,  // the default
  };
  From from = From::standard;
  Position at;       // written, webhook: of the value; else of what is nearest to where it would be
  std::string path;  // routes[0].hold
  std::string preset;  // its name
  bool operator==(const Place&) const = default;
};

class Places {
 public:
  Places() = default;  // of a configuration that could not be read: nothing is anywhere
  Places(std::shared_ptr<const Node> tree, std::string file);

  [[nodiscard]] const std::string& file() const { return file_; }
  // `key` is a dotted path such as "journal.path" or "retry.live.attempts"; empty: the thing
  // itself.
  [[nodiscard]] Place of_service(std::string_view key) const;
  [[nodiscard]] Place of_upstream(const call::UpstreamSettings& upstream,
                                  std::string_view key) const;
  // `index` counts the routes as they are written.
  [[nodiscard]] Place of_route(std::size_t index, const call::RouteSettings& route,
                               const call::UpstreamSettings& upstream, std::string_view key) const;
  // "holdfast.yaml:36", "preset stripe", "webhook, holdfast.yaml:40", "default".
  [[nodiscard]] std::string text(const Place& place) const;
  // "holdfast.yaml:36" whatever it comes from: where it stands or would be written.
  [[nodiscard]] std::string line(const Place& place) const;

 private:
  std::shared_ptr<const Node> tree_;
  std::string file_;
};

}  // namespace hf::config
