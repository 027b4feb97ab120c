#include "call/record_seal.h"

#include <fmt/format.h>
#include <sodium.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/bytes.h"
#include "base/check.h"
#include "call/payload.h"
#include "call/squeeze.h"

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
constexpr std::size_t kHeadMax = 7 + 10 + 10 + 8 + sizeof(Sealer::Nonce);
using WholeNonce = std::array<unsigned char, kNonceSize>;

// Numbers of the derived keys. Stored in effect: they never change.
enum class Subkey : std::uint64_t { seal = 1, index = 2, hash = 3, name = 4, nonce = 5 };

Sealer::Key derive(const Sealer::Key& key, Subkey which) {
  HF_CHECK_MSG(sodium_init() >= 0, "libsodium cannot start: no source of random bytes");
  Sealer::Key out{};
  crypto_kdf_derive_from_key(out.data(), out.size(), static_cast<std::uint64_t>(which), kKdfContext,
                             key.data());
  return out;
}

const unsigned char* octets(std::string_view bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

// Lasts until the thread's next use of it.
std::string_view additional_data(std::string_view storage_key, std::string_view head) {
  thread_local std::string out;
  out.assign(kAadDomain);
  put_string(out, storage_key);
  out.append(head);
  return out;
}

constexpr std::uint8_t kFirstVersion = 1;
constexpr std::size_t kFirstHeadSize = 98;
// Flags of version 2.
constexpr std::uint8_t kPackedFirst = 1;
constexpr std::uint8_t kPolicy = 2;
constexpr std::uint8_t kPackedSecond = 4;
constexpr std::size_t kSqueezeFrom = 64;  // bytes of payload; less is not worth the time

struct ClearPart {
  std::uint32_t key_id = 0;
  std::size_t head_size = 0;  // with the nonce
  bool first = false;         // of version 1, with the whole nonce in it
  std::optional<std::uint32_t> length;
  std::optional<Packing> packing;
  RecordHead head;
};

Error unknown_flags(unsigned flags) {
  return fail(ErrorKind::invalid,
              fmt::format("record has flags {:#06x} that this program does not know", flags));
}

// As all records were written until version 2, with the call's id and every clock.
Result<ClearPart> read_first(ByteReader in) {
  ClearPart out;
  out.head.kind = in.u8();
  const auto flags = in.u16();
  out.key_id = in.u32();
  const auto id = in.bytes(CallId::kSize);
  out.head.epoch = in.u64();
  out.head.at.ms = static_cast<std::int64_t>(in.u64());
  in.bytes(16);  // boot id and monotonic clock
  out.head.policy = in.u64();
  out.length = in.u32();
  out.first = true;
  out.head_size = kFirstHeadSize;
  in.bytes(kNonceSize);
  if (!in.ok()) return fail(ErrorKind::corrupt, "record is shorter than its head");
  if (flags != 0) return unknown_flags(flags);
  if (!CallId::from_bytes(id).ok()) {
    return fail(ErrorKind::corrupt, "record has a malformed call id");
  }
  return out;
}

Result<ClearPart> read_second(ByteReader in, std::size_t size) {
  ClearPart out;
  out.head.kind = in.u8();
  const auto flags = in.u8();
  if ((flags & kPackedFirst) != 0) out.packing = Packing::first;
  if ((flags & kPackedSecond) != 0) out.packing = Packing::second;
  out.key_id = in.u32();
  out.head.epoch = in.varint();
  out.head.at.ms = from_zigzag(in.varint());
  if ((flags & kPolicy) != 0) out.head.policy = in.u64();
  in.bytes(sizeof(Sealer::Nonce));
  if (!in.ok()) return fail(ErrorKind::corrupt, "record is shorter than its head");
  constexpr unsigned kBoth = kPackedFirst | kPackedSecond;
  if ((flags & ~(kBoth | kPolicy)) != 0 || (flags & kBoth) == kBoth) return unknown_flags(flags);
  if ((flags & kPolicy) != 0 && out.head.policy == 0) {
    return fail(ErrorKind::corrupt, "record says a policy and has none");
  }
  out.head_size = size - in.rest().size();
  return out;
}

Result<ClearPart> read_clear(std::string_view record) {
  ByteReader in(record);
  const auto version = in.u8();
  if (!in.ok()) return fail(ErrorKind::corrupt, "record is empty");
  if (version == kFirstVersion) return read_first(in);
  if (version == Sealer::kFormatVersion) return read_second(in, record.size());
  return fail(ErrorKind::invalid, fmt::format("record has format version {}, this program knows {}",
                                              version, Sealer::kFormatVersion));
}

}  // namespace

// Many at a time: each question to the system costs as much as sealing a small record. Each thread
// has its own, so that no nonce is given twice.
Sealer::NonceSource Sealer::random_nonces() {
  return [] {
    thread_local std::array<Nonce, 64> nonces;
    thread_local std::size_t left = 0;
    if (left == 0) {
      randombytes_buf(nonces.data(), sizeof nonces);
      left = nonces.size();
    }
    return nonces[--left];
  };
}

Sealer::Sealer(const Key& key, NonceSource nonces)
    : index_mac_(derive(key, Subkey::index)), nonces_(std::move(nonces)) {
  seal_key_ = derive(key, Subkey::seal);
  hash_secret_ = derive(key, Subkey::hash);
  const Key nonce = derive(key, Subkey::nonce);
  std::copy_n(nonce.begin(), nonce_key_.size(), nonce_key_.begin());
  const Key name = derive(key, Subkey::name);
  for (std::size_t i = 0; i < 4; ++i)
    key_id_ |= std::uint32_t{name[i]} << (8 * i);
}

std::string Sealer::seal(const RecordHead& head, std::string_view storage_key,
                         std::string_view payload) const {
  HF_CHECK(payload.size() <= kPayloadMax);
  const Nonce nonce = nonces_();
  std::string_view smaller;
  if (payload.size() >= kSqueezeFrom) smaller = squeeze(payload);
  const bool squeezed = !smaller.empty();
  if (squeezed) payload = smaller;
  std::string out;
  out.reserve(kHeadMax + payload.size() + kTagSize);
  out.push_back(static_cast<char>(kFormatVersion));
  out.push_back(static_cast<char>(head.kind));
  const unsigned packing = squeezed ? kPackedSecond : 0U;
  out.push_back(static_cast<char>(packing | (head.policy != 0 ? kPolicy : 0U)));
  put_u32(out, key_id_);
  put_varint(out, head.epoch);
  put_varint(out, zigzag(head.at.ms));
  if (head.policy != 0) put_u64(out, head.policy);
  out.append(reinterpret_cast<const char*>(nonce.data()), nonce.size());

  const std::size_t head_size = out.size();
  const std::string_view aad = additional_data(storage_key, out);
  const auto whole = whole_nonce(aad);
  out.resize(head_size + payload.size() + kTagSize);
  unsigned long long written = 0;
  crypto_aead_xchacha20poly1305_ietf_encrypt(
      reinterpret_cast<unsigned char*>(out.data()) + head_size, &written, octets(payload),
      payload.size(), octets(aad), aad.size(), nullptr, whole.data(), seal_key_.data());
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
  const auto sealed = record.substr(clear.head_size);
  if (sealed.size() < kTagSize ||
      (clear.length && sealed.size() != std::size_t{*clear.length} + kTagSize)) {
    return fail(ErrorKind::corrupt,
                fmt::format("record has a wrong length: {} bytes in all", record.size()));
  }
  const auto head = record.substr(0, clear.head_size);
  const std::string_view aad = additional_data(storage_key, head);
  WholeNonce nonce{};
  if (clear.first) {
    std::copy_n(octets(head) + clear.head_size - kNonceSize, kNonceSize, nonce.begin());
  } else {
    nonce = whole_nonce(aad);
  }
  OpenedRecord out;
  out.head = clear.head;
  out.payload.resize(sealed.size() - kTagSize);
  unsigned long long written = 0;
  if (crypto_aead_xchacha20poly1305_ietf_decrypt(
          reinterpret_cast<unsigned char*>(out.payload.data()), &written, nullptr, octets(sealed),
          sealed.size(), octets(aad), aad.size(), nonce.data(), seal_key_.data()) != 0) {
    return fail(ErrorKind::corrupt, "record does not match its seal");
  }
  if (clear.packing) {
    HF_TRY(out.payload, unsqueeze(*clear.packing, out.payload, kPayloadMax));
  }
  return out;
}

// Two thirds of it follow from where and when the record is written, which need not be stored; the
// rest is random, so that the same place and time never meet it twice.
std::array<unsigned char, 24> Sealer::whole_nonce(std::string_view additional_data) const {
  WholeNonce out{};
  constexpr std::size_t kRandom = sizeof(Nonce);
  static_assert(crypto_shorthash_siphashx24_BYTES + kRandom == kNonceSize);
  const auto place = additional_data.substr(0, additional_data.size() - kRandom);
  const auto random = additional_data.substr(place.size());
  crypto_shorthash_siphashx24(out.data(), octets(place), place.size(), nonce_key_.data());
  std::copy_n(octets(random), kRandom, out.begin() + crypto_shorthash_siphashx24_BYTES);
  return out;
}

Digest Sealer::index_digest(std::string_view domain, std::string_view bytes) const {
  std::string text;
  text.push_back(static_cast<char>(kDigestVersion));
  put_string(text, domain);
  return index_mac_.of(text, bytes);
}

}  // namespace hf::call
