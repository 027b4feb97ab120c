// What people and scripts read, against golden/review/. HOLDFAST_UPDATE_GOLDEN=1 writes it anew.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "review/forecast.h"
#include "review/report.h"

namespace hf::review {
namespace {

namespace fs = std::filesystem;

std::string slurp(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(in) << path;
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

void expect_golden(const std::string& name, const std::string& actual) {
  const fs::path path = fs::path(HF_SOURCE_DIR) / "golden/review" / name;
  if (std::getenv("HOLDFAST_UPDATE_GOLDEN") != nullptr) {
    std::ofstream(path, std::ios::binary) << actual;
  }
  EXPECT_EQ(slurp(path), actual) << path;
}

config::Loaded load(const std::string& file) {
  auto loaded = config::load_text(slurp(fs::path(HF_SOURCE_DIR) / file), "holdfast.yaml");
  EXPECT_NE(loaded.settings, nullptr) << file;
  return loaded;
}

// One object or array member a line, so that a difference can be read.
std::string on_lines(std::string_view json) {
  std::string out;
  bool quoted = false;
  for (std::size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    out += c;
    if (quoted && c == '\\') {
      out += json[++i];
    } else if (c == '"') {
      quoted = !quoted;
    } else if (!quoted && c == ',' && i + 1 < json.size() && json[i + 1] == '{') {
      out += '\n';
    }
  }
  return out + "\n";
}

struct Source {
  const char* name;
  const char* file;
};
constexpr Source kSources[] = {
    {"shop", "examples/holdfast.yaml"},          {"incoming", "examples/incoming.yaml"},
    {"minimal", "examples/minimal.yaml"},        {"twice", "examples/demo/twice.yaml"},
    {"webhooks", "golden/config/webhooks.yaml"}, {"wide", "golden/config/wide.yaml"},
    {"verify", "golden/config/verify.yaml"},
};

TEST(ReviewGolden, Texts) {
  for (const Source& source : kSources) {
    const auto loaded = load(source.file);
    if (loaded.settings == nullptr) continue;
    expect_golden(std::string(source.name) + ".txt",
                  text_of(review(loaded), Level::error, {80, false}));
  }
}

TEST(ReviewGolden, NoLineIsLongerThanTheTerminal) {
  for (const Source& source : kSources) {
    const auto loaded = load(source.file);
    if (loaded.settings == nullptr) continue;
    for (const std::size_t width : {72U, 80U, 100U}) {
      const std::string text = text_of(review(loaded), Level::error, {width, false});
      for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = text.find('\n', at);
        EXPECT_LE(end - at, width) << text.substr(at, end - at);
        at = end + 1;
      }
    }
  }
}

TEST(ReviewGolden, ColourIsAllThatATerminalAdds) {
  const Report report = review(load("examples/holdfast.yaml"));
  std::string painted = text_of(report, Level::error, {80, true});
  const std::string plain = text_of(report, Level::error, {80, false});
  EXPECT_NE(painted, plain);
  for (std::size_t at = painted.find('\033'); at != std::string::npos;
       at = painted.find('\033', at)) {
    painted.erase(at, painted.find('m', at) - at + 1);
  }
  EXPECT_EQ(painted, plain);
}

TEST(ReviewGolden, Json) {
  const Report report = review(load("examples/incoming.yaml"));
  expect_golden("incoming.json", on_lines(json_of(report, Level::warning)));
}

TEST(ReviewGolden, Sarif) {
  const Report report = review(load("examples/incoming.yaml"));
  expect_golden("incoming.sarif", on_lines(sarif_of(report, "1.2.3")));
}

struct Asked {
  const char* name;
  const char* file;
  const char* method;
  const char* url;
  const char* body;  // null: none
  Fields headers;
};

std::vector<Asked> requests() {
  const Field form{"Content-Type", "application/x-www-form-urlencoded"};
  const Field json{"Content-Type", "application/json"};
  const Field auth{"Authorization", "Bearer sk_test"};
  return {
      {"policy-business",
       "examples/holdfast.yaml",
       "POST",
       "http://localhost:8080/v1/payment_intents",
       "metadata[order]=7&amount=100",
       {form, auth}},
      {"policy-made", "examples/holdfast.yaml", "POST", "/v1/customers", "name=x", {form, auth}},
      {"policy-header",
       "examples/holdfast.yaml",
       "POST",
       "/sms/send?to=1",
       "{}",
       {json, {"Idempotency-Key", "k1"}}},
      {"policy-safe", "examples/holdfast.yaml", "GET", "/v1/charges/ch_1", nullptr, {auth}},
      {"policy-stream", "examples/holdfast.yaml", "POST", "/llm/v1/messages", "{}", {json}},
      {"policy-refused", "examples/incoming.yaml", "POST", "/orders", "{}", {json}},
      {"policy-verify",
       "examples/demo/twice.yaml",
       "POST",
       "/charges",
       "ref=7&amount=1",
       {form, auth, {"Holdfast-Order", "account-7"}, {"Holdfast-Deadline", "90s"}}},
      {"policy-webhook",
       "golden/config/webhooks.yaml",
       "POST",
       "/stripe",
       R"({"id":"evt_7"})",
       {json}},
      {"policy-put",
       "examples/pending-order/holdfast.yaml",
       "PUT",
       "/orders/7",
       "{}",
       {json, auth, {"Idempotency-Key", "order-7"}, {"Prefer", "respond-async"}}},
  };
}

TEST(ForecastGolden, Texts) {
  for (const Asked& asked : requests()) {
    const auto loaded = load(asked.file);
    ForecastAsk ask{asked.method, asked.url, asked.headers, std::nullopt};
    if (asked.body != nullptr) ask.body = asked.body;
    const auto found = forecast(loaded, ask);
    ASSERT_TRUE(found.ok()) << found.error().context;
    const std::string text = text_of(*found, loaded.places, 80);
    expect_golden(std::string(asked.name) + ".txt", text);
    // Whatever was sent, a credential is not shown.
    EXPECT_EQ(text.find("sk_test"), std::string::npos);
    EXPECT_EQ(json_of(*found, loaded.places).find("sk_test"), std::string::npos);
  }
}

TEST(ForecastGolden, Json) {
  const auto loaded = load("examples/holdfast.yaml");
  ForecastAsk ask{"POST",
                  "/v1/payment_intents",
                  {{"Content-Type", "application/x-www-form-urlencoded"}},
                  "metadata[order]=7"};
  const auto found = forecast(loaded, ask);
  ASSERT_TRUE(found.ok());
  expect_golden("policy-business.json", on_lines(json_of(*found, loaded.places)));
}

TEST(ReviewGolden, ShippedExamplesHaveNoErrors) {
  int count = 0;
  for (const auto& entry : fs::recursive_directory_iterator(fs::path(HF_SOURCE_DIR) / "examples")) {
    if (entry.path().extension() != ".yaml") continue;
    const auto loaded = config::load_file(entry.path());
    ASSERT_NE(loaded.settings, nullptr) << entry.path();
    const Report report = review(loaded);
    for (const Finding& finding : report.findings)
      EXPECT_LT(finding.level(), Level::error) << entry.path() << ": " << finding.message;
    ++count;
  }
  EXPECT_GE(count, 6);
}

}  // namespace
}  // namespace hf::review
