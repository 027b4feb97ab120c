// The envelope of every journal record, and the key that seals it. docs/formats/journal.md is the
// same thing in byte tables. Pure: the nonce source is handed in, so that a simulation replays.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/ids.h"
#include "base/result.h"
#include "call/call.h"
#include "call/mac.h"

namespace hf::call {

// Stored: values never change. A value that is not here is kept as it is.
enum class RecordKind : std::uint8_t {
  call_head = 1,
  request_body = 2,
  answer_body = 3,
  key_entry = 4,
  timeline_event = 5,
  pause = 6,
  meta = 7,
  change = 8,        // what a later write has changed of a call, and its events
  amended_head = 9,  // a call whose frozen part has changed
  // Sealed like records, and not in the journal's database.
  operation = 64,    // a bulk operation as it stands
  export_part = 65,  // what an export shows only to who has the key
};

// The part of a record that is readable without the key, and authenticated by it.
struct RecordHead {
  std::uint8_t kind = 0;  // a RecordKind, or a later version's
  std::uint64_t epoch = 0;
  WallTime at;               // when it was sealed
  std::uint64_t policy = 0;  // hash of the policy in force; 0: not told
  bool operator==(const RecordHead&) const = default;
};

struct OpenedRecord {
  RecordHead head;
  std::string payload;
};

class Sealer {
 public:
  using Key = std::array<unsigned char, 32>;
  using Nonce = std::array<unsigned char, 8>;  // the random part of it
  using NonceSource = std::function<Nonce()>;

  static constexpr std::uint8_t kFormatVersion = 2;  // 1 is read for ever
  static constexpr std::size_t kTagSize = 16;
  // Longest payload: far above any body limit, and far below what a u32 length can say.
  static constexpr std::size_t kPayloadMax = std::size_t{1} << 30;

  // Subkeys for sealing and hashing are derived from `key`; it is not kept itself.
  explicit Sealer(const Key& key, NonceSource nonces = random_nonces());
  static NonceSource random_nonces();

  // A short name of the key, derived from it: it is in every record and in the key file.
  [[nodiscard]] std::uint32_t key_id() const { return key_id_; }
  // The secret for call::Hasher.
  [[nodiscard]] const Key& hash_secret() const { return hash_secret_; }

  // `storage_key` is bound to the record: a ciphertext moved to another key does not open.
  [[nodiscard]] std::string seal(const RecordHead& head, std::string_view storage_key,
                                 std::string_view payload) const;
  // ErrorKind::corrupt: damaged, moved, or cut. ErrorKind::invalid: sealed by another key, or
  // written by a version or with flags that this one does not know.
  [[nodiscard]] Result<OpenedRecord> open(std::string_view storage_key,
                                          std::string_view record) const;
  // The clear part without any authentication: for epochs on the hot path.
  static Result<RecordHead> peek(std::string_view record);

  // HMAC-SHA-256 under a key of its own, for index keys that hold client data. The domain's name
  // and a version byte go in front.
  [[nodiscard]] Digest index_digest(std::string_view domain, std::string_view bytes) const;

 private:
  [[nodiscard]] std::array<unsigned char, 24> whole_nonce(std::string_view additional_data) const;

  Key seal_key_{};
  std::array<unsigned char, 16> nonce_key_{};
  Mac index_mac_;
  Key hash_secret_{};
  std::uint32_t key_id_ = 0;
  NonceSource nonces_;
};

}  // namespace hf::call
