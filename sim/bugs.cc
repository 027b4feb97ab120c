#include "sim/bugs.h"

#include <algorithm>

#include "base/planted.h"

namespace hf::sim {
namespace {

const std::vector<PlantedBug>& all() {
  static const std::vector<PlantedBug> bugs = {
      {"release-before-commit",
       "what depends on a write is released before the write is synced",
       {"never-lost", "durable-before-visible", "intent-before-bytes", "never-doubled"}},
  };
  return bugs;
}

planted::Point* point_of(std::string_view name) {
  for (planted::Point* point : planted::bugs()) {
    if (point->name == name) return point;
  }
  return nullptr;
}

}  // namespace

std::span<const PlantedBug> planted_bugs() {
  return all();
}

const PlantedBug* find_bug(std::string_view name) {
  for (const PlantedBug& bug : all()) {
    if (bug.name == name) return &bug;
  }
  return nullptr;
}

bool plant(std::string_view name) {
  planted::Point* point = point_of(name);
  if (point == nullptr) return false;
  point->armed = true;
  return true;
}

std::vector<std::string> strays() {
  std::vector<std::string> out;
  for (const planted::Point* point : planted::bugs()) {
    if (find_bug(point->name) == nullptr) out.emplace_back(point->name);
  }
  for (const PlantedBug& bug : all()) {
    if (point_of(bug.name) == nullptr) out.emplace_back(bug.name);
  }
  return out;
}

std::uint64_t harm_done(std::string_view name) {
  const planted::Point* point = point_of(name);
  return point == nullptr ? 0 : point->hits.load();
}

}  // namespace hf::sim
