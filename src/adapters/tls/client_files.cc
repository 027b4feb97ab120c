#include "adapters/tls/client_files.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <algorithm>
#include <ctime>
#include <memory>
#include <vector>

#include "adapters/system/watched_file.h"
#include "adapters/tls/tls_error.h"

namespace hf::adapters {
namespace {

constexpr std::size_t kMaxCertificates = 4 * 1024 * 1024;  // the system's bundle has 0.2 MiB
constexpr std::size_t kMaxKey = 256 * 1024;

struct Free {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(STACK_OF(X509_INFO) * found) const {
    sk_X509_INFO_pop_free(found, X509_INFO_free);
  }
};
using Certificate = std::unique_ptr<X509, Free>;
using Key = std::unique_ptr<EVP_PKEY, Free>;
using Memory = std::unique_ptr<BIO, Free>;

// `what` is the word of the configuration.
Result<std::string> read(std::string_view what, const std::string& path, std::size_t max) {
  auto file = read_watched_file(path, max);
  if (!file.ok()) return file.take_error().in(fmt::format("{} {}", what, path));
  return std::move(file->content);
}

Error unusable(std::string_view what, const std::string& path, std::string_view why) {
  ERR_clear_error();
  return fail(ErrorKind::invalid, fmt::format("{} {} {}", what, path, why));
}

Memory memory_of(const std::string& text) {
  return Memory(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

WallTime wall_of(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return WallTime{};
  return WallTime{static_cast<std::int64_t>(::timegm(&parts)) * 1000};
}

std::string subject_of(X509* certificate) {
  const Memory out(BIO_new(BIO_s_mem()));
  X509_NAME_print_ex(out.get(), X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253);
  char* text = nullptr;
  const auto size = BIO_get_mem_data(out.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

// The first is the client's own, the rest what issued it.
std::vector<Certificate> certificates_of(const std::string& pem) {
  std::vector<Certificate> out;
  const Memory in = memory_of(pem);
  for (;;) {
    Certificate next(out.empty() ? PEM_read_bio_X509_AUX(in.get(), nullptr, nullptr, nullptr)
                                 : PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr));
    if (!next) break;
    out.push_back(std::move(next));
  }
  ERR_clear_error();  // the end of the file is one
  return out;
}

struct Asked {
  const std::string& passphrase;
  bool asked = false;
};

// Without it OpenSSL would ask on the terminal and block the start.
int give_passphrase(char* into, int size, int, void* data) {
  auto& asked = *static_cast<Asked*>(data);
  asked.asked = true;
  const auto& word = asked.passphrase;
  if (word.empty() || word.size() > static_cast<std::size_t>(size)) return -1;
  std::copy(word.begin(), word.end(), into);
  return static_cast<int>(word.size());
}

Result<Key> key_of(const std::string& path, const std::string& passphrase) {
  HF_TRY(const std::string pem, read("key", path, kMaxKey));
  const Memory in = memory_of(pem);
  Asked asked{passphrase};
  Key key(PEM_read_bio_PrivateKey(in.get(), nullptr, give_passphrase, &asked));
  if (key) return key;
  if (!asked.asked) return unusable("key", path, "holds no private key in PEM");
  return unusable("key", path,
                  passphrase.empty() ? "is encrypted, and there is no `passphrase`"
                                     : "is not opened by its `passphrase`");
}

}  // namespace

Result<void> load_authorities(SSL_CTX* ctx, const std::string& ca) {
  if (ca.empty()) {
    if (SSL_CTX_set_default_verify_paths(ctx) == 1) return {};
    return fail(ErrorKind::unavailable, "the system's authorities: " + tls_error_text(nullptr));
  }
  HF_TRY(const std::string pem, read("ca", ca, kMaxCertificates));
  const Memory in = memory_of(pem);
  const std::unique_ptr<STACK_OF(X509_INFO), Free> found(
      PEM_X509_INFO_read_bio(in.get(), nullptr, nullptr, nullptr));
  X509_STORE* store = SSL_CTX_get_cert_store(ctx);
  int trusted = 0;
  for (int i = 0; found && i < sk_X509_INFO_num(found.get()); ++i) {
    const X509_INFO* one = sk_X509_INFO_value(found.get(), i);
    if (one->x509 != nullptr && X509_STORE_add_cert(store, one->x509) == 1) ++trusted;
    if (one->crl != nullptr) X509_STORE_add_crl(store, one->crl);
  }
  if (trusted == 0) return unusable("ca", ca, "holds no certificate in PEM");
  ERR_clear_error();
  return {};
}

Result<std::optional<OwnCertificate>> load_own_certificate(SSL_CTX* ctx,
                                                           const call::UpstreamTls& settings,
                                                           const std::string& passphrase) {
  if (settings.certificate.empty()) return std::optional<OwnCertificate>();
  HF_TRY(const std::string pem, read("certificate", settings.certificate, kMaxCertificates));
  const auto chain = certificates_of(pem);
  if (chain.empty()) {
    return unusable("certificate", settings.certificate, "holds no certificate in PEM");
  }
  HF_TRY(const Key key, key_of(settings.key, passphrase));
  X509* own = chain.front().get();
  if (X509_check_private_key(own, key.get()) != 1) {
    return unusable("key", settings.key, "does not belong to certificate " + settings.certificate);
  }
  OwnCertificate out{subject_of(own), wall_of(X509_get0_notBefore(own)),
                     wall_of(X509_get0_notAfter(own))};
  bool taken =
      SSL_CTX_use_certificate(ctx, own) == 1 && SSL_CTX_use_PrivateKey(ctx, key.get()) == 1;
  for (std::size_t i = 1; i < chain.size(); ++i) {
    taken = taken && SSL_CTX_add1_chain_cert(ctx, chain[i].get()) == 1;
    out.not_before = std::max(out.not_before, wall_of(X509_get0_notBefore(chain[i].get())));
    out.not_after = std::min(out.not_after, wall_of(X509_get0_notAfter(chain[i].get())));
  }
  if (!taken) return unusable("certificate", settings.certificate, tls_error_text(nullptr));
  return std::optional(std::move(out));
}

}  // namespace hf::adapters
