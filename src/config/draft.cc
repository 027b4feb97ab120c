#include "config/draft.h"

#include <fmt/format.h>

#include <utility>

namespace hf::config {

void add(const UpstreamDraft& draft, Findings& findings, Rule rule, std::string_view key,
         std::string message, std::string suggestion) {
  const bool written = draft.node->find(key.substr(0, key.find('.'))) != nullptr;
  findings.add(rule, written ? draft.node->place(key) : draft.at,
               fmt::format("{}.{}", draft.path, key), std::move(message), std::move(suggestion));
}

void add(const RouteDraft& draft, Findings& findings, Rule rule, std::string_view key,
         std::string message, std::string suggestion) {
  findings.add(rule, draft.node->place(key), fmt::format("{}.{}", draft.path, key),
               std::move(message), std::move(suggestion));
}

}  // namespace hf::config
