#include "config/read_lookup.h"

#include <fmt/format.h>

#include "call/lookup.h"

namespace hf::config {
namespace {

constexpr Within<Duration> kSettle{Duration::seconds(1), Duration::hours(24)};

// One condition: the value, or one of several, that a pointer must lead to.
void read_where(Section& in, std::vector<call::Where>& out) {
  const Node* node = in.raw("where");
  if (node == nullptr) return;
  Section fields(node, in.path_of("where"), in.findings());
  if (fields.node() == nullptr) return;
  for (std::size_t i = 0; i < node->keys.size(); ++i) {
    const auto& pointer = node->keys[i];
    const auto& value = node->items[i];
    call::Where where{pointer.text, {}};
    if (value.kind == Node::Kind::scalar) where.values.push_back(value.text);
    for (const auto& one : value.items) {
      if (value.kind == Node::Kind::sequence && one.kind == Node::Kind::scalar)
        where.values.push_back(one.text);
    }
    const bool whole =
        value.kind == Node::Kind::scalar || value.items.size() == where.values.size();
    if (!is_json_pointer(pointer.text) || where.values.empty() || !whole) {
      in.findings().add(Rule::bad_value, pointer.at, fields.path(),
                        "expected a JSON pointer and the values that count",
                        "such as /status: succeeded, or /status: [succeeded, paid]");
      continue;
    }
    out.push_back(std::move(where));
  }
}

// The empty pointer is the whole answer.
void read_pointer(Section& in, std::string_view key, std::string& out) {
  const Node* node = in.raw(key);
  if (node == nullptr) return;
  if (node->kind == Node::Kind::scalar) out = node->text;
  if (node->kind != Node::Kind::scalar || (!out.empty() && !is_json_pointer(out))) {
    in.add(Rule::bad_value, key, fmt::format("{} is no JSON pointer", in_quotes(out)),
           "such as /data/0, or nothing for the whole answer");
  }
}

}  // namespace

void read_lookup(Section in, call::UpstreamSettings& out) {
  call::Lookup lookup;
  in.text("get", lookup.get);
  if (!in.has("get")) {
    in.add(Rule::missing, "get", "a lookup needs the target that is asked",
           "get: \"/charges?ref={key}\"");
  } else if (const auto fault = call::lookup_fault(lookup.get)) {
    in.add(Rule::bad_value, "get", *fault,
           "placeholders are {key}, {path}, {body:/json/pointer} and {form:field}");
  }
  if (!in.has("found")) {
    in.add(Rule::missing, "found", "where in the answer the effect would be", "found: /data/0");
  }
  read_pointer(in, "found", lookup.found);
  read_where(in, lookup.where);
  if (!in.has("where")) {
    in.add(Rule::missing, "where", "what must be true of it to have taken effect",
           "where: { /status: succeeded }");
  }
  in.statuses("absent_status", lookup.absent_status);
  if (in.has("settle")) {
    in.duration("settle", out.idempotency.settle, kSettle);
  } else {
    in.add(Rule::missing, "settle",
           "how long the upstream may still be at work and its lookups behind", "settle: 35s");
  }
  if (in.has("answer")) {
    std::string pointer;
    read_pointer(in, "answer", pointer);
    lookup.answer = std::move(pointer);
  }
  in.close();
  out.lookup = std::move(lookup);
}

}  // namespace hf::config
