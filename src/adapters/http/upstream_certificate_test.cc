// A certificate of our own: shown, refused, changed.
#include <gmock/gmock.h>

#include <chrono>

#include "adapters/http/upstream.h"
#include "adapters/http/upstream_testing.h"
#include "adapters/tls/authority_testing.h"

namespace hf::adapters::testing {
namespace {

using call::Cause;
using call::Evidence;
using ::testing::HasSubstr;

class UpstreamCertificateTest : public UpstreamTest {
 protected:
  UpstreamCertificateTest() {
    settings_->urls[0].tls = true;
    settings_->urls[0].host = "shop.test";
    settings_->tls.ca = authority_.file();
    settings_->tls.certificate = authority_.folder().file("client.pem");
    settings_->tls.key = authority_.folder().file("client.key");
    authority_.demand_certificates();
    show("first", authority_);
    options_.lookup = [](const std::string&) -> Result<Addresses> {
      return Addresses{boost::asio::ip::make_address("127.0.0.1")};
    };
    options_.log = [this](const LogLine& line) { log_.push_back(line.what + ": " + line.detail); };
  }
  ~UpstreamCertificateTest() override {
    if (upstream_) upstream_->shutdown();
  }
  // Writes certificate and key of one that `issuer` has made.
  void show(const std::string& subject, const Authority& issuer, long seconds = 3600) {
    const Key key = make_key();
    write_pem(settings_->tls.certificate, issuer.issue(subject, key.get(), seconds).get());
    write_pem(settings_->tls.key, key.get());
    ++writings_;
    for (const auto& path : {settings_->tls.certificate, settings_->tls.key})
      std::filesystem::last_write_time(
          path, std::filesystem::file_time_type::clock::now() + std::chrono::seconds(writings_));
  }
  static void serve_one(Peer& peer) {
    peer.read_head();
    peer.read_bytes(7);
    peer.answer();
  }
  // Whoever is refused sends nothing: the server reads no request.
  void expect_refused(const ScriptedUpstream& server, std::string_view why) {
    const auto outcome = run(spec(server.port()));
    EXPECT_EQ(outcome.evidence, Evidence::nothing_sent);
    EXPECT_EQ(outcome.bytes_sent, 0U);
    EXPECT_EQ(outcome.cause, Cause::tls);
    ASSERT_FALSE(warnings_.empty());
    EXPECT_THAT(warnings_.back(), HasSubstr(std::string(why)));
  }

  Authority authority_;
  std::vector<std::string> log_;
  int writings_ = 0;
};

TEST_F(UpstreamCertificateTest, IsShown) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    SSL_CTX_set_min_proto_version(authority_.server(), version);
    SSL_CTX_set_max_proto_version(authority_.server(), version);
    std::string who;
    ScriptedUpstream server({[&](Peer& peer) {
                              who = peer.shown();
                              serve_one(peer);
                            }},
                            authority_.server());
    EXPECT_EQ(run(spec(server.port())).evidence, Evidence::answer_complete);
    EXPECT_EQ(who, "/CN=first");
    upstream_.reset();
  }
  EXPECT_TRUE(warnings_.empty());
}

// With TLS 1.3 the handshake is over for the client before the server has looked: a request written
// then would be lost, and count as sent.
TEST_F(UpstreamCertificateTest, ARefusalIsNothingSent) {
  const auto never = [](Peer& peer) { EXPECT_FALSE(peer.handshaken()); };
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    SSL_CTX_set_min_proto_version(authority_.server(), version);
    SSL_CTX_set_max_proto_version(authority_.server(), version);
    ScriptedUpstream server({never, never, never}, authority_.server());
    show("expired", authority_, -60);
    clock_.shift = clock_.shift + Duration::seconds(2);
    expect_refused(server, "alert certificate expired");
    const Authority stranger;
    show("stranger", stranger);
    clock_.shift = clock_.shift + Duration::seconds(2);
    expect_refused(server, "alert");
    const auto kept = settings_->tls;
    settings_->tls.certificate.clear();
    settings_->tls.key.clear();
    expect_refused(server, "alert");
    settings_->tls = kept;
  }
}

// Silence is waited for once a connection, and no longer than it takes to be told.
TEST_F(UpstreamCertificateTest, AServerWithoutTicketsGetsTheRequestAllTheSame) {
  SSL_CTX_set_num_tickets(authority_.server(), 0);
  ScriptedUpstream server({[](Peer& peer) {
                            serve_one(peer);
                            serve_one(peer);
                          }},
                          authority_.server());
  const auto first = run(spec(server.port()));
  EXPECT_EQ(first.evidence, Evidence::answer_complete);
  EXPECT_GE(first.phases.tls, Duration::millis(50));
  EXPECT_LT(first.phases.tls, Duration::seconds(5));
  const auto second = run(spec(server.port()));
  EXPECT_TRUE(second.reused);
  EXPECT_EQ(second.phases.tls, Duration{});
}

TEST_F(UpstreamCertificateTest, AnotherIsShownOnceItsFilesAreThere) {
  std::vector<std::string> shown;
  const auto serve = [&](Peer& peer) {
    shown.push_back(peer.shown());
    serve_one(peer);
    peer.wait_end();
  };
  {
    ScriptedUpstream server({serve, serve}, authority_.server());
    EXPECT_EQ(run(spec(server.port())).evidence, Evidence::answer_complete);
    show("second", authority_);
    clock_.shift = clock_.shift + Duration::seconds(2);
    const auto id = begin(spec(server.port()));
    upstream().close_idle();  // the script serves one connection after another
    const auto outcome = outcome_of(id);
    EXPECT_EQ(outcome.evidence, Evidence::answer_complete);
    EXPECT_FALSE(outcome.reused) << "a connection that showed the first one";
  }
  EXPECT_EQ(shown, (std::vector<std::string>{"/CN=first", "/CN=second"}));
  ASSERT_EQ(log_.size(), 1U);
  EXPECT_THAT(log_[0], HasSubstr("tls_files_read: " + settings_->tls.certificate));
}

TEST_F(UpstreamCertificateTest, HalfOfAChangeIsNoChange) {
  std::vector<std::string> shown;
  ScriptedUpstream server({[&](Peer& peer) {
                             shown.push_back(peer.shown());
                             serve_one(peer);
                             serve_one(peer);
                           },
                           [&](Peer& peer) {
                             shown.push_back(peer.shown());
                             serve_one(peer);
                           }},
                          authority_.server());
  EXPECT_EQ(run(spec(server.port())).evidence, Evidence::answer_complete);
  const Key key = make_key();
  write_pem(settings_->tls.certificate, authority_.issue("half", key.get()).get());
  clock_.shift = clock_.shift + Duration::seconds(2);
  const auto second = run(spec(server.port()));
  EXPECT_TRUE(second.reused);
  ASSERT_EQ(log_.size(), 1U);
  EXPECT_THAT(log_[0], HasSubstr("does not belong to certificate"));
  EXPECT_THAT(log_[0], HasSubstr("stays in use"));
  write_pem(settings_->tls.key, key.get());
  clock_.shift = clock_.shift + Duration::seconds(2);
  EXPECT_EQ(run(spec(server.port())).evidence, Evidence::answer_complete);
  EXPECT_EQ(shown.back(), "/CN=half");
  EXPECT_EQ(log_.size(), 2U);
}

TEST_F(UpstreamCertificateTest, TheStartFailsWhereEveryAttemptWould) {
  EXPECT_TRUE(upstream().prepare(*settings_).ok());
  const auto ours = upstream().certificates();
  ASSERT_EQ(ours.size(), 1U);
  EXPECT_EQ(ours[0].upstream, "fake");
  EXPECT_EQ(ours[0].certificate.subject, "CN=first");
  settings_->tls.certificate = authority_.folder().file("absent.pem");
  const auto failed = upstream().prepare(*settings_);
  ASSERT_FALSE(failed.ok());
  EXPECT_THAT(failed.error().context, HasSubstr("upstreams.fake.tls: certificate"));
  EXPECT_THAT(failed.error().context, HasSubstr("absent.pem: No such file"));
}

TEST_F(UpstreamCertificateTest, ThePassphraseIsASecretLikeAnyOther) {
  const Key key = make_key();
  write_pem(settings_->tls.certificate, authority_.issue("locked", key.get()).get());
  write_pem(settings_->tls.key, key.get(), "open sesame");
  settings_->tls.passphrase = "${test}";
  options_.secrets = [](const std::string& value) -> Result<std::string> {
    EXPECT_EQ(value, "${test}");
    return std::string("open sesame");
  };
  EXPECT_TRUE(upstream().prepare(*settings_).ok());
  upstream_.reset();
  options_.secrets = [](const std::string&) -> Result<std::string> {
    return fail(ErrorKind::unavailable, "secret ${test}: not set");
  };
  const auto failed = upstream().prepare(*settings_);
  ASSERT_FALSE(failed.ok());
  EXPECT_THAT(failed.error().context, HasSubstr("passphrase: secret ${test}: not set"));
}

TEST_F(UpstreamCertificateTest, AnotherNameCanBeAskedFor) {
  settings_->urls[0].host = "other.test";
  settings_->tls.server_name = "shop.test";
  ScriptedUpstream server({serve_one}, authority_.server());
  EXPECT_EQ(run(spec(server.port())).evidence, Evidence::answer_complete);
}

TEST_F(UpstreamCertificateTest, AnOlderVersionThanDeclaredIsRefused) {
  SSL_CTX_set_max_proto_version(authority_.server(), TLS1_2_VERSION);
  settings_->tls.min_version = call::TlsVersion::tls13;
  ScriptedUpstream server({[](Peer& peer) { peer.wait_end(); }}, authority_.server());
  expect_refused(server, "version");
}

}  // namespace
}  // namespace hf::adapters::testing
