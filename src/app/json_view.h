// Reading the admin API's JSON for people: members that may be missing, text that must not move the
// cursor, tables, and one event of a timeline in words.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hf::app {

inline constexpr std::string_view kReset = "\033[0m";

// Whatever a client or an upstream wrote, without what a terminal would obey.
std::string safe(std::string_view text);

// Members of an object; empty, 0, false or null where they are missing or of another kind. Numbers
// are text as well.
std::string text_of(const boost::json::object& object, std::string_view name);
std::int64_t number_of(const boost::json::object& object, std::string_view name);
bool flag_of(const boost::json::object& object, std::string_view name);
const boost::json::array* list_of(const boost::json::object& object, std::string_view name);
const boost::json::object* object_of(const boost::json::object& object, std::string_view name);

// Of a call's state: a terminal's escape.
std::string_view colour_of(std::string_view state);

// "POST /v1/charges"; of a query only that there is one.
std::string request_of(const boost::json::object& call);
// "customer=cus_1 amount=4200 card=#9f86d081884c": the searchable fields of a call, hashes marked.
std::string fields_of(const boost::json::object& call);
// What one event of a timeline says beside its name.
std::string happening_of(const boost::json::object& event);

// Columns as wide as their widest cell; the first row is the head. One column may be painted.
class Table {
 public:
  explicit Table(std::vector<std::string> head) { rows_.push_back(std::move(head)); }
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  [[nodiscard]] std::string text(bool colour, std::size_t painted) const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace hf::app
