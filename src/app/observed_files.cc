#include "app/observed_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <vector>

#include "adapters/seal/key_file.h"
#include "adapters/system/small_file.h"
#include "base/quantity.h"

namespace hf::app {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kEnding = ".ndjson";

// "2026-11-21"
std::string day_of(WallTime time) {
  return format_rfc3339(time).substr(0, 10);
}

struct Day {
  std::string day;
  std::string path;
  std::uint64_t bytes = 0;
};

std::vector<Day> days_of(const std::string& folder) {
  std::vector<Day> out;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    const std::string name = at->path().filename().string();
    if (name.size() != 10 + kEnding.size() || !name.ends_with(kEnding)) continue;
    std::error_code gone;
    const auto bytes = fs::file_size(at->path(), gone);
    if (!gone) out.push_back({name.substr(0, 10), at->path().string(), bytes});
  }
  std::sort(out.begin(), out.end(), [](const Day& a, const Day& b) { return a.day < b.day; });
  return out;
}

Result<std::string> read_all(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::string out{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  if (!in.is_open() || in.bad()) {
    return fail(ErrorKind::unavailable, fmt::format("{} cannot be read", path));
  }
  return out;
}

}  // namespace

std::string observed_folder(const std::string& journal) {
  return journal + "/observed";
}

Result<void> ObservedFiles::append(const control::ObservedSum& sum, WallTime now) {
  HF_TRY_VOID(adapters::make_private_dir(folder_));
  const std::string path = fmt::format("{}/{}{}", folder_, day_of(now), kEnding);
  HF_TRY(const std::uint64_t size, adapters::append_lines(path, sum.lines()));
  if (path != shrunk_) shrunk_to_ = 0;
  if (size > std::max(kObservedFileMax, 2 * shrunk_to_)) return shrink(path);
  return {};
}

// Its lines as one for each hour, route and finding.
Result<void> ObservedFiles::shrink(const std::string& path) {
  HF_TRY(const std::string text, read_all(path));
  control::ObservedSum sum;
  sum.add_lines(text);
  const std::string lines = sum.lines();
  shrunk_ = path;
  shrunk_to_ = lines.size();
  return adapters::replace_small_file(path, lines);
}

void ObservedFiles::prune(WallTime now) const {
  auto days = days_of(folder_);
  std::uint64_t bytes = 0;
  for (const Day& day : days)
    bytes += day.bytes;
  const std::string oldest = day_of(now - kObservedKept);
  for (const Day& day : days) {
    if (day.day >= oldest && bytes <= kObservedBytesMax) break;
    std::error_code ignored;
    fs::remove(day.path, ignored);
    bytes -= day.bytes;
  }
}

Result<control::ObservedSum> ObservedFiles::read(WallTime since) const {
  control::ObservedSum out;
  const std::string first = day_of(since);
  for (const Day& day : days_of(folder_)) {
    if (day.day < first) continue;
    HF_TRY(const std::string text, read_all(day.path));
    out.add_lines(text);
  }
  return out;
}

}  // namespace hf::app
