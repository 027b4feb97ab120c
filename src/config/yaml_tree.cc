#include "config/yaml_tree.h"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <sstream>

namespace hf::config {
namespace {

Position position(const YAML::Mark& mark) {
  return mark.is_null() ? Position{} : Position{mark.line + 1, mark.column + 1};
}

// Leaves the parser from inside its callbacks; caught in parse_tree.
struct Stop {
  Rule rule;
  Position at;
  std::string message;
  std::string suggestion;
};

bool is_control(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte < 0x20 || byte == 0x7f;
}

// How many bytes the UTF-8 sequence at the front of `text` has; 0: it is not one (RFC 3629: no
// overlong forms, no surrogates, nothing above U+10FFFF).
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  const auto in = [&](std::size_t i, unsigned low, unsigned high) {
    return byte(i) >= low && byte(i) <= high;
  };
  const auto tail = [&](std::size_t i) { return in(i, 0x80, 0xbf); };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  if (in(0, 0xc2, 0xdf)) return tail(1) ? 2 : 0;
  if (in(0, 0xe0, 0xef)) {
    const bool second = first == 0xe0   ? in(1, 0xa0, 0xbf)
                        : first == 0xed ? in(1, 0x80, 0x9f)
                                        : tail(1);
    return second && tail(2) ? 3 : 0;
  }
  if (in(0, 0xf0, 0xf4)) {
    const bool second = first == 0xf0   ? in(1, 0x90, 0xbf)
                        : first == 0xf4 ? in(1, 0x80, 0x8f)
                                        : tail(1);
    return second && tail(2) && tail(3) ? 4 : 0;
  }
  return 0;
}

// Before yaml-cpp sees the text: it guesses encodings and takes some control characters for an end.
bool check_text(std::string_view text, Findings& findings) {
  if (text.size() > kMaxText) {
    findings.add(Rule::too_large, {}, {}, fmt::format("the text has {} bytes", text.size()),
                 "a configuration may have 1 MiB");
    return false;
  }
  Position at{1, 1};
  for (std::size_t i = 0; i < text.size();) {
    const char c = text[i];
    const std::size_t length = utf8_length(text.substr(i));
    if (length == 0) {
      findings.add(Rule::syntax, at, {}, "these bytes are not UTF-8", "save the file as UTF-8");
      return false;
    }
    if (is_control(c) && c != '\n' && c != '\r' && c != '\t') {
      findings.add(Rule::syntax, at, {},
                   fmt::format("control character 0x{:02x}", static_cast<unsigned char>(c)));
      return false;
    }
    i += length;
    at = c == '\n' ? Position{at.line + 1, 1}
                   : Position{at.line, at.column + static_cast<int>(length)};
  }
  return true;
}

class Builder final : public YAML::EventHandler {
 public:
  explicit Builder(Findings& findings) : findings_(findings) {}

  Node take() { return std::move(root_); }
  [[nodiscard]] int documents() const { return documents_; }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ > 1) {
      throw Stop{Rule::yaml_feature, position(mark), "a second document begins here",
                 "one file holds one configuration"};
    }
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    check(mark, {}, anchor);
    Node node;
    node.at = position(mark);
    put(std::move(node));
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override { refuse_anchor(mark); }
  void OnAnchor(const YAML::Mark& mark, const std::string&) override { refuse_anchor(mark); }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    check(mark, tag, anchor);
    if (std::any_of(value.begin(), value.end(), is_control)) {
      throw Stop{Rule::syntax, position(mark), "a control character or line break in a value", {}};
    }
    for (std::size_t i = 0; i < value.size();) {
      const auto length = utf8_length(std::string_view(value).substr(i));
      // Escapes such as "\xD8" can make what the text itself cannot hold.
      if (length == 0) throw Stop{Rule::syntax, position(mark), "a value that is not UTF-8", {}};
      i += length;
    }
    Node node;
    node.kind = Node::Kind::scalar;
    node.at = position(mark);
    node.text = value;
    put(std::move(node));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(Node::Kind::sequence, mark, tag, anchor);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(Node::Kind::mapping, mark, tag, anchor);
  }
  void OnMapEnd() override { close(); }

 private:
  struct Open {
    Node node;
    std::optional<Node::Key> key;  // of a mapping: its value comes next
  };

  [[noreturn]] static void refuse_anchor(const YAML::Mark& mark) {
    throw Stop{Rule::yaml_feature, position(mark), "anchors and aliases are not supported",
               "write the value out"};
  }
  void check(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
    if (anchor != 0) refuse_anchor(mark);
    if (!tag.empty() && tag != "?" && tag != "!") {
      throw Stop{Rule::yaml_feature, position(mark), "tags are not supported", "leave the tag out"};
    }
    if (++nodes_ > kMaxNodes) {
      throw Stop{Rule::too_large, position(mark), "too many values", {}};
    }
  }
  void open(Node::Kind kind, const YAML::Mark& mark, const std::string& tag,
            YAML::anchor_t anchor) {
    check(mark, tag, anchor);
    if (stack_.size() >= kMaxDepth) {
      throw Stop{Rule::too_large, position(mark), "nested too deeply", {}};
    }
    Open fresh;
    fresh.node.kind = kind;
    fresh.node.at = position(mark);
    stack_.push_back(std::move(fresh));
  }
  void close() {
    Node done = std::move(stack_.back().node);
    stack_.pop_back();
    put(std::move(done));
  }
  void put(Node node) {
    if (stack_.empty()) {
      root_ = std::move(node);
      return;
    }
    Open& top = stack_.back();
    if (top.node.kind == Node::Kind::sequence) {
      top.node.items.push_back(std::move(node));
    } else if (!top.key) {
      if (node.kind != Node::Kind::scalar) {
        throw Stop{Rule::yaml_feature, node.at, "this key is not plain text", {}};
      }
      top.key = Node::Key{std::move(node.text), node.at};
    } else {
      put_entry(top, std::move(node));
    }
  }
  void put_entry(Open& top, Node node) {
    Node::Key key = std::move(*top.key);
    top.key.reset();
    const auto same = [&](const Node::Key& other) { return other.text == key.text; };
    const auto first = std::find_if(top.node.keys.begin(), top.node.keys.end(), same);
    if (first != top.node.keys.end()) {
      findings_.add(Rule::duplicate_key, key.at, {},
                    fmt::format("{} stands here twice", in_quotes(key.text)),
                    fmt::format("the first is in line {}", first->at.line));
      return;
    }
    if (top.node.keys.size() >= kMaxKeys) {
      throw Stop{Rule::too_large, key.at, "too many keys in one mapping", {}};
    }
    top.node.keys.push_back(std::move(key));
    top.node.items.push_back(std::move(node));
  }

  Findings& findings_;
  Node root_;
  std::vector<Open> stack_;
  std::size_t nodes_ = 0;
  int documents_ = 0;
};

}  // namespace

const Node* Node::find(std::string_view key) const {
  if (kind != Kind::mapping) return nullptr;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (keys[i].text == key) return &items[i];
  }
  return nullptr;
}

const Node* Node::find_path(std::string_view dotted) const {
  const auto dot = dotted.find('.');
  const Node* next = find(dotted.substr(0, dot));
  if (next == nullptr || dot == std::string_view::npos) return next;
  return next->find_path(dotted.substr(dot + 1));
}

Position Node::place(std::string_view dotted) const {
  const auto dot = dotted.find('.');
  const Node* next = find(dotted.substr(0, dot));
  if (next == nullptr) return at;
  if (dot != std::string_view::npos &&
      next->find(dotted.substr(dot + 1).substr(0, dotted.substr(dot + 1).find('.'))) != nullptr) {
    return next->place(dotted.substr(dot + 1));
  }
  if (next->kind == Kind::scalar) return next->at;
  return keys[static_cast<std::size_t>(next - items.data())].at;
}

std::optional<Node> parse_tree(std::string_view text, Findings& findings) {
  if (!check_text(text, findings)) return std::nullopt;
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    Builder builder(findings);
    while (parser.HandleNextDocument(builder)) {
    }
    Node root = builder.take();
    if (root.kind == Node::Kind::null) root.kind = Node::Kind::mapping;
    return root;
  } catch (const Stop& stop) {
    findings.add(stop.rule, stop.at, {}, stop.message, stop.suggestion);
  } catch (const YAML::Exception& error) {
    findings.add(Rule::syntax, position(error.mark), {}, fmt::format("not YAML: {}", error.msg));
  } catch (const std::exception& error) {
    findings.add(Rule::syntax, {}, {}, fmt::format("not readable as YAML: {}", error.what()));
  }
  return std::nullopt;
}

}  // namespace hf::config
