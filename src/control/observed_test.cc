// Counts of what was observed: lines for a file and back, sums, and the JSON for people.
#include "control/observed.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

#include "base/prng.h"

namespace hf::control {
namespace {

using engine::Would;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr WallTime kNow{1'800'000'000'000};  // 2027-01-15T08:00:00Z

engine::Sighting sighting(Would would, std::string rule, std::string_view row = {},
                          int status = 0) {
  engine::Sighting out;
  out.would = would;
  out.rule = std::move(rule);
  out.row = row;
  out.status = status;
  out.key.emplace();
  out.key->bytes.fill(0xab);
  return out;
}

runtime::Passage passage(std::string path = "/v1/charges", std::string route = "/v1/") {
  return {std::move(route), "POST", std::move(path)};
}

ObservedSum example() {
  ObservedBook book;
  book.add(passage(), {}, kNow);
  book.add(passage(), {sighting(Would::retry, "retry-same-key", "no_status")}, kNow);
  book.add(
      passage(),
      {sighting(Would::replay, "answered"), sighting(Would::doubled, "answered-twice", {}, 200)},
      kNow + Duration::seconds(5));
  book.add(passage("/other", "/"), {sighting(Would::refuse, "key-missing")},
           kNow + Duration::hours(1));
  book.forgotten(7, kNow);
  return book.take();
}

std::string slurp(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

// The format is a promise: files that were written once are read for ever.
TEST(ObservedFormat, IsTheGoldenOne) {
  const std::string path = std::string(HF_SOURCE_DIR) + "/golden/observed/v1.ndjson";
  const std::string lines = example().lines();
  if (std::getenv("HOLDFAST_UPDATE_GOLDEN") != nullptr) std::ofstream(path) << lines;
  EXPECT_EQ(slurp(path), lines);
  ObservedSum back;
  back.add_lines(slurp(path));
  EXPECT_EQ(back.unreadable(), 0U);
  EXPECT_EQ(back.lines(), lines);
}

TEST(ObservedFormat, EveryMemberIsDocumented) {
  const std::string page = slurp(std::string(HF_SOURCE_DIR) + "/docs/formats/observed.md");
  for (const auto* member : {"v", "kind", "hour", "route", "count", "clean", "would", "rule", "row",
                             "at", "method", "path", "status", "key"}) {
    EXPECT_THAT(page, HasSubstr(fmt::format("`{}`", member)));
  }
  const std::string words = slurp(std::string(HF_SOURCE_DIR) + "/docs/observe.md");
  for (std::size_t i = 0; i < engine::kWoulds; ++i) {
    EXPECT_THAT(words, HasSubstr(fmt::format("| `{}` |", to_string(static_cast<Would>(i)))));
  }
}

TEST(ObservedSum, PassesOverWhatItCannotRead) {
  const std::string lines = example().lines();
  for (std::size_t cut = 0; cut < lines.size(); ++cut) {
    ObservedSum sum;
    sum.add_lines(std::string_view(lines).substr(0, cut));
    const bool whole = cut == 0 || lines[cut - 1] == '\n' || lines[cut] == '\n';
    EXPECT_EQ(sum.unreadable(), whole ? 0U : 1U) << cut;
  }
  ObservedSum sum;
  for (const auto* line :
       {"{}", "[]", "{\"v\":2,\"kind\":\"calls\"}", "\xff\xfe", "null",
        R"({"v":1,"kind":"later","hour":"2027-01-15T08:00:00Z","route":"/","would":"x"})",
        R"({"v":1,"kind":"calls","hour":"yesterday","route":"/"})",
        R"({"v":1,"kind":"sample","hour":"2027-01-15T08:00:00Z","route":"/","would":"x"})"}) {
    EXPECT_FALSE(sum.add_line(line)) << line;
  }
}

TEST(ObservedSum, DoesNotDependOnTheOrderOfItsParts) {
  Prng prng(5);
  ObservedSum all;
  std::vector<ObservedSum> parts;
  for (int i = 0; i < 40; ++i) {
    ObservedBook book;
    const auto would = static_cast<Would>(prng.below(engine::kWoulds));
    const WallTime at = kNow + Duration::minutes(prng.between(0, 600));
    book.add(passage(), {sighting(would, fmt::format("r{}", prng.below(3)))}, at);
    parts.push_back(book.take());
    all.merge(parts.back());
  }
  ObservedSum back;
  while (!parts.empty()) {
    const auto at = static_cast<std::ptrdiff_t>(prng.below(parts.size()));
    back.add_lines(parts[static_cast<std::size_t>(at)].lines());
    parts.erase(parts.begin() + at);
  }
  const auto counts = [&](const ObservedSum& sum) {
    std::string out;
    const std::string lines = sum.lines();
    for (std::size_t from = 0; from < lines.size();) {
      const auto end = lines.find('\n', from);
      const std::string line = lines.substr(from, end - from);
      if (line.find("\"sample\"") == std::string::npos) out += line + "\n";
      from = end + 1;
    }
    return out;
  };
  EXPECT_EQ(counts(back), counts(all));
}

TEST(ObservedSum, TellsOfTheHoursThatWereAskedFor) {
  const ObservedSum sum = example();
  const WallTime later = kNow + Duration::hours(2);
  const std::string all = sum.json(kNow - Duration::hours(1), later, "", nullptr);
  EXPECT_THAT(all, HasSubstr(R"("route":"/v1/","observes":false,"calls":3,"clean":1)"));
  EXPECT_THAT(all, HasSubstr(R"("route":"/","observes":false,"calls":1,"clean":0)"));
  EXPECT_THAT(all, HasSubstr(R"("forgotten_keys":7)"));
  EXPECT_THAT(all, HasSubstr(R"("first_hour":"2027-01-15T08:00:00.000Z")"));
  const std::string late = sum.json(kNow + Duration::minutes(70), later, "", nullptr);
  EXPECT_THAT(late, Not(HasSubstr("/v1/")));
  EXPECT_THAT(late, HasSubstr(R"("forgotten_keys":0)"));
  const std::string one = sum.json(kNow - Duration::hours(1), later, "/v1/", nullptr);
  EXPECT_THAT(one, Not(HasSubstr(R"("route":"/",)")));
}

TEST(ObservedBook, KeepsFewSamplesAnHourAndShortOnes) {
  ObservedBook book;
  ObservedSum all;
  for (int i = 0; i < 100; ++i) {
    book.add(passage("/v1/" + std::string(1000, 'x')), {sighting(Would::retry, "safe-retry")},
             kNow + Duration::seconds(i));
    all.merge(book.take());
  }
  const std::string lines = all.lines();
  EXPECT_LT(lines.size(), 2500U);
  EXPECT_THAT(lines, HasSubstr(R"("count":100})"));
  EXPECT_EQ(book.counts().at({"/v1/", "retry"}), 100U);
  book.add(passage(), {sighting(Would::retry, "safe-retry")}, kNow + Duration::hours(1));
  EXPECT_THAT(book.take().lines(), HasSubstr("\"sample\"")) << "the next hour has its own";
}

TEST(ObservedBook, GivesBackWhatCouldNotBeWritten) {
  ObservedBook book;
  book.add(passage(), {}, kNow);
  const ObservedSum lost = book.take();
  EXPECT_TRUE(book.empty());
  book.give_back(lost);
  book.add(passage(), {}, kNow);
  EXPECT_THAT(book.take().lines(), HasSubstr(R"("count":2,"clean":2)"));
}

}  // namespace
}  // namespace hf::control
