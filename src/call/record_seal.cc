#include "call/record_seal.h"

#include <fmt/format.h>
#include <sodium.h>

#include "base/bytes.h"
#include "base/check.h"

namespace hf::call {
namespace {

static_assert(crypto_aead_xchacha20poly1305_ietf_KEYBYTES == 32);
static_assert(crypto_aead_xchacha20poly1305_ietf_NPUBBYTES == 24);
static_assert(crypto_aead_xchacha20poly1305_ietf_ABYTES == Sealer::kTagSize);
static_assert(crypto_kdf_KEYBYTES == 32);

constexpr char kKdfContext[] = "holdfast";  // exactly crypto_kdf_CONTEXTBYTES
static_assert(sizeof kKdfContext - 1 == crypto_kdf_CONTEXTBYTES);
constexpr std::string_view kAadDomain = "holdfast-journal";
constexpr std::uint8_t kDigestVersion = 1;
constexpr std::size_t kNonceSize = 24;

// Numbers of the derived keys. Stored in effect: they never change.
enum class Subkey : std::uint64_t { seal = 1, index = 2, hash = 3, name = 4 };

Sealer::Key derive(const Sealer::Key& key, Subkey which) {
  Sealer::Key out{};
  crypto_kdf_derive_from_key(out.data(), out.size(), static_cast<std::uint64_t>(which), kKdfContext,
                             key.data());
  return out;
}

const unsigned char* octets(std::string_view bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

std::string additional_data(std::string_view storage_key, std::string_view head) {
  std::string out;
  out.reserve(kAadDomain.size() + 4 + storage_key.size() + head.size());
  out.append(kAadDomain);
  put_string(out, storage_key);
  out.append(head);
  return out;
}

struct ClearPart {
  std::uint32_t key_id = 0;
  std::uint32_t length = 0;
  RecordHead head;
};

Result<ClearPart> read_clear(std::string_view record) {
  ByteReader in(record);
  const auto version = in.u8();
  if (!in.ok()) return fail(ErrorKind::corrupt, "record is empty");
  if (version != Sealer::kFormatVersion) {
    return fail(ErrorKind::invalid,
                fmt::format("record has format version {}, this program knows {}", version,
                            Sealer::kFormatVersion));
  }
  ClearPart out;
  out.head.kind = in.u8();
  const auto flags = in.u16();
  out.key_id = in.u32();
  const auto id = in.bytes(CallId::kSize);
  out.head.epoch = in.u64();
  out.head.at.wall.ms = static_cast<std::int64_t>(in.u64());
  out.head.at.boot.value = in.u64();
  out.head.at.mono.ns = static_cast<std::int64_t>(in.u64());
  out.head.policy = in.u64();
  out.length = in.u32();
  in.bytes(kNonceSize);
  if (!in.ok()) return fail(ErrorKind::corrupt, "record is shorter than its head");
  if (flags != 0) {
    return fail(ErrorKind::invalid,
                fmt::format("record has flags {:#06x} that this program does not know", flags));
  }
  auto call = CallId::from_bytes(id);
  if (!call.ok()) return fail(ErrorKind::corrupt, "record has a malformed call id");
  out.head.call = *call;
  return out;
}

}  // namespace

Sealer::NonceSource Sealer::random_nonces() {
  return [] {
    Nonce out{};
    randombytes_buf(out.data(), out.size());
    return out;
  };
}

Sealer::Sealer(const Key& key, NonceSource nonces) : nonces_(std::move(nonces)) {
  HF_CHECK_MSG(sodium_init() >= 0, "libsodium cannot start: no source of random bytes");
  seal_key_ = derive(key, Subkey::seal);
  index_key_ = derive(key, Subkey::index);
  hash_secret_ = derive(key, Subkey::hash);
  const Key name = derive(key, Subkey::name);
  for (std::size_t i = 0; i < 4; ++i)
    key_id_ |= std::uint32_t{name[i]} << (8 * i);
}

std::string Sealer::seal(const RecordHead& head, std::string_view storage_key,
                         std::string_view payload) const {
  HF_CHECK(payload.size() <= kPayloadMax);
  const Nonce nonce = nonces_();
  std::string out;
  out.reserve(kHeadSize + payload.size() + kTagSize);
  out.push_back(static_cast<char>(kFormatVersion));
  out.push_back(static_cast<char>(head.kind));
  put_u16(out, 0);  // flags
  put_u32(out, key_id_);
  out.append(head.call.raw());
  put_u64(out, head.epoch);
  put_u64(out, static_cast<std::uint64_t>(head.at.wall.ms));
  put_u64(out, head.at.boot.value);
  put_u64(out, static_cast<std::uint64_t>(head.at.mono.ns));
  put_u64(out, head.policy);
  put_u32(out, static_cast<std::uint32_t>(payload.size()));
  out.append(reinterpret_cast<const char*>(nonce.data()), nonce.size());
  HF_CHECK(out.size() == kHeadSize);

  const std::string aad = additional_data(storage_key, out);
  out.resize(kHeadSize + payload.size() + kTagSize);
  unsigned long long written = 0;
  crypto_aead_xchacha20poly1305_ietf_encrypt(
      reinterpret_cast<unsigned char*>(out.data()) + kHeadSize, &written, octets(payload),
      payload.size(), octets(aad), aad.size(), nullptr, nonce.data(), seal_key_.data());
  HF_CHECK(written == payload.size() + kTagSize);
  return out;
}

Result<RecordHead> Sealer::peek(std::string_view record) {
  HF_TRY(const ClearPart clear, read_clear(record));
  return clear.head;
}

Result<OpenedRecord> Sealer::open(std::string_view storage_key, std::string_view record) const {
  HF_TRY(const ClearPart clear, read_clear(record));
  if (clear.key_id != key_id_) {
    return fail(
        ErrorKind::invalid,
        fmt::format("record is sealed with key {:08x}, this is key {:08x}", clear.key_id, key_id_));
  }
  if (record.size() != kHeadSize + std::size_t{clear.length} + kTagSize) {
    return fail(ErrorKind::corrupt, fmt::format("record says {} bytes of payload, it has {} in all",
                                                clear.length, record.size()));
  }
  const auto head = record.substr(0, kHeadSize);
  const auto sealed = record.substr(kHeadSize);
  const auto nonce = head.substr(kHeadSize - kNonceSize);
  const std::string aad = additional_data(storage_key, head);
  OpenedRecord out;
  out.head = clear.head;
  out.payload.resize(clear.length);
  unsigned long long written = 0;
  if (crypto_aead_xchacha20poly1305_ietf_decrypt(
          reinterpret_cast<unsigned char*>(out.payload.data()), &written, nullptr, octets(sealed),
          sealed.size(), octets(aad), aad.size(), octets(nonce), seal_key_.data()) != 0) {
    return fail(ErrorKind::corrupt, "record does not match its seal");
  }
  return out;
}

Digest Sealer::index_digest(std::string_view domain, std::string_view bytes) const {
  std::string text;
  text.push_back(static_cast<char>(kDigestVersion));
  put_string(text, domain);
  text.append(bytes);
  Digest out;
  crypto_auth_hmacsha256(out.bytes.data(), octets(text), text.size(), index_key_.data());
  return out;
}

}  // namespace hf::call
