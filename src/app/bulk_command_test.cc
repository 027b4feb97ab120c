#include "app/bulk_command.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "app/bulk_view.h"
#include "app/progress.h"
#include "app/test_admin.h"

namespace hf::app {
namespace {

namespace json = boost::json;
using namespace testing;  // NOLINT: the fixture of this very test

// Standard input of a test may be a terminal: these have none.
class BulkCommand : public CallsCommand {
 protected:
  void SetUp() override {
    CallsCommand::SetUp();
    input_ = ::dup(STDIN_FILENO);
    std::FILE* none = std::fopen("/dev/null", "r");
    ::dup2(::fileno(none), STDIN_FILENO);
    std::fclose(none);
  }
  void TearDown() override {
    ::dup2(input_, STDIN_FILENO);
    ::close(input_);
    CallsCommand::TearDown();
  }
  int input_ = -1;
};

constexpr auto kCount =
    R"({"as_of":"2026-11-21T03:39:20.123Z","selection":"state=dead","states_implied":false,)"
    R"("examined":10,"matched":3,"states":{"dead":3},"upstreams":{"bank":2,"sms":1},)"
    R"("outcome":"will be attempted now","would":2,)"
    R"("refused":[{"why":"no body","calls":1,"sample":["c1"]}],)"
    R"("calls":[{"call":"c1","state":"dead"}],"more":false,"next":null})";

std::string operation(const std::string& stage, int done, int refused, int driver = 1) {
  return R"({"operation":"op1","word":"retry","selection":"state=dead","stage":")" + stage +
         R"(","driver":)" + std::to_string(driver) + R"(,"selected":3,"examined":10,"done":)" +
         std::to_string(done) + R"(,"left":0,"refused":[)" +
         (refused > 0
              ? R"({"why":"no body","calls":)" + std::to_string(refused) + R"(,"sample":["c1"]})"
              : std::string()) +
         R"(],"finished":)" + (stage == "finished" ? "true" : "false") + R"(,"acted":1})";
}

TEST_F(BulkCommand, IsCountedBegunAndDriven) {
  admin.say(kCount);
  admin.say(operation("running", 0, 0));
  admin.say(operation("running", 1, 0));
  admin.say(operation("finished", 2, 1));
  EXPECT_EQ(run({"calls", "retry", "--state", "dead", "--older-than", "2026-11-21T03:00Z", "--yes",
                 "--reason", "it is up", "--by", "me", "--rate", "1000/s"}),
            kBulkRefused);
  ASSERT_EQ(admin.requests.size(), 4U);
  EXPECT_EQ(admin.requests[0].target,
            "/v1/count?state=dead&older_than=2026-11-21T03%3A00%3A00.000Z&word=retry");
  EXPECT_EQ(admin.requests[1].target, "/v1/operations");
  EXPECT_EQ(admin.requests[1].body,
            R"({"word":"retry","query":"state=dead&older_than=2026-11-21T03%3A00%3A00.000Z",)"
            R"("all":false,"reason":"it is up","by":"me","as_of":"2026-11-21T03:39:20.123Z",)"
            R"("selected":3})");
  EXPECT_EQ(admin.requests[2].target, "/v1/operations/op1/step");
  EXPECT_EQ(admin.requests[2].body, R"({"driver":1,"limit":200})");
  EXPECT_EQ(out,
            "retry op1: finished, 3 calls selected\n"
            "  2  made due: attempted as the limits of their upstreams let them\n"
            "  1  refused: no body\n"
            "     such as c1\n");
  EXPECT_NE(err.find("holdfast calls retry --resume op1"), std::string::npos) << err;
}

TEST_F(BulkCommand, ADryRunAsksAndDoesNothing) {
  admin.say(kCount);
  EXPECT_EQ(run({"calls", "retry", "--state", "dead", "--dry-run"}), kBulkDone);
  EXPECT_EQ(admin.requests.size(), 1U);
  EXPECT_NE(out.find("3 calls fit (10 looked at, as of 2026-11-21T03:39:20.123Z)\n"
                     "  by state: dead 3\n"
                     "  by upstream: bank 2, sms 1\n"
                     "What would come of them:\n"
                     "  2  will be attempted now\n"
                     "  1  refused: no body\n"
                     "     such as c1\n"
                     "For example:\n"),
            std::string::npos)
      << out;
  EXPECT_TRUE(out.ends_with("Nothing was done.\n")) << out;
}

TEST_F(BulkCommand, PagesOfACountAreOneCountOfOneMoment) {
  std::string first = kCount;
  first.replace(first.find(R"("more":false,"next":null)"), 24, R"("more":true,"next":"c9")");
  admin.say(first);
  admin.say(kCount);
  EXPECT_EQ(run({"calls", "retry", "--state", "dead", "--dry-run", "--json"}), kBulkDone);
  EXPECT_EQ(admin.requests[1].target,
            "/v1/count?state=dead&word=retry&as_of=2026-11-21T03%3A39%3A20.123Z&after=c9");
  const auto all = json::parse(out).as_object();
  EXPECT_EQ(all.at("matched").as_int64(), 6);
  EXPECT_EQ(all.at("upstreams").at("bank").as_int64(), 4);
  EXPECT_EQ(all.at("refused").at(0).at("calls").as_int64(), 2);
}

TEST_F(BulkCommand, NobodyIsAskedWhereThereIsNoTerminal) {
  EXPECT_EQ(run({"calls", "cancel", "--upstream", "sms"}), kBulkBadLine);
  EXPECT_NE(err.find("--yes"), std::string::npos) << err;
  EXPECT_TRUE(admin.requests.empty());
}

TEST_F(BulkCommand, NothingFits) {
  admin.say(R"({"as_of":"2026-11-21T03:39:20.123Z","examined":1000,"matched":0,"more":false,)"
            R"("not_configured":["upstream bnak"]})");
  EXPECT_EQ(run({"calls", "retry", "--upstream", "bnak", "--yes"}), kBulkDone);
  EXPECT_EQ(out,
            "no call fits (1,000 looked at)\n"
            "  upstream bnak: none such is configured; is it misspelt?\n");
  EXPECT_EQ(admin.requests.size(), 1U);
}

TEST_F(BulkCommand, AStepThatIsNotAnsweredIsAskedForAgain) {
  admin.say(kCount);
  admin.say(operation("running", 0, 0));
  admin.say(R"({"type":"urn:holdfast:admin:busy","title":"A step","detail":"is made"})", 409);
  admin.say(R"({"title":"The journal","detail":"cannot be read"})", 503);
  admin.say(operation("finished", 3, 0));
  EXPECT_EQ(run({"calls", "retry", "--all", "--yes", "--json"}), kBulkDone);
  EXPECT_EQ(admin.requests.size(), 5U);
  EXPECT_EQ(json::parse(out).at("done").as_int64(), 3);
  EXPECT_NE(err.find("asking again"), std::string::npos) << err;
}

TEST_F(BulkCommand, PatienceEndsAndItIsSaidHowToGoOn) {
  admin.say(kCount);
  admin.say(operation("running", 0, 0));
  admin.reply = {503, "text/plain", "no", {}};
  EXPECT_EQ(run({"calls", "retry", "--all", "--yes", "--patience", "1ms"}), kBulkFailed);
  EXPECT_NE(err.find("go on with: holdfast calls retry --resume op1"), std::string::npos) << err;
}

TEST_F(BulkCommand, TakenOverIsTheEnd) {
  admin.say(kCount);
  admin.say(operation("running", 0, 0));
  admin.say(R"({"type":"urn:holdfast:admin:taken-over","title":"Somebody","detail":"else"})", 409);
  EXPECT_EQ(run({"calls", "retry", "--all", "--yes"}), kBulkFailed);
  EXPECT_EQ(admin.requests.size(), 3U);
}

TEST_F(BulkCommand, IsGoneOnWith) {
  admin.say(operation("stopped", 1, 0));
  admin.say(operation("running", 1, 0, 2));
  admin.say(operation("finished", 3, 0, 2));
  EXPECT_EQ(run({"calls", "retry", "--resume", "op1"}), kBulkDone);
  EXPECT_EQ(admin.requests[0].target, "/v1/operations/op1");
  EXPECT_EQ(admin.requests[1].target, "/v1/operations/op1/resume");
  EXPECT_EQ(admin.requests[2].body, R"({"driver":2,"limit":10})") << "50/s, five steps a second";
  admin.requests.clear();
  admin.say(operation("finished", 3, 0));
  EXPECT_EQ(run({"calls", "retry", "--resume", "op1"}), kBulkDone) << "the end is told again";
  EXPECT_EQ(admin.requests.size(), 1U);
  admin.say(operation("stopped", 1, 0));
  EXPECT_EQ(run({"calls", "resolve", "--resume", "op1"}), kBulkBadLine);
  EXPECT_NE(err.find("holdfast calls retry --resume op1"), std::string::npos) << err;
}

TEST_F(BulkCommand, TheCommandLineIsJudgedFirst) {
  const std::vector<std::vector<std::string>> wrong{
      {"retry", "--yes"},
      {"retry", "--state", "lost", "--yes"},
      {"retry", "--state", "dead", "--rate", "0/s", "--yes"},
      {"retry", "--state", "dead", "--rate", "fast", "--yes"},
      {"retry", "--state", "dead", "--patience", "x", "--yes"},
      {"retry", "--older-than", "yesterday", "--yes"},
      {"retry", "--older-than", "2h", "--newer-than", "1h", "--yes"},
      {"retry", "--match", "customer", "--yes"},
      {"retry", "--min-attempts", "many", "--yes"},
      {"retry", "a1", "--state", "dead"},
      {"retry", "a1", "--dry-run"},
      {"retry", "--resume", "op1", "--state", "dead"},
      {"resolve", "--state", "unknown", "--reason", "x", "--yes"},
      {"resolve", "perhaps", "--state", "unknown", "--reason", "x", "--yes"},
      {"resolve", "applied", "--state", "unknown", "--yes"},
      {"resolve", "applied", "--all", "--reason", "x", "--answer", "file", "--yes"}};
  for (auto words : wrong) {
    words.insert(words.begin(), "calls");
    EXPECT_EQ(run(words), kBulkBadLine) << words[1] << " " << words[2];
    EXPECT_NE(err, "") << words[2];
  }
  EXPECT_TRUE(admin.requests.empty());
}

TEST_F(BulkCommand, OperationsAreListed) {
  admin.say(R"({"operations":[{"operation":"op1","word":"retry","selection":"state=dead",)"
            R"("stage":"finished","by":"me@here","reason":"it is up","begun_at":)"
            R"("2026-11-21T03:39:20.123Z","selected":4000,"done":3999,)"
            R"("refused":[{"why":"x","calls":1,"sample":[]}]}],"more":false})");
  EXPECT_EQ(run({"calls", "operations"}), 0);
  EXPECT_NE(out.find("op1        retry  finished  me@here"), std::string::npos) << out;
  EXPECT_NE(out.find("4,000     3,999  1        state=dead  it is up"), std::string::npos) << out;
  admin.say(operation("stopped", 1, 0));
  EXPECT_EQ(run({"calls", "operations", "op1"}), 0);
  EXPECT_EQ(out,
            "retry op1: stopped, 3 calls selected\n"
            "  1  made due: attempted as the limits of their upstreams let them\n");
  admin.say(
      R"({"operations":[{"operation":"op2","stage":"unreadable","why":"its file is empty"}]})");
  EXPECT_EQ(run({"calls", "operations"}), 0);
  EXPECT_NE(out.find("unreadable"), std::string::npos) << out;
  EXPECT_NE(out.find("its file is empty"), std::string::npos) << out;
}

TEST(BulkView, AStepSaysHowFarAndHowLong) {
  const auto shown = [](const std::string& text, std::uint64_t all, double rate) {
    return show_step(json::parse(text).as_object(), all, rate);
  };
  EXPECT_EQ(shown(R"({"selected":4000,"done":990,"refused":[{"why":"x","calls":10}],"left":0,)"
                  R"("examined":2000})",
                  9000, 50),
            "1,000 of 4,000 (25 %), 50/s, 10 refused, 1m00s to go");
  EXPECT_EQ(
      shown(R"({"selected":10,"done":1,"refused":[],"left":0,"examined":500000})", 1000000, 0),
      "1 of 10 (10 %), 0/s; 500,000 of 1,000,000 looked at");
  EXPECT_EQ(shown(R"({"selected":0,"done":7,"refused":[],"left":0,"examined":9})", 0, 7), "7, 7/s");
}

TEST(BulkView, ThoseThatLeftAreCountedAtTheEnd) {
  const auto left = [](const std::string& text) {
    return no_longer_fitted(json::parse(text).as_object());
  };
  EXPECT_EQ(left(R"({"stage":"finished","selected":10,"done":7,"refused":[],"left":1})"), 3U);
  EXPECT_EQ(left(R"({"stage":"running","selected":10,"done":7,"refused":[],"left":1})"), 1U);
  EXPECT_EQ(left(R"({"stage":"finished","selected":0,"done":7,"refused":[],"left":0})"), 0U);
}

TEST(Progress, NumbersForPeople) {
  EXPECT_EQ(grouped(0), "0");
  EXPECT_EQ(grouped(999), "999");
  EXPECT_EQ(grouped(1000), "1,000");
  EXPECT_EQ(grouped(1234567), "1,234,567");
  EXPECT_EQ(shortly(Duration::millis(1)), "1s");
  EXPECT_EQ(shortly(Duration::seconds(125)), "2m05s");
  EXPECT_EQ(shortly(Duration::hours(49)), "2d01h");
}

}  // namespace
}  // namespace hf::app
