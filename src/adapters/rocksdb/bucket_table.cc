#include "adapters/rocksdb/bucket_table.h"

#include <rocksdb/slice.h>
#include <rocksdb/version.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <memory>
#include <mutex>
#include <new>
#include <utility>

#include "base/check.h"

// What is taken for granted of RocksDB's insides (see Room and Get) was looked up in this version.
static_assert(ROCKSDB_MAJOR == 7, "look again at Arena and at MemTableRep::Get");

namespace hf::adapters {
namespace {

using rocksdb::MemTableRep;
using rocksdb::Slice;

constexpr int kLevels = 12;    // of a bucket with many keys; each has a quarter of the one below
constexpr int kListMax = 16;   // keys that a bucket may have as a list
constexpr int kCountFrom = 3;  // a new node so high, one in sixteen, has its list counted
constexpr int kBucketBitsMin = 6;
constexpr int kBucketBitsMax = 18;
constexpr std::size_t kBytesABucket = 128;  // of a full table, about a key
constexpr std::size_t kTagSize = 8;         // behind a user's key: sequence number and type

// In front of a node lie its links, that of level 0 last; behind it its entry, as RocksDB encodes
// it. The head of a skip list has none.
struct Node {
  using Link = std::atomic<Node*>;
  std::uint64_t front = 0;  // of its key; equal ones need a closer look
  std::uint64_t height = 0;

  [[nodiscard]] Link& link(int level) { return reinterpret_cast<Link*>(this)[-1 - level]; }
  [[nodiscard]] Node* next(int level) { return link(level).load(std::memory_order_acquire); }
  [[nodiscard]] const char* entry() const { return reinterpret_cast<const char*>(this + 1); }
};
static_assert(sizeof(Node) % alignof(Node::Link) == 0 && sizeof(Node::Link) == sizeof(void*));

// The first eight bytes as a number: of two keys the smaller has no greater front.
std::uint64_t front_of(const Slice& key) {
  std::uint64_t out = 0;
  const std::size_t size = std::min<std::size_t>(key.size(), 8);
  for (std::size_t i = 0; i < size; ++i)
    out |= std::uint64_t{static_cast<unsigned char>(key[i])} << (56 - 8 * i);
  return out;
}

// Until it goes, the table that the next key is written to. A flush that somebody else began takes
// it away on another thread.
struct Newest {
  std::mutex mutex;
  class BucketTable* table = nullptr;
};

std::uint64_t front_of_internal(const Slice& key) {
  return front_of({key.data(), key.size() - kTagSize});
}

// Memory of an arena, by the one public way to it. An arena is an allocator, which RocksDB's public
// headers do not say: Arena has Allocator for its only base.
class Room final : public MemTableRep {
 public:
  explicit Room(rocksdb::Allocator* allocator) : MemTableRep(allocator) {}
  explicit Room(rocksdb::Arena* arena) : Room(reinterpret_cast<rocksdb::Allocator*>(arena)) {}

  [[nodiscard]] char* take(std::size_t bytes) {
    constexpr std::size_t kAlign = alignof(Node);
    char* out = nullptr;
    Allocate(bytes + kAlign - 1, &out);
    return out + (kAlign - reinterpret_cast<std::uintptr_t>(out) % kAlign) % kAlign;
  }
  template <typename T>
  [[nodiscard]] T* take_zeros(std::size_t count) {
    T* out = reinterpret_cast<T*>(take(count * sizeof(T)));
    std::uninitialized_value_construct_n(out, count);
    return out;
  }

  void Insert(rocksdb::KeyHandle /*handle*/) override { HF_CHECK(false); }
  [[nodiscard]] bool Contains(const char* /*key*/) const override { return false; }
  std::size_t ApproximateMemoryUsage() override { return 0; }
  Iterator* GetIterator(rocksdb::Arena* /*arena*/) override { return nullptr; }
};

class BucketTable final : public MemTableRep {
 public:
  BucketTable(const KeyComparator& compare, rocksdb::Allocator* allocator, char letter, int bits,
              std::shared_ptr<Newest> newest)
      : MemTableRep(allocator),
        newest_(std::move(newest)),
        compare_(compare),
        room_(allocator),
        letter_(static_cast<unsigned char>(letter)),
        bits_(bits),
        count_(std::size_t{1} << bits),
        buckets_(room_.take_zeros<Bucket>(count_)),
        used_(room_.take_zeros<Word>(count_ / kWordBits)) {
    const std::lock_guard lock(newest_->mutex);
    newest_->table = this;
  }
  ~BucketTable() override {
    const std::lock_guard lock(newest_->mutex);
    if (newest_->table == this) newest_->table = nullptr;
  }
  BucketTable(const BucketTable&) = delete;
  BucketTable& operator=(const BucketTable&) = delete;

  void expect_buckets(std::span<const std::string_view> keys) const {
    for (const std::string_view key : keys)
      __builtin_prefetch(&bucket(key));
  }
  void expect_nodes(std::span<const std::string_view> keys) const {
    for (const std::string_view key : keys) {
      const std::uintptr_t at = bucket(key).load(std::memory_order_relaxed);
      __builtin_prefetch(reinterpret_cast<const void*>(at & ~kSkipList));
    }
  }

  rocksdb::KeyHandle Allocate(std::size_t len, char** buf) override;
  void Insert(rocksdb::KeyHandle handle) override;
  [[nodiscard]] bool Contains(const char* key) const override;
  std::size_t ApproximateMemoryUsage() override { return 0; }  // all of it is the allocator's
  void Get(const rocksdb::LookupKey& key, void* args,
           bool (*found)(void* args, const char* entry)) override;
  Iterator* GetIterator(rocksdb::Arena* arena) override;
  Iterator* GetDynamicPrefixIterator(rocksdb::Arena* arena) override;

 private:
  class Cursor;
  // 0, the first node of a list, or the head of a skip list with its lowest bit set.
  using Bucket = std::atomic<std::uintptr_t>;
  using Word = std::atomic<std::uint64_t>;
  using Path = std::array<Node*, kLevels>;
  static constexpr std::uintptr_t kSkipList = 1;
  static constexpr std::size_t kWordBits = 64;
  static_assert((std::size_t{1} << kBucketBitsMin) % kWordBits == 0);

  [[nodiscard]] std::size_t bucket_of(std::uint64_t front) const {
    const auto letter = static_cast<unsigned char>(front >> 56);
    if (letter != letter_) return letter < letter_ ? 0 : count_ - 1;
    return static_cast<std::size_t>((front << 8) >> (64 - bits_));
  }
  [[nodiscard]] const Bucket& bucket(std::string_view key) const {
    return buckets_[bucket_of(front_of({key.data(), key.size()}))];
  }
  // The head of a bucket's skip list; null: it has none.
  [[nodiscard]] Node* head_of(std::size_t bucket) const {
    const std::uintptr_t at = buckets_[bucket].load(std::memory_order_acquire);
    return (at & kSkipList) != 0 ? reinterpret_cast<Node*>(at & ~kSkipList) : nullptr;
  }
  [[nodiscard]] Node* first_of(std::size_t bucket) const {
    const std::uintptr_t at = buckets_[bucket].load(std::memory_order_acquire);
    auto* node = reinterpret_cast<Node*>(at & ~kSkipList);
    return (at & kSkipList) != 0 ? node->next(0) : node;
  }
  [[nodiscard]] bool is_before(const Node& node, std::uint64_t front, const Slice& key) const {
    return node.front != front ? node.front < front : compare_(node.entry(), key) < 0;
  }
  // The first node of this bucket or those behind it; the last one of those before it. Null: none.
  [[nodiscard]] Node* first_from(std::size_t bucket) const;
  [[nodiscard]] Node* last_below(std::size_t bucket) const;
  // In the bucket of the internal key, the last node that is smaller: null where there is none.
  // `path`, for a skip list: the last one of each level, or the head.
  [[nodiscard]] Node* before(std::uint64_t front, const Slice& key, Path* path = nullptr) const;
  [[nodiscard]] Node* at_or_after(std::uint64_t front, const Slice& key) const;
  [[nodiscard]] Node* new_node(int height, std::size_t entry_size);
  [[nodiscard]] int draw_height();
  void mark_used(std::size_t bucket);
  void insert_in_list(std::size_t bucket, Node& node, const Slice& key);
  void make_skip_list(std::size_t bucket);

  const std::shared_ptr<Newest> newest_;
  const KeyComparator& compare_;
  Room room_;
  const unsigned char letter_;
  const int bits_;
  const std::size_t count_;
  Bucket* const buckets_;
  Word* const used_;  // a bit for each bucket
  std::uint64_t random_ = 0x9e3779b97f4a7c15;
};

// --- writing, by one thread ---

// Each level has a quarter of the nodes below. Which ones nobody needs to guess: the generator
// (Marsaglia, Xorshift RNGs, 2003) starts the same in each table.
int BucketTable::draw_height() {
  random_ ^= random_ << 13;
  random_ ^= random_ >> 7;
  random_ ^= random_ << 17;
  return std::min(kLevels, 1 + std::countr_zero(random_) / 2);
}

Node* BucketTable::new_node(int height, std::size_t entry_size) {
  const std::size_t links = static_cast<std::size_t>(height) * sizeof(Node::Link);
  char* at = room_.take(links + sizeof(Node) + entry_size);
  std::uninitialized_value_construct_n(reinterpret_cast<Node::Link*>(at), height);
  auto* node = new (at + links) Node();
  node->height = static_cast<std::uint64_t>(height);
  return node;
}

rocksdb::KeyHandle BucketTable::Allocate(std::size_t len, char** buf) {
  Node* node = new_node(draw_height(), len);
  *buf = reinterpret_cast<char*>(node + 1);
  return node;
}

// Before its first key is there: whoever knows of the key finds its bucket.
void BucketTable::mark_used(std::size_t bucket) {
  Word& word = used_[bucket / kWordBits];
  const std::uint64_t bit = std::uint64_t{1} << (bucket % kWordBits);
  const std::uint64_t was = word.load(std::memory_order_relaxed);
  if ((was & bit) == 0) word.store(was | bit, std::memory_order_release);
}

void BucketTable::Insert(rocksdb::KeyHandle handle) {
  auto& node = *static_cast<Node*>(handle);
  const Slice key = compare_.decode_key(node.entry());
  node.front = front_of_internal(key);
  const std::size_t bucket = bucket_of(node.front);
  if (head_of(bucket) == nullptr) return insert_in_list(bucket, node, key);
  Path path;
  static_cast<void>(before(node.front, key, &path));
  for (int level = 0; level < static_cast<int>(node.height); ++level) {
    Node::Link& link = path[static_cast<std::size_t>(level)]->link(level);
    node.link(level).store(link.load(std::memory_order_relaxed), std::memory_order_relaxed);
    link.store(&node, std::memory_order_release);
  }
}

void BucketTable::insert_in_list(std::size_t bucket, Node& node, const Slice& key) {
  int steps = 0;
  Node* last = nullptr;
  Node* next = first_of(bucket);
  for (; next != nullptr && is_before(*next, node.front, key); next = next->next(0)) {
    last = next;
    ++steps;
  }
  node.link(0).store(next, std::memory_order_relaxed);
  if (last != nullptr) {
    last->link(0).store(&node, std::memory_order_release);
  } else {
    mark_used(bucket);
    buckets_[bucket].store(reinterpret_cast<std::uintptr_t>(&node), std::memory_order_release);
  }
  if (node.height >= kCountFrom) {
    for (; next != nullptr && steps <= kListMax; next = next->next(0))
      ++steps;
  }
  if (steps > kListMax) make_skip_list(bucket);
}

// Whoever walks over the list meanwhile sees nothing of it: its links stay.
void BucketTable::make_skip_list(std::size_t bucket) {
  Node* head = new_node(kLevels, 0);
  Path path;
  path.fill(head);
  for (Node* node = first_of(bucket); node != nullptr; node = node->next(0)) {
    for (std::size_t level = 0; level < node->height; ++level) {
      path[level]->link(static_cast<int>(level)).store(node, std::memory_order_release);
      path[level] = node;
    }
  }
  buckets_[bucket].store(reinterpret_cast<std::uintptr_t>(head) | kSkipList,
                         std::memory_order_release);
}

// --- reading ---

Node* BucketTable::before(std::uint64_t front, const Slice& key, Path* path) const {
  const std::size_t bucket = bucket_of(front);
  Node* const head = head_of(bucket);
  if (head == nullptr) {
    Node* last = nullptr;
    for (Node* next = first_of(bucket); next != nullptr && is_before(*next, front, key);
         next = next->next(0))
      last = next;
    return last;
  }
  Node* last = head;
  for (int level = kLevels - 1; level >= 0; --level) {
    for (Node* next = last->next(level); next != nullptr && is_before(*next, front, key);
         next = next->next(level))
      last = next;
    if (path != nullptr) (*path)[static_cast<std::size_t>(level)] = last;
  }
  return last == head ? nullptr : last;
}

Node* BucketTable::at_or_after(std::uint64_t front, const Slice& key) const {
  const std::size_t bucket = bucket_of(front);
  Node* const last = before(front, key);
  // What came in between is greater than `last`, and may be smaller than the key.
  Node* next = last != nullptr ? last->next(0) : first_of(bucket);
  while (next != nullptr && is_before(*next, front, key))
    next = next->next(0);
  return next != nullptr ? next : first_from(bucket + 1);
}

Node* BucketTable::first_from(std::size_t bucket) const {
  for (std::size_t at = bucket / kWordBits; bucket < count_ && at < count_ / kWordBits; ++at) {
    std::uint64_t word = used_[at].load(std::memory_order_acquire);
    if (at == bucket / kWordBits) word &= ~std::uint64_t{0} << (bucket % kWordBits);
    for (; word != 0; word &= word - 1) {
      const auto bit = static_cast<std::size_t>(std::countr_zero(word));
      if (Node* node = first_of(at * kWordBits + bit)) return node;
    }
  }
  return nullptr;
}

Node* BucketTable::last_below(std::size_t bucket) const {
  for (std::size_t at = std::min(bucket / kWordBits, count_ / kWordBits - 1) + 1; at-- > 0;) {
    std::uint64_t word = used_[at].load(std::memory_order_acquire);
    if (at == bucket / kWordBits) word &= (std::uint64_t{1} << (bucket % kWordBits)) - 1;
    while (word != 0) {
      const auto bit = static_cast<std::size_t>(std::bit_width(word) - 1);
      word &= ~(std::uint64_t{1} << bit);
      const std::size_t found = at * kWordBits + bit;
      Node* last = head_of(found) != nullptr ? head_of(found) : first_of(found);
      if (last == nullptr) continue;
      for (int level = last == head_of(found) ? kLevels - 1 : 0; level >= 0; --level) {
        while (Node* next = last->next(level))
          last = next;
      }
      return last;
    }
  }
  return nullptr;
}

bool BucketTable::Contains(const char* key) const {
  const Slice internal = compare_.decode_key(key);
  const Node* node = at_or_after(front_of_internal(internal), internal);
  return node != nullptr && compare_(node->entry(), internal) == 0;
}

class BucketTable::Cursor final : public MemTableRep::Iterator {
 public:
  explicit Cursor(const BucketTable& of) : of_(of) {}
  [[nodiscard]] bool Valid() const override { return node_ != nullptr; }
  [[nodiscard]] const char* key() const override { return node_->entry(); }
  void Next() override {
    Node* next = node_->next(0);
    node_ = next != nullptr ? next : of_.first_from(of_.bucket_of(node_->front) + 1);
  }
  void Prev() override { go_before(of_.compare_.decode_key(node_->entry())); }
  void Seek(const Slice& internal, const char* /*memtable_key*/) override {
    node_ = of_.at_or_after(front_of_internal(internal), internal);
  }
  void SeekForPrev(const Slice& internal, const char* /*memtable_key*/) override {
    Seek(internal, nullptr);
    if (node_ != nullptr && of_.compare_(node_->entry(), internal) == 0) return;
    go_before(internal);
  }
  void SeekToFirst() override { node_ = of_.first_from(0); }
  void SeekToLast() override { node_ = of_.last_below(of_.count_); }

 private:
  void go_before(const Slice& internal) {
    const std::uint64_t front = front_of_internal(internal);
    node_ = of_.before(front, internal);
    if (node_ == nullptr) node_ = of_.last_below(of_.bucket_of(front));
  }

  const BucketTable& of_;
  Node* node_ = nullptr;
};

MemTableRep::Iterator* BucketTable::GetIterator(rocksdb::Arena* arena) {
  if (arena == nullptr) return new Cursor(*this);
  return new (Room(arena).take(sizeof(Cursor))) Cursor(*this);
}

// MemTableRep::Get knows what a LookupKey is, which has no public header. It asks for an iterator
// and does not give it back.
thread_local MemTableRep::Iterator* lent = nullptr;

void BucketTable::Get(const rocksdb::LookupKey& key, void* args,
                      bool (*found)(void* args, const char* entry)) {
  Cursor cursor(*this);
  lent = &cursor;
  MemTableRep::Get(key, args, found);
  lent = nullptr;
}

MemTableRep::Iterator* BucketTable::GetDynamicPrefixIterator(rocksdb::Arena* arena) {
  return lent != nullptr ? lent : GetIterator(arena);
}

class BucketTables final : public BucketTableFactory {
 public:
  BucketTables(char letter, int bits) : letter_(letter), bits_(bits) {}
  using MemTableRepFactory::CreateMemTableRep;
  MemTableRep* CreateMemTableRep(const MemTableRep::KeyComparator& compare,
                                 rocksdb::Allocator* allocator, const rocksdb::SliceTransform*,
                                 rocksdb::Logger*) override {
    return new BucketTable(compare, allocator, letter_, bits_, newest_);
  }
  void expect_buckets(std::span<const std::string_view> keys) override {
    const std::lock_guard lock(newest_->mutex);
    if (newest_->table != nullptr) newest_->table->expect_buckets(keys);
  }
  void expect_nodes(std::span<const std::string_view> keys) override {
    const std::lock_guard lock(newest_->mutex);
    if (newest_->table != nullptr) newest_->table->expect_nodes(keys);
  }
  [[nodiscard]] const char* Name() const override { return "holdfast.BucketTable"; }

 private:
  const char letter_;
  const int bits_;
  const std::shared_ptr<Newest> newest_ = std::make_shared<Newest>();
};

}  // namespace

std::shared_ptr<BucketTableFactory> bucket_tables(char letter, std::size_t write_buffer) {
  const int bits = static_cast<int>(std::bit_width(write_buffer / kBytesABucket)) - 1;
  return std::make_shared<BucketTables>(letter, std::clamp(bits, kBucketBitsMin, kBucketBitsMax));
}

}  // namespace hf::adapters
