#include "app/load_files.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>

namespace hf::app {
namespace {

namespace json = boost::json;

Error wrong(const std::string& what) {
  return fail(ErrorKind::invalid, what);
}

Result<void> read_headers(const json::value& value, Fields& out) {
  if (const auto* object = value.if_object()) {
    for (const auto& member : *object) {
      const auto* text = member.value().if_string();
      if (text == nullptr) return wrong("a value in `headers` is no string");
      out.push_back({std::string(member.key()), std::string(*text)});
    }
    return {};
  }
  const auto* list = value.if_array();
  if (list == nullptr) return wrong("`headers` is an object, or a list of [name, value]");
  for (const json::value& item : *list) {
    const auto* pair = item.if_array();
    if (pair == nullptr || pair->size() != 2 || !(*pair)[0].is_string() ||
        !(*pair)[1].is_string()) {
      return wrong("`headers` as a list has items of [name, value]");
    }
    out.push_back({std::string((*pair)[0].get_string()), std::string((*pair)[1].get_string())});
  }
  return {};
}

Result<load::RequestSpec> read_request(std::string_view line) {
  boost::system::error_code error;
  const json::value value = json::parse(line, error);
  const json::object* object = error ? nullptr : value.if_object();
  if (object == nullptr) return wrong("not one JSON object");
  load::RequestSpec out;
  bool path = false;
  for (const auto& member : *object) {
    const std::string_view name = member.key();
    if (name == "headers") {
      HF_TRY_VOID(read_headers(member.value(), out.headers));
      continue;
    }
    // A sample of real traffic says so where a body was (traffic_sample.h).
    if (name == "body" && member.value().is_null()) continue;
    const auto* text = member.value().if_string();
    const bool known = name == "method" || name == "path" || name == "body";
    if (!known) {
      return wrong(fmt::format("unknown member `{}`: there are method, path, headers and body",
                               std::string(name)));
    }
    if (text == nullptr) return wrong(fmt::format("`{}` is no string", std::string(name)));
    std::string& place = name == "method" ? out.method : name == "path" ? out.target : out.body;
    place = *text;
    path = path || name == "path";
  }
  if (!path) return wrong("`path` is missing");
  // An empty body that is written down is meant to be empty.
  const json::value* body = object->if_contains("body");
  const bool usual = out.method == "POST" || out.method == "PUT" || out.method == "PATCH";
  out.body_left_out = body == nullptr ? usual : body->is_null();
  return out;
}

Result<double> read_price(std::string_view name, const json::value& value) {
  if (!value.is_number() || !(value.to_number<double>() >= 0)) {
    return wrong(fmt::format("`{}` is no price: a number of 0 or more", name));
  }
  return value.to_number<double>();
}

}  // namespace

Result<load::Prices> read_prices(std::string_view text) {
  boost::system::error_code error;
  const json::value value = json::parse(text, error);
  const json::object* object = error ? nullptr : value.if_object();
  if (object == nullptr || object->empty()) return wrong("not one JSON object with prices");
  load::Prices out;
  for (const auto& member : *object) {
    const std::string name(member.key());
    const json::value& given = member.value();
    if (name == "currency" && given.is_string()) {
      out.currency = given.get_string();
    } else if (name == "hourly") {
      HF_TRY(out.hourly, read_price(name, given));
    } else if (name == "per_call") {
      HF_TRY(out.per_call, read_price(name, given));
    } else if (name == "upstreams" && given.is_object()) {
      for (const auto& upstream : given.get_object()) {
        HF_TRY(out.per_attempt[upstream.key()], read_price("upstreams", upstream.value()));
      }
    } else {
      return wrong(
          fmt::format("`{}`: there are currency (text), hourly, per_call (prices) and "
                      "upstreams (prices by name)",
                      name));
    }
  }
  return out;
}

Result<std::vector<load::RequestSpec>> read_requests(std::string_view text) {
  std::vector<load::RequestSpec> out;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const auto end = text.find('\n');
    const std::string_view line = trim_blanks(text.substr(0, end));
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
    if (line.empty() || line == "\r") continue;
    if (out.size() == kMostRequests) {
      return wrong(fmt::format("more than {} requests: a load repeats them anyway", kMostRequests));
    }
    auto request = read_request(line);
    if (!request.ok()) return request.take_error().in(fmt::format("line {}", number));
    out.push_back(std::move(*request));
  }
  if (out.empty()) return wrong("no request in it");
  return out;
}

Result<BodyTemplate> read_body_template(const std::string& text) {
  const auto equals = text.find('=');
  const auto slash = text.find('/');
  if (equals == std::string::npos || slash > equals) {
    return wrong(
        "write METHOD PATH=TEXT or METHOD PATH=@FILE, such as "
        "'POST /users/{id}/orders=@order.json'");
  }
  BodyTemplate out;
  out.method = trim_blanks(text.substr(0, slash));
  auto path = traffic::PathTemplate::parse(trim_blanks(text.substr(slash, equals - slash)));
  if (!path) return wrong("a path has segments of text or {name}, such as /users/{id}/orders");
  out.path = std::move(*path);
  out.body = text.substr(equals + 1);
  if (out.body.starts_with('@')) {
    HF_TRY(out.body, read_whole(out.body.substr(1)));
  }
  return out;
}

Result<void> fill_bodies(const std::vector<BodyTemplate>& templates,
                         std::vector<load::RequestSpec>& requests) {
  std::vector<bool> used(templates.size());
  for (load::RequestSpec& request : requests) {
    if (!request.body_left_out) continue;
    const std::string path = traffic::plain_path(request.target);
    for (std::size_t i = 0; i < templates.size(); ++i) {
      const BodyTemplate& one = templates[i];
      if (!one.method.empty() && one.method != request.method) continue;
      if (!one.path.match(path)) continue;
      request.body = one.body;
      request.body_left_out = false;
      used[i] = true;
      break;
    }
  }
  for (std::size_t i = 0; i < used.size(); ++i) {
    if (!used[i])
      return wrong(fmt::format("number {} is for no request that is left without a body", i + 1));
  }
  return {};
}

std::optional<std::string> bodies_note(const std::vector<load::RequestSpec>& requests) {
  std::map<std::string, std::size_t> methods;
  std::size_t all = 0;
  for (const load::RequestSpec& request : requests) {
    if (!request.body_left_out) continue;
    methods[request.method] += 1;
    all += 1;
  }
  if (all == 0) return std::nullopt;
  std::string names;
  for (const auto& [method, count] : methods)
    names += fmt::format("{}{} {}", names.empty() ? "" : ", ", count, method);
  return fmt::format(
      "{} of the {} requests in the file ({}) are sent without a body, since the file has none for "
      "them (a recorded sample never has): what is measured is how the server takes that. Fill in "
      "`body`, or give one with --body-for 'POST /path=@FILE'.",
      all, requests.size(), names);
}

Result<std::string> read_whole(const std::string& path, std::size_t most) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    return fail(ErrorKind::unavailable,
                fmt::format("{} cannot be read: {}", path, std::strerror(errno)));
  }
  std::string text;
  text.resize(most + 1);
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.size() > most) {
    return fail(ErrorKind::invalid, fmt::format("{} is larger than {} bytes", path, most));
  }
  return text;
}

Result<void> write_whole(const std::string& path, std::string_view text) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text;
  file.close();
  if (file) return {};
  return fail(ErrorKind::unavailable,
              fmt::format("{} cannot be written: {}", path, std::strerror(errno)));
}

}  // namespace hf::app
