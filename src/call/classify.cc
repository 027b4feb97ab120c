#include "call/classify.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/fields.h"
#include "call/parts.h"
#include "call/parts_json.h"

namespace hf::call {
namespace {

using Kind = AnswerTest::Kind;

bool is_json(std::string_view type) {
  const auto slash = type.find('/');
  if (slash == std::string_view::npos) return false;
  const std::string_view kind = type.substr(slash + 1);
  // AWS: x-amz-json-1.0. Not x-ndjson or json-seq, which are many documents.
  return kind == "json" || kind.ends_with("+json") || kind.starts_with("x-amz-json-");
}

bool is_form(std::string_view type) {
  return type == "application/x-www-form-urlencoded";
}

bool is_stream(std::string_view type) {
  return type == "text/event-stream";
}

bool is_encoded(const AnswerHead& head) {
  const Field* encoding = find_field(head.fields, "Content-Encoding");
  return encoding != nullptr && !same_name(trim_blanks(encoding->value), "identity");
}

bool about_bodies(const AnswerRule& rule) {
  return !rule.json.empty() || !rule.form.empty() || !rule.contains.empty();
}

// Whether a body of this type is one that the rule can speak of.
bool speaks_of(const AnswerRule& rule, std::string_view type) {
  if (!rule.json.empty() && !is_json(type)) return false;
  if (!rule.form.empty() && !is_form(type)) return false;
  return rule.contains.empty() || !is_stream(type);
}

// `value`: none, if it is there without being a text to compare; `there`: at all, and not null.
bool holds(const AnswerTest& test, bool there, const std::optional<std::string>& value) {
  if (test.kind == Kind::present) return there;
  if (test.kind == Kind::absent) return !there;
  if (!value) return false;
  return std::any_of(test.values.begin(), test.values.end(), [&](const std::string& wanted) {
    return test.kind == Kind::ends ? value->ends_with(wanted) : *value == wanted;
  });
}

bool head_fits(const AnswerRule& rule, const AnswerHead& head) {
  const auto& status = rule.status;
  if (!status.empty() && std::find(status.begin(), status.end(), head.status) == status.end()) {
    return false;
  }
  return std::all_of(rule.headers.begin(), rule.headers.end(), [&](const AnswerTest& test) {
    const Field* field = find_field(head.fields, test.where);
    if (field == nullptr) return holds(test, false, std::nullopt);
    return holds(test, true, std::string(trim_blanks(field->value)));
  });
}

// One answer's body, with what has been found in it: the same pointer stands in many rules.
class Seen {
 public:
  Seen(std::string_view body, std::string type) : body_(body), type_(std::move(type)) {}

  bool fits(const AnswerRule& rule) {
    if (!speaks_of(rule, type_)) return false;
    return std::all_of(rule.json.begin(), rule.json.end(),
                       [&](const AnswerTest& test) { return json_holds(test); }) &&
           std::all_of(rule.form.begin(), rule.form.end(),
                       [&](const AnswerTest& test) { return form_holds(test); }) &&
           contains(rule.contains);
  }

 private:
  bool json_holds(const AnswerTest& test) {
    auto found = hits_.find(test.where);
    if (found == hits_.end()) {
      found = hits_.emplace(test.where, find_json(body_, test.where)).first;
    }
    const JsonHit& hit = found->second;
    if (hit.result == JsonFind::absent) return holds(test, false, std::nullopt);
    if (hit.result != JsonFind::found) return false;
    const std::string_view value = body_.substr(hit.begin, hit.end - hit.begin);
    return holds(test, value != "null", json_scalar_text(value));
  }

  bool form_holds(const AnswerTest& test) {
    if (!pairs_) pairs_ = form_pairs(body_);
    std::optional<std::string> value;
    for (const FormPair& pair : *pairs_) {
      if (pair.name != test.where) continue;
      if (value) return false;  // there twice
      value = pair.value;
    }
    return holds(test, value.has_value(), value);
  }

  [[nodiscard]] bool contains(const std::vector<std::string>& texts) const {
    return texts.empty() || std::any_of(texts.begin(), texts.end(), [&](const std::string& text) {
             return body_.find(text) != std::string_view::npos;
           });
  }

  std::string_view body_;
  std::string type_;
  std::map<std::string, JsonHit, std::less<>> hits_;
  std::optional<std::vector<FormPair>> pairs_;
};

}  // namespace

const AnswerRule* classify(const std::vector<AnswerRule>& rules, const AttemptOutcome& outcome) {
  if (rules.empty() || outcome.evidence < Evidence::answer_begun) return nullptr;
  const std::string_view body = view(outcome.body);
  const bool readable = outcome.evidence == Evidence::answer_complete && !outcome.forwarded &&
                        outcome.body && body.size() <= kClassifiedBodyMax &&
                        !is_encoded(outcome.head);
  std::optional<Seen> seen;
  for (const AnswerRule& rule : rules) {
    if (!head_fits(rule, outcome.head)) continue;
    if (!about_bodies(rule)) return &rule;
    if (!readable) continue;
    if (!seen) seen.emplace(body, media_type(outcome.head.fields));
    if (seen->fits(rule)) return &rule;
  }
  return nullptr;
}

bool wants_body(const std::vector<AnswerRule>& rules, const AnswerHead& head) {
  if (rules.empty() || is_encoded(head)) return false;
  const std::string type = media_type(head.fields);
  for (const AnswerRule& rule : rules) {
    if (!head_fits(rule, head)) continue;
    if (!about_bodies(rule)) return false;  // none behind it is asked
    if (speaks_of(rule, type)) return true;
  }
  return false;
}

bool reads_bodies(const std::vector<AnswerRule>& rules) {
  return std::any_of(rules.begin(), rules.end(), about_bodies);
}

}  // namespace hf::call
