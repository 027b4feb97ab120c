#include <fmt/format.h>

#include <algorithm>

#include "config/draft.h"
#include "config/section.h"

namespace hf::config {
namespace {

constexpr std::size_t kReasonMax = 500;

// Which rules there are is the affair of the layer above, which tells of a name that it does not
// know.
bool is_rule_name(std::string_view text) {
  return !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
}

}  // namespace

void read_review(Section in, std::vector<call::Accepted>& out) {
  const Node* node = in.raw("accept");
  in.close();
  if (node == nullptr) return;
  Section accept(node, in.path_of("accept"), in.findings());
  if (accept.node() == nullptr) return;
  for (std::size_t i = 0; i < node->keys.size(); ++i) {
    const auto& rule = node->keys[i];
    const auto& reason = node->items[i];
    if (!is_rule_name(rule.text)) {
      in.findings().add(Rule::bad_value, rule.at, accept.path(),
                        fmt::format("{} is no rule's name", in_quotes(rule.text)),
                        "one of those that `holdfast review` prints, such as key-optional");
    } else if (reason.kind != Node::Kind::scalar || reason.text.empty() ||
               reason.text.size() > kReasonMax) {
      in.findings().add(Rule::missing, rule.at, accept.path_of(rule.text),
                        "accepted, and nothing says why",
                        fmt::format("{}: \"the reason, and who decided\"", rule.text));
    } else {
      out.push_back({rule.text, reason.text});
    }
  }
}

}  // namespace hf::config
