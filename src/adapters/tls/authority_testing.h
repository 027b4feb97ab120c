// For tests: an authority made for the run, with certificates of its own for servers and clients.
#pragma once

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

namespace hf::adapters::testing {

struct FreeTls {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(SSL_CTX* ctx) const { SSL_CTX_free(ctx); }
  void operator()(BIO* bio) const { BIO_free(bio); }
};
using Key = std::unique_ptr<EVP_PKEY, FreeTls>;
using Certificate = std::unique_ptr<X509, FreeTls>;

inline Key make_key() {
  return Key(EVP_EC_gen("P-256"));
}

inline void add_extension(X509* certificate, int kind, const std::string& value) {
  X509_EXTENSION* made = X509V3_EXT_conf_nid(nullptr, nullptr, kind, value.c_str());
  ASSERT_NE(made, nullptr);
  X509_add_ext(certificate, made, -1);
  X509_EXTENSION_free(made);
}

// Good from an hour ago for `seconds` from now on. An authority where `issuer` is null.
inline Certificate make_certificate(const std::string& subject, EVP_PKEY* key, X509* issuer,
                                    EVP_PKEY* issuer_key, long seconds = 3600) {
  static int serial = 1;
  Certificate made(X509_new());
  X509_set_version(made.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(made.get()), serial++);
  X509_gmtime_adj(X509_getm_notBefore(made.get()), -3600);
  X509_gmtime_adj(X509_getm_notAfter(made.get()), seconds);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(made.get()), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(subject.c_str()), -1, -1, 0);
  X509_set_issuer_name(made.get(), X509_get_subject_name(issuer != nullptr ? issuer : made.get()));
  X509_set_pubkey(made.get(), key);
  if (issuer == nullptr) {
    add_extension(made.get(), NID_basic_constraints, "critical,CA:TRUE");
  } else {
    add_extension(made.get(), NID_subject_alt_name, "DNS:shop.test,IP:127.0.0.1");
  }
  X509_sign(made.get(), issuer_key, EVP_sha256());
  return made;
}

// A folder that goes away.
class TlsFolder {
 public:
  TlsFolder() {
    static int count = 0;
    path_ =
        ::testing::TempDir() + "tls_" + std::to_string(::getpid()) + "_" + std::to_string(++count);
    std::filesystem::create_directories(path_);
  }
  ~TlsFolder() { std::filesystem::remove_all(path_); }
  TlsFolder(const TlsFolder&) = delete;
  TlsFolder& operator=(const TlsFolder&) = delete;
  [[nodiscard]] std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

inline void write_pem(const std::string& path, X509* certificate, X509* issuer = nullptr) {
  const std::unique_ptr<BIO, FreeTls> out(BIO_new_file(path.c_str(), "w"));
  EXPECT_EQ(PEM_write_bio_X509(out.get(), certificate), 1);
  if (issuer == nullptr) return;
  EXPECT_EQ(PEM_write_bio_X509(out.get(), issuer), 1);
}

inline void write_pem(const std::string& path, EVP_PKEY* key, std::string passphrase = {}) {
  const std::unique_ptr<BIO, FreeTls> out(BIO_new_file(path.c_str(), "w"));
  EXPECT_EQ(PEM_write_bio_PrivateKey(out.get(), key,
                                     passphrase.empty() ? nullptr : EVP_aes_128_cbc(), nullptr, 0,
                                     nullptr, passphrase.empty() ? nullptr : passphrase.data()),
            1);
}

// `file` holds its certificate; `server` shows one for shop.test and 127.0.0.1.
class Authority {
 public:
  Authority()
      : key_(make_key()),
        root_(make_certificate("Test authority", key_.get(), nullptr, key_.get())),
        server_(SSL_CTX_new(TLS_server_method())) {
    const Key leaf_key = make_key();
    const auto leaf = issue("leaf", leaf_key.get());
    EXPECT_EQ(SSL_CTX_use_certificate(server_.get(), leaf.get()), 1);
    EXPECT_EQ(SSL_CTX_use_PrivateKey(server_.get(), leaf_key.get()), 1);
    write_pem(file(), root_.get());
  }
  Authority(const Authority&) = delete;
  Authority& operator=(const Authority&) = delete;

  [[nodiscard]] std::string file() const { return folder_.file("ca.pem"); }
  [[nodiscard]] const TlsFolder& folder() const { return folder_; }
  [[nodiscard]] SSL_CTX* server() const { return server_.get(); }
  [[nodiscard]] X509* root() const { return root_.get(); }
  [[nodiscard]] Certificate issue(const std::string& subject, EVP_PKEY* key,
                                  long seconds = 3600) const {
    return make_certificate(subject, key, root_.get(), key_.get(), seconds);
  }
  // The server takes only clients that show a certificate of this authority.
  void demand_certificates() const {
    X509_STORE_add_cert(SSL_CTX_get_cert_store(server_.get()), root_.get());
    SSL_CTX_set_verify(server_.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    SSL_CTX_set_session_id_context(server_.get(), reinterpret_cast<const unsigned char*>("t"), 1);
  }

 private:
  TlsFolder folder_;
  Key key_;
  Certificate root_;
  std::unique_ptr<SSL_CTX, FreeTls> server_;
};

}  // namespace hf::adapters::testing
