#include "call/parts_json.h"

#include <charconv>
#include <cstdint>
#include <limits>
#include <vector>

namespace hf::call {
namespace {

bool digit(char c) {
  return c >= '0' && c <= '9';
}
bool hex_digit(char c) {
  return digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

void append_utf8(std::string& out, std::uint32_t code) {
  const auto put = [&](std::uint32_t octet) { out.push_back(static_cast<char>(octet)); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xC0 | (code >> 6));
    put(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    put(0xE0 | (code >> 12));
    put(0x80 | ((code >> 6) & 0x3F));
    put(0x80 | (code & 0x3F));
  } else {
    put(0xF0 | (code >> 18));
    put(0x80 | ((code >> 12) & 0x3F));
    put(0x80 | ((code >> 6) & 0x3F));
    put(0x80 | (code & 0x3F));
  }
}

std::uint32_t hex4(std::string_view text) {
  std::uint32_t out = 0;
  std::from_chars(text.data(), text.data() + 4, out, 16);
  return out;
}

// Takes one \uXXXX, or a surrogate pair of them, off the front of `rest`; false for half a pair.
bool append_unicode_escape(std::string& out, std::string_view& rest) {
  std::uint32_t code = hex4(rest.substr(2));
  rest.remove_prefix(6);
  if (code >= 0xDC00 && code <= 0xDFFF) return false;
  if (code >= 0xD800 && code <= 0xDBFF) {
    if (rest.size() < 6 || rest[0] != '\\' || rest[1] != 'u') return false;
    const std::uint32_t low = hex4(rest.substr(2));
    if (low < 0xDC00 || low > 0xDFFF) return false;
    rest.remove_prefix(6);
    code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
  }
  append_utf8(out, code);
  return true;
}

char unescaped(char c) {
  switch (c) {
    case 'b':
      return '\b';
    case 'f':
      return '\f';
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    default:
      return c;  // quote, backslash, slash
  }
}

// The characters of a string that has been scanned: `text` without its quotes.
std::optional<std::string> unescape(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    if (text.front() != '\\') {
      out.push_back(text.front());
      text.remove_prefix(1);
    } else if (text[1] == 'u') {
      if (!append_unicode_escape(out, text)) return std::nullopt;
    } else {
      out.push_back(unescaped(text[1]));
      text.remove_prefix(2);
    }
  }
  return out;
}

std::optional<std::vector<std::string>> pointer_tokens(std::string_view pointer) {
  std::vector<std::string> out;
  for (std::size_t i = 0; i < pointer.size(); ++i) {
    const char c = pointer[i];
    if (c == '/') {
      out.emplace_back();
    } else if (out.empty()) {
      return std::nullopt;  // must begin with a slash
    } else if (c != '~') {
      out.back().push_back(c);
    } else {
      ++i;
      if (i >= pointer.size() || (pointer[i] != '0' && pointer[i] != '1')) return std::nullopt;
      out.back().push_back(pointer[i] == '0' ? '~' : '/');
    }
  }
  return out;
}

// An array index by RFC 6901 section 4: no sign, no leading zero.
std::optional<std::size_t> array_index(std::string_view token) {
  if (token.empty() || (token.size() > 1 && token[0] == '0')) return std::nullopt;
  std::size_t index = 0;
  const auto [end, error] = std::from_chars(token.data(), token.data() + token.size(), index);
  if (error != std::errc{} || end != token.data() + token.size()) return std::nullopt;
  return index;
}

class Scanner {
 public:
  Scanner(std::string_view text, const std::vector<std::string>& way) : text_(text), way_(way) {}

  JsonHit run() {
    if (!value(0, 0)) return {};
    skip_blanks();
    if (at_ != text_.size()) return {};
    if (ambiguous_) return {JsonFind::ambiguous, 0, 0};
    return found_ ? *found_ : JsonHit{JsonFind::absent, 0, 0};
  }

 private:
  // How many steps of the way a value lies along; kOff: it is beside the way.
  static constexpr std::size_t kOff = std::numeric_limits<std::size_t>::max();

  [[nodiscard]] bool peek(char c) const { return at_ < text_.size() && text_[at_] == c; }
  bool take(char c) {
    if (!peek(c)) return false;
    ++at_;
    return true;
  }
  void skip_blanks() {
    while (peek(' ') || peek('\t') || peek('\n') || peek('\r'))
      ++at_;
  }
  bool literal(std::string_view word) {
    if (text_.substr(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }

  bool value(std::size_t step, int depth) {
    skip_blanks();
    const std::size_t begin = at_;
    const bool here = step == way_.size();
    const std::size_t inner = here ? kOff : step;
    if (at_ >= text_.size() || !any_value(inner, depth)) return false;
    if (here) found_ = JsonHit{JsonFind::found, begin, at_};
    return true;
  }

  bool any_value(std::size_t step, int depth) {
    switch (text_[at_]) {
      case '{':
        return depth < kJsonDepth && object(step, depth);
      case '[':
        return depth < kJsonDepth && array(step, depth);
      case '"':
        return string();
      case 't':
        return literal("true");
      case 'f':
        return literal("false");
      case 'n':
        return literal("null");
      default:
        return number();
    }
  }

  bool object(std::size_t step, int depth) {
    take('{');
    skip_blanks();
    if (take('}')) return true;
    int matches = 0;
    do {
      skip_blanks();
      const std::size_t begin = at_;
      if (!string()) return false;
      const bool match =
          step != kOff && names(text_.substr(begin + 1, at_ - begin - 2), way_[step]);
      if (match && ++matches > 1) ambiguous_ = true;
      skip_blanks();
      if (!take(':') || !value(match ? step + 1 : kOff, depth + 1)) return false;
      skip_blanks();
    } while (take(','));
    return take('}');
  }

  static bool names(std::string_view member, const std::string& wanted) {
    if (member.find('\\') == std::string_view::npos) return member == wanted;
    const auto plain = unescape(member);
    return plain && *plain == wanted;
  }

  bool array(std::size_t step, int depth) {
    take('[');
    skip_blanks();
    if (take(']')) return true;
    const auto wanted = step == kOff ? std::nullopt : array_index(way_[step]);
    std::size_t index = 0;
    do {
      const bool match = wanted && *wanted == index;
      if (!value(match ? step + 1 : kOff, depth + 1)) return false;
      ++index;
      skip_blanks();
    } while (take(','));
    return take(']');
  }

  bool string() {
    if (!take('"')) return false;
    while (at_ < text_.size()) {
      const char c = text_[at_++];
      if (c == '"') return true;
      if (static_cast<unsigned char>(c) < 0x20) return false;
      if (c == '\\' && !escape()) return false;
    }
    return false;
  }

  bool escape() {
    if (at_ >= text_.size()) return false;
    const char c = text_[at_++];
    if (c != 'u') return std::string_view("\"\\/bfnrt").find(c) != std::string_view::npos;
    for (int i = 0; i < 4; ++i) {
      if (at_ >= text_.size() || !hex_digit(text_[at_++])) return false;
    }
    return true;
  }

  bool digits() {
    const std::size_t begin = at_;
    while (at_ < text_.size() && digit(text_[at_]))
      ++at_;
    return at_ > begin;
  }

  bool number() {
    take('-');
    if (!take('0') && !digits()) return false;
    if (take('.') && !digits()) return false;
    if (take('e') || take('E')) {
      if (!take('+')) take('-');
      return digits();
    }
    return true;
  }

  std::string_view text_;
  const std::vector<std::string>& way_;
  std::size_t at_ = 0;
  bool ambiguous_ = false;
  std::optional<JsonHit> found_;
};

}  // namespace

JsonHit find_json(std::string_view text, std::string_view pointer) {
  const auto way = pointer_tokens(pointer);
  if (!way) return {JsonFind::absent, 0, 0};
  return Scanner(text, *way).run();
}

std::optional<std::string> json_scalar_text(std::string_view value) {
  if (value.empty() || value.front() == '{' || value.front() == '[' || value == "null") {
    return std::nullopt;
  }
  if (value.front() != '"') return std::string(value);
  return unescape(value.substr(1, value.size() - 2));
}

}  // namespace hf::call
