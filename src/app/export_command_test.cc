#include "app/export_command.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <iterator>

#include "adapters/seal/key_file.h"
#include "app/bulk_command.h"
#include "app/export_file.h"
#include "app/test_admin.h"
#include "call/sealed_text.h"
#include "control/export_line.h"
#include "control/json.h"

namespace hf::app {
namespace {

using namespace testing;  // NOLINT: the fixture of this very test

const CallId kFirst = CallId::make(WallTime{1'800'000'000'000}, 1, 1);
const CallId kSecond = CallId::make(WallTime{1'800'000'000'001}, 2, 2);

std::string call_line(const CallId& id) {
  return R"({"kind":"call","call":")" + id.text() + R"(","state":"dead"})";
}
std::string page_line(const std::string& next = {}) {
  return R"({"kind":"page","key_id":"1","upstreams":{"bank":["http://b"]},"examined":500,"more":)" +
         (next.empty() ? std::string(R"(false,"next":null})") : R"(true,"next":")" + next + "\"}") +
         "\n";
}

class ExportCommand : public CallsCommand {
 protected:
  std::string read(const std::string& name) const {
    std::ifstream in(dir_ + "/" + name, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  std::string file(const std::string& name) const { return dir_ + "/" + name; }
};

TEST_F(ExportCommand, PagesBetweenAFirstLineAndALast) {
  admin.say(call_line(kFirst) + "\n" + page_line(kFirst.text()));
  admin.say(page_line(kSecond.text()));
  admin.say(call_line(kSecond) + "\n" + page_line());
  EXPECT_EQ(run({"calls", "export", "--state", "dead"}), 0) << err;
  EXPECT_TRUE(out.starts_with(R"({"kind":"begin","holdfast_export":1,)")) << out;
  EXPECT_NE(out.find(R"("upstreams":{"bank":["http://b"]}})"
                     "\n" +
                     call_line(kFirst) + "\n" + call_line(kSecond) + "\n" +
                     R"({"kind":"end","calls":2,"unreadable":0,"states":{"dead":2},"last":")" +
                     kSecond.text()),
            std::string::npos)
      << out;
  EXPECT_EQ(admin.requests[0].target, "/v1/export?state=dead");
  EXPECT_EQ(admin.requests[1].target, "/v1/export?state=dead&after=" + kFirst.text());
  EXPECT_NE(err.find("2 calls exported"), std::string::npos);
}

TEST_F(ExportCommand, TheSealedPartIsOpenedWithTheKeyFile) {
  const std::string key_file = file("seal.key");
  const auto key = adapters::load_or_make_seal_key(key_file, file("none"));
  ASSERT_TRUE(key.ok());
  const auto sealed = [&](const CallId& id) {
    return R"({"kind":"sealed","call":")" + kFirst.text() + R"(","sealed":")" +
           control::to_base64(call::seal_text(
               call::Sealer((*key).key), call::RecordKind::export_part,
               control::export_part_name(id), R"({"request":{"target":"/x"}})", WallTime{})) +
           "\"}\n";
  };
  const std::vector<std::string> words{"calls",  "export",        "--unsealed",        "--key-file",
                                       key_file, "--with-bodies", "--with-credentials"};
  admin.say(call_line(kFirst) + "\n" + sealed(kFirst) + page_line());
  EXPECT_EQ(run(words), 0) << err;
  EXPECT_NE(out.find(R"("state":"dead","clear":{"request":{"target":"/x"}}})"), std::string::npos)
      << out;
  EXPECT_NE(err.find("with their bodies and credentials in clear"), std::string::npos) << err;
  EXPECT_EQ(admin.requests[0].target, "/v1/export?sealed=1&bodies=1&credentials=1");
  admin.say(call_line(kFirst) + "\n" + sealed(kSecond) + page_line());
  EXPECT_EQ(run(words), 1);
  EXPECT_NE(err.find("the key file does not open this journal"), std::string::npos) << err;
  EXPECT_EQ(out.find("\"kind\":\"end\""), std::string::npos);
}

TEST_F(ExportCommand, APageThatIsCutIsNoEnd) {
  admin.say(call_line(kFirst) + "\n");
  EXPECT_EQ(run({"calls", "export"}), 1);
  EXPECT_NE(err.find("a page of the export was cut"), std::string::npos) << err;
  admin.say(R"({"title":"The query","detail":"is wrong"})", 400);
  EXPECT_EQ(run({"calls", "export"}), 1);
}

TEST_F(ExportCommand, ABrokenRecordIsALineInItsPlace) {
  const std::string broken =
      R"({"kind":"unreadable","call":")" + kFirst.text() + R"(","why":"broken"})" + "\n";
  admin.say(call_line(kSecond) + "\n" + broken + page_line());
  EXPECT_EQ(run({"calls", "export", "--out", file("b")}), kBulkRefused) << err;
  EXPECT_NE(read("b").find(broken + call_line(kSecond) + "\n" +
                           R"({"kind":"end","calls":1,"unreadable":1,"states":{"dead":1})"),
            std::string::npos)
      << read("b");
  EXPECT_NE(err.find("of 1 more the records cannot be read"), std::string::npos) << err;
  // It is not told again where the file is gone on with.
  write("b", broken);
  admin.say(page_line());
  EXPECT_EQ(run({"calls", "export", "--out", file("b"), "--continue"}), 0) << err;
  EXPECT_EQ(admin.requests.back().target, "/v1/export?after=" + kFirst.text());
}

TEST_F(ExportCommand, AFileIsGoneOnWith) {
  admin.say(call_line(kFirst) + "\n" + page_line());
  EXPECT_EQ(run({"calls", "export", "--out", file("e")}), 0) << err;
  struct stat about {};
  ASSERT_EQ(::stat(file("e").c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777, 0600U);
  EXPECT_EQ(run({"calls", "export", "--out", file("e")}), 1) << "it is there";
  EXPECT_NE(err.find("--continue"), std::string::npos) << err;
  const std::string whole = read("e");
  write("e", whole + R"({"kind":"call","call":"06g)");  // as a kill leaves it
  admin.say(call_line(kSecond) + "\n" + page_line());
  EXPECT_EQ(run({"calls", "export", "--out", file("e"), "--continue"}), 0) << err;
  EXPECT_EQ(admin.requests.back().target, "/v1/export?after=" + kFirst.text());
  const std::string more = read("e");
  EXPECT_TRUE(more.starts_with(whole + R"({"kind":"begin",)")) << more;
  EXPECT_NE(more.find(R"("after":")" + kFirst.text()), std::string::npos);
  write("e", "something else\n");
  EXPECT_EQ(run({"calls", "export", "--out", file("e"), "--continue"}), 1);
  EXPECT_EQ(read("e"), "something else\n");
}

TEST_F(ExportCommand, TheCommandLineIsJudgedFirst) {
  const std::vector<std::vector<std::string>> wrong{
      {"--unsealed"},
      {"--with-bodies"},
      {"--with-credentials", "--key-file", "x"},
      {"--after", "x"},
      {"--continue"},
      {"--state", "lost"},
      {"--patience", "x"},
      {"--continue", "--out", "e", "--after", kFirst.text()}};
  for (auto words : wrong) {
    words.insert(words.begin(), {"calls", "export"});
    EXPECT_EQ(run(words), 2) << words[2];
  }
  EXPECT_EQ(run({"calls", "export", "--unsealed", "--key-file", file("none")}), 1);
  EXPECT_EQ(run({"calls", "export", "--journal", file("none")}), 1);
  EXPECT_TRUE(admin.requests.empty());
}

}  // namespace
}  // namespace hf::app
