#include "adapters/rocksdb/journal_reader.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "adapters/journal/reads.h"
#include "adapters/rocksdb/database.h"
#include "adapters/rocksdb/sending_marks.h"
#include "call/record.h"

namespace hf::adapters {
namespace {

// The lock that RocksDB takes when it opens a database to write.
class WriterLock {
 public:
  WriterLock() = default;
  WriterLock(const WriterLock&) = delete;
  WriterLock& operator=(const WriterLock&) = delete;
  ~WriterLock() {
    if (fd_ >= 0) ::close(fd_);
  }

  Result<void> take(const std::string& journal) {
    const std::string path = journal + "/db/LOCK";
    fd_ = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
    // Where nothing can be written, as on a copy that is mounted read-only, nobody writes.
    if (fd_ < 0 && (errno == EROFS || errno == EACCES)) return {};
    if (fd_ < 0 && errno == ENOENT) {
      return fail(ErrorKind::not_found, "there is no journal in " + journal);
    }
    if (fd_ < 0)
      return fail(ErrorKind::unavailable, fmt::format("{}: {}", path, std::strerror(errno)));
    struct flock lock {};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    if (::fcntl(fd_, F_SETLK, &lock) == 0) return {};
    return fail(ErrorKind::unavailable,
                fmt::format("a Holdfast has the journal in {} open: stop it, or export over its "
                            "admin API (without --journal)",
                            journal));
  }

 private:
  int fd_ = -1;
};

}  // namespace

struct JournalReader::Impl {
  explicit Impl(const call::Sealer& sealer) : codec(sealer) {}
  WriterLock lock;
  std::unique_ptr<Database> database;
  call::RecordCodec codec;
  std::unique_ptr<JournalReads> reads;
};

JournalReader::JournalReader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
JournalReader::~JournalReader() = default;

Result<std::unique_ptr<JournalReader>> JournalReader::open(const std::string& path,
                                                           const call::Sealer& sealer) {
  auto impl = std::make_unique<Impl>(sealer);
  HF_TRY_VOID(impl->lock.take(path));
  HF_TRY(impl->database, Database::open_to_read(path + "/db"));
  impl->reads = std::make_unique<JournalReads>(impl->database->view(), impl->codec);
  const std::string made = call::meta_key(call::kMetaMade);
  HF_TRY(const auto birth, impl->database->view().get(made));
  if (!birth) return fail(ErrorKind::not_found, "there is no journal in " + path);
  auto known = impl->codec.open_meta(made, *birth);
  if (!known.ok()) return known.take_error().in("journal " + path);
  HF_TRY_VOID(SendingMarks::complete(*impl->database, impl->codec));  // seen, never written
  return std::unique_ptr<JournalReader>(new JournalReader(std::move(impl)));
}

Result<ports::CallPage> JournalReader::list(const ports::CallFilter& filter) const {
  return impl_->reads->list(filter);
}

}  // namespace hf::adapters
