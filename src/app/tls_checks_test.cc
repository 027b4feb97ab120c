// What `check` says of the files that `tls` names.
#include "app/tls_checks.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ctime>

#include "adapters/tls/authority_testing.h"

namespace hf::app {
namespace {

using adapters::testing::Authority;
using adapters::testing::Key;
using adapters::testing::make_key;
using adapters::testing::write_pem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class TlsChecksTest : public testing::Test {
 protected:
  std::string path(const std::string& name) const { return authority_.folder().file(name); }
  void issue(long seconds) const {
    const Key key = make_key();
    write_pem(path("a.pem"), authority_.issue("buyer", key.get(), seconds).get());
    write_pem(path("a.key"), key.get());
  }
  config::Loaded judged(const std::string& more = {}) const {
    auto loaded = config::load_text(
        fmt::format("upstreams:\n  bank:\n    url: https://bank.example\n    tls:\n"
                    "      certificate: {}\n      key: {}\n{}"
                    "routes: [ {{ path: /, upstream: bank }} ]\n",
                    path("a.pem"), path("a.key"), more),
        "test.yaml");
    EXPECT_NE(loaded.settings, nullptr);
    judge_files(loaded, "test.yaml", WallTime{std::int64_t{std::time(nullptr)} * 1000});
    return loaded;
  }
  static std::vector<std::string> lines(const config::Loaded& loaded) {
    std::vector<std::string> out;
    for (const auto& finding : loaded.findings)
      out.push_back(config::format(finding));
    return out;
  }

  Authority authority_;
};

TEST_F(TlsChecksTest, GoodFilesAreNotMentioned) {
  issue(90 * 86'400);
  const auto loaded = judged(fmt::format("      ca: {}\n", authority_.file()));
  EXPECT_NE(loaded.settings, nullptr);
  EXPECT_THAT(lines(loaded), IsEmpty());
}

TEST_F(TlsChecksTest, ACertificateIsWarnedOfBeforeItsEnd) {
  issue(13 * 86'400);
  const auto soon = judged();
  EXPECT_NE(soon.settings, nullptr);
  EXPECT_THAT(lines(soon), ElementsAre(testing::AllOf(
                               HasSubstr("test.yaml:4:5: warning: upstreams.bank.tls: the "
                                         "certificate of CN=buyer is good only until 20"),
                               HasSubstr("[tls-expires]"))));
  issue(-60);
  EXPECT_THAT(lines(judged()), ElementsAre(testing::AllOf(HasSubstr("was good until 20"),
                                                          HasSubstr("[tls-expired]"))));
  adapters::OwnCertificate later{"CN=x", WallTime{2000}, WallTime{9000}};
  EXPECT_EQ(certificate_trouble(later, WallTime{1000})->text,
            "the certificate of CN=x is good only from 1970-01-01T00:00:02.000Z");
}

TEST_F(TlsChecksTest, FilesOfNoUseAreErrors) {
  issue(3600);
  const Key other = make_key();
  write_pem(path("a.key"), other.get());
  const auto loaded = judged();
  EXPECT_EQ(loaded.settings, nullptr);
  EXPECT_THAT(lines(loaded),
              ElementsAre(testing::AllOf(HasSubstr("error"), HasSubstr("does not belong to"),
                                         HasSubstr("[tls-files]"))));
}

// It may be checked on another machine than it will run on.
TEST_F(TlsChecksTest, FilesThatAreNotHereAreAWarning) {
  const auto loaded = judged();
  EXPECT_NE(loaded.settings, nullptr);
  EXPECT_THAT(lines(loaded),
              ElementsAre(testing::AllOf(HasSubstr("warning"), HasSubstr("No such file"),
                                         HasSubstr("[tls-unreadable]"))));
  issue(90 * 86'400);
  EXPECT_THAT(lines(judged("      passphrase: \"${env:HF_TEST_NOT_SET}\"\n")),
              ElementsAre(testing::AllOf(HasSubstr("not set"), HasSubstr("[tls-unreadable]"))));
}

TEST_F(TlsChecksTest, TheListenersPairIsLookedAtToo) {
  issue(90 * 86'400);
  auto loaded = judged(
      fmt::format("tls: {{ certificate: {}, key: {} }}\n", path("a.pem"), authority_.file()));
  EXPECT_THAT(lines(loaded), ElementsAre(testing::AllOf(HasSubstr("test.yaml:7:1: error: tls: key"),
                                                        HasSubstr("holds no private key"))));
}

}  // namespace
}  // namespace hf::app
