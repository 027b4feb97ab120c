// What is said of certificates and keys that cannot be used.
#include "adapters/tls/client_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ctime>

#include "adapters/tls/authority_testing.h"

namespace hf::adapters::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class ClientFilesTest : public ::testing::Test {
 protected:
  ClientFilesTest() {
    settings_.certificate = authority_.folder().file("client.pem");
    settings_.key = authority_.folder().file("client.key");
    write_pem(settings_.certificate, certificate_.get());
    write_pem(settings_.key, key_.get());
  }
  Result<std::optional<OwnCertificate>> load(const std::string& passphrase = {}) {
    return load_own_certificate(context_.get(), settings_, passphrase);
  }
  std::string why(ErrorKind kind, const std::string& passphrase = {}) {
    const auto loaded = load(passphrase);
    EXPECT_FALSE(loaded.ok());
    if (loaded.ok()) return {};
    EXPECT_EQ(loaded.error().kind, kind);
    return loaded.error().context;
  }

  Authority authority_;
  Key key_ = make_key();
  Certificate certificate_ = authority_.issue("buyer, Ltd", key_.get(), 7200);
  call::UpstreamTls settings_;
  std::unique_ptr<SSL_CTX, FreeTls> context_{SSL_CTX_new(TLS_client_method())};
};

TEST_F(ClientFilesTest, TellsWhoseItIsAndUntilWhen) {
  const auto loaded = load();
  ASSERT_TRUE(loaded.ok()) << loaded.error().context;
  ASSERT_TRUE(loaded->has_value());
  EXPECT_EQ((*loaded)->subject, "CN=buyer\\, Ltd");
  const std::int64_t now = std::time(nullptr);
  EXPECT_NEAR(static_cast<double>((*loaded)->not_after.ms),
              static_cast<double>((now + 7200) * 1000), 60'000);
  EXPECT_NEAR(static_cast<double>((*loaded)->not_before.ms),
              static_cast<double>((now - 3600) * 1000), 60'000);
}

TEST_F(ClientFilesTest, OfAChainTheFirstEndCounts) {
  const Key other = make_key();
  const auto issuer = authority_.issue("between", other.get(), 600);
  write_pem(settings_.certificate, certificate_.get(), issuer.get());
  const auto loaded = load();
  ASSERT_TRUE(loaded.ok()) << loaded.error().context;
  EXPECT_NEAR(static_cast<double>((*loaded)->not_after.ms),
              static_cast<double>((std::time(nullptr) + 600) * 1000), 60'000);
  STACK_OF(X509)* chain = nullptr;
  SSL_CTX_get0_chain_certs(context_.get(), &chain);
  EXPECT_EQ(sk_X509_num(chain), 1);
}

TEST_F(ClientFilesTest, WithoutOneThereIsNone) {
  settings_ = {};
  const auto loaded = load();
  ASSERT_TRUE(loaded.ok());
  EXPECT_FALSE(loaded->has_value());
}

TEST_F(ClientFilesTest, AKeyOfAnotherCertificate) {
  const Key other = make_key();
  write_pem(settings_.key, other.get());
  EXPECT_THAT(why(ErrorKind::invalid),
              AllOf(HasSubstr(settings_.key), HasSubstr("does not belong to certificate"),
                    HasSubstr(settings_.certificate)));
}

TEST_F(ClientFilesTest, AnEncryptedKey) {
  write_pem(settings_.key, key_.get(), "open sesame");
  EXPECT_TRUE(load("open sesame").ok());
  EXPECT_THAT(why(ErrorKind::invalid), HasSubstr("is encrypted, and there is no `passphrase`"));
  EXPECT_THAT(why(ErrorKind::invalid, "canary"),
              AllOf(HasSubstr("is not opened by its `passphrase`"), Not(HasSubstr("canary"))));
}

TEST_F(ClientFilesTest, FilesThatAreNotWhatTheyShouldBe) {
  write_pem(settings_.certificate, key_.get());
  EXPECT_THAT(why(ErrorKind::invalid), HasSubstr("client.pem holds no certificate in PEM"));
  write_pem(settings_.certificate, certificate_.get());
  write_pem(settings_.key, certificate_.get());
  EXPECT_THAT(why(ErrorKind::invalid), HasSubstr("client.key holds no private key in PEM"));
  settings_.key = authority_.folder().file("absent.key");
  EXPECT_THAT(why(ErrorKind::unavailable), HasSubstr("absent.key: No such file"));
  settings_.certificate = authority_.folder().file("");
  EXPECT_THAT(why(ErrorKind::unavailable), HasSubstr("not a file"));
}

TEST_F(ClientFilesTest, Authorities) {
  EXPECT_TRUE(load_authorities(context_.get(), authority_.file()).ok());
  const auto none = load_authorities(context_.get(), settings_.key);
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.error().kind, ErrorKind::invalid);
  EXPECT_THAT(none.error().context, HasSubstr("client.key holds no certificate in PEM"));
  const auto missing = load_authorities(context_.get(), "/nonexistent/ca.pem");
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().kind, ErrorKind::unavailable);
}

}  // namespace
}  // namespace hf::adapters::testing
