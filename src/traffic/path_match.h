// Which paths a limit means.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hf::traffic {

// A request's path as an application would most likely understand it: percent-encoding decoded
// once, empty and dot segments gone, so that /login, //login, /./login and /%6Cogin are one
// endpoint. For limits alone: what goes upstream stays as it was sent.
std::string plain_path(std::string_view target);

// "/users/{id}/orders": segments, {name} takes any one of them. A prefix on a segment boundary, as
// a route's path.
class PathTemplate {
 public:
  // Nothing where it does not begin with a slash, a {name} repeats or a brace stands elsewhere.
  static std::optional<PathTemplate> parse(std::string_view text);

  // The values of the names, in the order of names(). `path` is plain_path's.
  [[nodiscard]] std::optional<std::vector<std::string_view>> match(std::string_view path) const;
  [[nodiscard]] const std::vector<std::string>& names() const { return names_; }

 private:
  struct Segment {
    std::string text;
    bool named = false;
  };
  std::vector<Segment> segments_;
  std::vector<std::string> names_;
};

}  // namespace hf::traffic
