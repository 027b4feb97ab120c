#include "review/classified.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "call/classify.h"

namespace hf::review {
namespace {

using call::AnswerRule;
using call::AnswerTest;
using Kind = call::AnswerTest::Kind;

// The value that an answer gets for a condition; a thing that must be there is `true`.
std::string value_for(const AnswerTest& test) {
  return test.values.empty() ? std::string("true") : test.values.front();
}

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20) continue;  // the rule will not fit: it is left out
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

// A value at its place below the one that is being written. An index can only be the first one.
struct Leaf {
  std::vector<std::string> way;
  std::string value;
};

std::vector<std::string> way_of(std::string_view pointer) {
  std::vector<std::string> out;
  for (std::size_t i = 0; i < pointer.size(); ++i) {
    if (pointer[i] == '/') {
      out.emplace_back();
    } else if (pointer[i] == '~' && i + 1 < pointer.size()) {
      out.back() += pointer[++i] == '0' ? '~' : '/';
    } else {
      out.back() += pointer[i];
    }
  }
  return out;
}

std::string json_of(const std::vector<Leaf>& leaves, std::size_t depth) {
  if (leaves.size() == 1 && leaves.front().way.size() == depth) {
    const std::string& value = leaves.front().value;
    return value == "true" || value == "false" ? value : quoted(value);
  }
  std::map<std::string, std::vector<Leaf>> below;
  for (const Leaf& leaf : leaves) {
    if (leaf.way.size() > depth) below[leaf.way[depth]].push_back(leaf);
  }
  const bool list = below.size() == 1 && below.begin()->first == "0";
  if (list) return fmt::format("[{}]", json_of(below.begin()->second, depth + 1));
  std::string out;
  for (const auto& [name, inner] : below) {
    if (!out.empty()) out += ',';
    out += fmt::format("{}:{}", quoted(name), json_of(inner, depth + 1));
  }
  return fmt::format("{{{}}}", out);
}

void name_tests(const std::vector<AnswerTest>& tests, std::vector<std::string>& out) {
  for (const AnswerTest& test : tests) {
    if (test.kind == Kind::absent) {
      out.push_back(fmt::format("no {}", test.where));
    } else if (test.kind == Kind::present) {
      out.push_back(test.where);
    } else {
      out.push_back(fmt::format("{}: {}{}", test.where, value_for(test),
                                test.values.size() > 1 ? ", ..." : ""));
    }
  }
}

ClassifiedAnswer answer_of(const AnswerRule& rule) {
  const int status = rule.status.empty() ? 200 : rule.status.front();
  std::vector<std::string> says;
  name_tests(rule.headers, says);
  name_tests(rule.json, says);
  name_tests(rule.form, says);
  if (!rule.contains.empty()) {
    says.push_back(rule.contains.front() + (rule.contains.size() > 1 ? ", ..." : ""));
  }
  Fields fields;
  for (const AnswerTest& test : rule.headers) {
    if (test.kind != Kind::absent) fields.push_back({test.where, value_for(test)});
  }
  std::string body = rule.contains.empty() ? std::string() : rule.contains.front();
  std::string type = "text/plain";
  if (!rule.json.empty()) {
    std::vector<Leaf> leaves;
    for (const AnswerTest& test : rule.json) {
      if (test.kind != Kind::absent) leaves.push_back({way_of(test.where), value_for(test)});
    }
    type = "application/json";
    body = json_of(leaves, 0);
  } else if (!rule.form.empty()) {
    type = "application/x-www-form-urlencoded";
    for (const AnswerTest& test : rule.form) {
      if (test.kind == Kind::absent) continue;
      body += fmt::format("{}{}={}", body.empty() ? "" : "&", test.where, value_for(test));
    }
  }
  fields.push_back({"Content-Type", type});
  ClassifiedAnswer out;
  out.act = answers(status, false, std::move(fields));
  out.act.outcome.body = make_body(std::move(body));
  out.name = std::to_string(status);
  if (!says.empty()) out.name += fmt::format(" with {}", fmt::join(says, ", "));
  out.act.says = fmt::format("the upstream answers {}", out.name);
  return out;
}

}  // namespace

std::vector<ClassifiedAnswer> classified_answers(const std::vector<AnswerRule>& rules) {
  std::vector<ClassifiedAnswer> out;
  for (const AnswerRule& rule : rules) {
    ClassifiedAnswer answer = answer_of(rule);
    if (call::classify(rules, answer.act.outcome) == &rule) out.push_back(std::move(answer));
  }
  return out;
}

}  // namespace hf::review
