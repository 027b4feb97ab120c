#include "app/json_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>

namespace hf::app {

namespace json = boost::json;

// Whatever a client or an upstream wrote must not move the cursor.
std::string safe(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const bool second_block =
        byte == 0xC2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xA0;
    if (second_block) ++i;
    out += byte < 0x20 || byte == 0x7F || second_block ? '?' : text[i];
  }
  return out;
}

std::string text_of(const json::object& object, std::string_view name) {
  const auto* value = object.if_contains(json::string_view(name.data(), name.size()));
  if (value == nullptr) return {};
  if (const auto* text = value->if_string()) return safe({text->data(), text->size()});
  if (value->is_int64() || value->is_uint64()) return json::serialize(*value);
  return {};
}

std::int64_t number_of(const json::object& object, std::string_view name) {
  const auto* value = object.if_contains(json::string_view(name.data(), name.size()));
  return value != nullptr && value->is_int64() ? value->get_int64() : 0;
}

bool flag_of(const json::object& object, std::string_view name) {
  const auto* value = object.if_contains(json::string_view(name.data(), name.size()));
  return value != nullptr && value->is_bool() && value->get_bool();
}

const json::array* list_of(const json::object& object, std::string_view name) {
  const auto* value = object.if_contains(json::string_view(name.data(), name.size()));
  return value == nullptr ? nullptr : value->if_array();
}

const json::object* object_of(const json::object& object, std::string_view name) {
  const auto* value = object.if_contains(json::string_view(name.data(), name.size()));
  return value == nullptr ? nullptr : value->if_object();
}

std::string_view colour_of(std::string_view state) {
  if (state == "unknown") return "\033[1;31m";
  if (state == "dead") return "\033[31m";
  if (state == "answered") return "\033[32m";
  if (state == "cancelled") return "\033[2m";
  return "\033[33m";
}

namespace {

// Code points; good enough for what stands in these cells.
std::size_t width(const std::string& cell) {
  return static_cast<std::size_t>(std::count_if(cell.begin(), cell.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

}  // namespace

std::string Table::text(bool colour, std::size_t painted) const {
  std::vector<std::size_t> widths(rows_.front().size(), 0);
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < row.size(); ++i)
      widths[i] = std::max(widths[i], width(row[i]));
  }
  std::string out;
  for (const auto& row : rows_) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const bool paint = colour && i == painted && &row != &rows_.front();
      if (paint) line += colour_of(row[i].substr(0, row[i].find(' ')));
      line += row[i];
      if (paint) line += kReset;
      if (i + 1 < row.size()) line.append(widths[i] - width(row[i]) + 2, ' ');
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  }
  return out;
}

std::string request_of(const json::object& call) {
  std::string out = text_of(call, "method") + " " + text_of(call, "path");
  return flag_of(call, "has_query") ? out + "?..." : out;
}

std::string fields_of(const json::object& call) {
  std::string out;
  const json::array* index = list_of(call, "index");
  if (index == nullptr) return out;
  for (const json::value& value : *index) {
    const json::object* field = value.if_object();
    if (field == nullptr) continue;
    if (!out.empty()) out += ' ';
    const std::string hash = text_of(*field, "hash");
    out += text_of(*field, "name") + '=' + (hash.empty() ? text_of(*field, "value") : '#' + hash);
  }
  return out;
}

namespace {

// "queued 1.2 ms, connect 0.4 ms, head 80 ms"
std::string phases_of(const json::object& phases) {
  std::string out;
  for (const auto& [name, value] : phases) {
    const std::int64_t micros = value.is_int64() ? value.get_int64() : 0;
    if (micros < 100) continue;  // as good as nothing, to a reader
    if (!out.empty()) out += ", ";
    out += safe({name.data(), name.size()});
    out += micros < 10'000 ? fmt::format(" {}.{} ms", micros / 1000, micros % 1000 / 100)
                           : fmt::format(" {} ms", micros / 1000);
  }
  return out;
}

}  // namespace

std::string happening_of(const json::object& event) {
  std::string out;
  const auto add = [&out, &event](std::string_view name, std::string_view before) {
    const std::string value = text_of(event, name);
    if (value.empty() || value == "none") return;
    if (!out.empty()) out += ", ";
    out += before;
    out += value;
  };
  add("status", "status ");
  add("evidence", "");
  add("cause", "");
  add("proof", "proof: ");
  const std::string who = text_of(event, "who");
  add("where", who == "client" ? "from " : who == "operator" ? "" : "at ");
  add("rule", "rule: ");
  add("detail", "");
  if (event.contains("took_ms")) out += fmt::format(", {} ms", number_of(event, "took_ms"));
  if (const auto* phases = object_of(event, "phases_us")) {
    const std::string where = phases_of(*phases);
    if (!where.empty()) out += " (" + where + ")";
  }
  const std::int64_t sent = number_of(event, "bytes_sent");
  const std::int64_t received = number_of(event, "bytes_received");
  if (sent > 0 || received > 0) {
    out += fmt::format(", {} bytes out, {} in, {} connection", sent, received,
                       flag_of(event, "reused") ? "a reused" : "a new");
  }
  add("hash", who == "client" ? "content #" : "answer #");
  return out;
}

}  // namespace hf::app
