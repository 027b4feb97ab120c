// Every golden/config/NAME.yaml gives the findings of NAME.findings and, if it loads, the effective
// configuration of NAME.effective. HOLDFAST_UPDATE_GOLDEN=1 writes both anew.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include "config/load.h"
#include "config/print.h"

namespace hf::config {
namespace {

namespace fs = std::filesystem;

std::string read(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

void expect_golden(const fs::path& path, const std::string& actual) {
  if (std::getenv("HOLDFAST_UPDATE_GOLDEN") != nullptr) {
    std::ofstream(path, std::ios::binary) << actual;
  }
  EXPECT_EQ(read(path), actual) << path;
}

std::vector<fs::path> inputs() {
  std::vector<fs::path> out;
  for (const auto& entry : fs::directory_iterator(fs::path(HF_SOURCE_DIR) / "golden/config")) {
    if (entry.path().extension() == ".yaml") out.push_back(entry.path());
  }
  std::sort(out.begin(), out.end());
  return out;
}

std::string formatted(const std::vector<Finding>& findings) {
  std::string out;
  for (const auto& finding : findings)
    out += format(finding) + "\n";
  return out;
}

bool has_error(const Loaded& loaded) {
  return std::any_of(loaded.findings.begin(), loaded.findings.end(),
                     [](const Finding& f) { return f.level == Level::error; });
}

TEST(ConfigGolden, FindingsAndEffectiveSettings) {
  const auto files = inputs();
  ASSERT_GE(files.size(), 10U);
  for (const auto& file : files) {
    const auto loaded = load_text(read(file), file.filename());
    EXPECT_EQ(loaded.settings == nullptr, has_error(loaded)) << file;
    auto golden = file;
    expect_golden(golden.replace_extension(".findings"), formatted(loaded.findings));
    if (loaded.settings == nullptr) continue;
    golden = file;
    expect_golden(golden.replace_extension(".effective"), print(*loaded.settings));
  }
}

TEST(ConfigGolden, EffectiveSettingsReadBack) {
  int loadable = 0;
  for (const auto& file : inputs()) {
    const auto loaded = load_text(read(file), file.filename());
    if (loaded.settings == nullptr) continue;
    const auto text = print(*loaded.settings);
    const auto again = load_text(text, "again");
    ASSERT_NE(again.settings, nullptr) << file << "\n" << formatted(again.findings);
    EXPECT_EQ(print(*again.settings), text) << file;
    if (text.find("(hidden)") != std::string::npos) continue;
    EXPECT_TRUE(same_settings(*again.settings, *loaded.settings)) << file;
    ++loadable;
  }
  EXPECT_GE(loadable, 4);
}

TEST(ConfigGolden, EveryRuleIsShown) {
  std::set<std::string> seen;
  for (const auto& file : inputs()) {
    for (const auto& finding : load_text(read(file), "x").findings)
      seen.insert(finding.rule);
  }
  // Too large or not a text at all: load_test.cc has them. Of files: app/tls_checks_test.cc.
  for (const auto* elsewhere : {"file", "too-large", "too-many", "tls-files", "tls-unreadable",
                                "tls-expired", "tls-expires"})
    seen.insert(elsewhere);
  for (const auto& row : rules())
    EXPECT_TRUE(seen.count(std::string(row.id)) == 1) << row.id;
}

TEST(ConfigGolden, TheCompleteExampleHasNoErrors) {
  const auto loaded = load_file(std::string(HF_SOURCE_DIR) + "/golden/config/complete.yaml");
  ASSERT_NE(loaded.settings, nullptr) << formatted(loaded.findings);
  EXPECT_EQ(loaded.settings->upstreams.size(), 2U);
}

TEST(ConfigGolden, ShippedExamplesAreClean) {
  int count = 0;
  for (const auto& entry : fs::directory_iterator(fs::path(HF_SOURCE_DIR) / "examples")) {
    if (entry.path().extension() != ".yaml") continue;
    const auto loaded = strict(load_file(entry.path()));
    EXPECT_NE(loaded.settings, nullptr) << formatted(loaded.findings);
    ++count;
  }
  EXPECT_GE(count, 3);
}

}  // namespace
}  // namespace hf::config
