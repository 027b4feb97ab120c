#include "adapters/seal/key_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>
#include <utility>

#include "base/bytes.h"

namespace hf::adapters {
namespace {

constexpr std::size_t kSecretFileMax = 4096;
constexpr std::string_view kSealHeader = "# Holdfast seal key, version 1.";
constexpr std::string_view kTokenPrefix = "hf_";
constexpr std::size_t kTokenBytes = 32;

class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) {}
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() {
    if (fd_ >= 0) ::close(fd_);
  }
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_;
};

Error system_error(std::string_view doing, const std::string& path) {
  return fail(ErrorKind::unavailable, fmt::format("{} {}: {}", doing, path, std::strerror(errno)));
}

Result<void> check_private(int fd, const std::string& path) {
  struct stat about {};
  if (::fstat(fd, &about) != 0) return system_error("look at", path);
  if (!S_ISREG(about.st_mode)) return fail(ErrorKind::invalid, path + " is not a regular file");
  if (about.st_uid != ::geteuid() && about.st_uid != 0) {
    return fail(ErrorKind::invalid,
                fmt::format("{} belongs to user {}, Holdfast runs as {}; give it to that user: "
                            "chown {} {}",
                            path, about.st_uid, ::geteuid(), ::geteuid(), path));
  }
  if ((about.st_mode & 077) != 0) {
    return fail(ErrorKind::invalid,
                fmt::format("{} may be read or written by others (mode {:o}); if nobody has, take "
                            "that away: chmod 600 {}",
                            path, about.st_mode & 0777, path));
  }
  return {};
}

// None: there is no such file.
Result<std::optional<std::string>> read_secret(const std::string& path) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (fd.get() < 0) {
    if (errno == ENOENT) return std::optional<std::string>{};
    return system_error("open", path);
  }
  HF_TRY_VOID(check_private(fd.get(), path));
  std::string out(kSecretFileMax, '\0');
  const auto size = ::read(fd.get(), out.data(), out.size());
  if (size < 0) return system_error("read", path);
  out.resize(static_cast<std::size_t>(size));
  return std::optional<std::string>{std::move(out)};
}

Result<void> sync_dir_of(const std::string& path) {
  const auto dir = std::filesystem::path(path).parent_path();
  const std::string name = dir.empty() ? "." : dir.string();
  const Fd fd(::open(name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.get() < 0) return system_error("open", name);
  if (::fsync(fd.get()) != 0) return system_error("sync", name);
  return {};
}

Result<void> write_whole(int fd, std::string_view text, const std::string& path) {
  while (!text.empty()) {
    const auto written = ::write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return system_error("write", path);
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  if (::fsync(fd) != 0) return system_error("sync", path);
  return {};
}

// Whole or not at all, also through a crash, and never over a file that is there.
Result<void> write_secret(const std::string& path, std::string_view text) {
  const std::string draft = fmt::format("{}.{}.new", path, ::getpid());
  ::unlink(draft.c_str());
  const Fd fd(::open(draft.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (fd.get() < 0) return system_error("make", draft);
  auto written = write_whole(fd.get(), text, draft);
  if (written.ok() && ::link(draft.c_str(), path.c_str()) != 0) {
    written = system_error("make", path);
  }
  ::unlink(draft.c_str());
  HF_TRY_VOID(std::move(written));
  return sync_dir_of(path);
}

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

// The value of a line "name: value"; empty when there is none.
std::string_view line_value(std::string_view text, std::string_view name) {
  while (!text.empty()) {
    const auto end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    if (line.substr(0, name.size()) == name && line.substr(name.size(), 1) == ":") {
      return trimmed(line.substr(name.size() + 1));
    }
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return {};
}

Result<SealKey> parse_seal_key(std::string_view text, const std::string& path) {
  const auto malformed = [&] {
    return fail(ErrorKind::invalid,
                path + " is not a Holdfast seal key (or is cut off); put the right one back");
  };
  const auto key = from_hex(line_value(text, "key"));
  if (text.substr(0, kSealHeader.size()) != kSealHeader || !key.ok()) return malformed();
  SealKey out;
  if (key.value().size() != out.key.size()) return malformed();
  std::copy(key.value().begin(), key.value().end(), out.key.begin());
  out.id = call::Sealer(out.key).key_id();
  if (fmt::format("{:08x}", out.id) != line_value(text, "id")) {
    return fail(ErrorKind::invalid, path + ": the key does not belong to the id beside it");
  }
  return out;
}

bool has_data(const std::string& dir) {
  std::error_code error;
  std::filesystem::directory_iterator entries(dir, error);
  return !error && entries != std::filesystem::directory_iterator{};
}

}  // namespace

Result<void> make_private_dir(const std::string& path) {
  const std::filesystem::path dir(path);
  std::error_code error;
  if (std::filesystem::is_directory(dir, error)) return {};
  error.clear();  // "not there" is no failure, and a bare name has no parent to make first
  const auto parent = dir.parent_path();
  if (!parent.empty()) std::filesystem::create_directories(parent, error);
  if (error) {
    return fail(ErrorKind::unavailable,
                fmt::format("make {}: {}", parent.string(), error.message()));
  }
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return system_error("make", path);
  return {};
}

Result<SealKey> load_seal_key(const std::string& path) {
  HF_TRY(const auto text, read_secret(path));
  if (text) return parse_seal_key(*text, path);
  return fail(ErrorKind::not_found, path + " is not there");
}

Result<SealKey> load_or_make_seal_key(const std::string& path, const std::string& data_dir) {
  HF_TRY(const auto text, read_secret(path));
  if (text) return parse_seal_key(*text, path);
  if (has_data(data_dir)) {
    return fail(ErrorKind::invalid,
                fmt::format("{} is missing, but the journal in {} has data that only that key "
                            "opens; put the key back, or move the journal away to start anew",
                            path, data_dir));
  }
  if (sodium_init() < 0) return fail(ErrorKind::unavailable, "no source of random bytes");
  SealKey out;
  randombytes_buf(out.key.data(), out.key.size());
  out.id = call::Sealer(out.key).key_id();
  out.made = true;
  const std::string_view raw(reinterpret_cast<const char*>(out.key.data()), out.key.size());
  HF_TRY_VOID(write_secret(
      path, fmt::format("{}\n# Whoever has this key can read the journal; without it nobody can. "
                        "Keep a copy apart from it.\nid: {:08x}\nkey: {}\n",
                        kSealHeader, out.id, to_hex(raw))));
  return out;
}

Result<std::string> load_or_make_admin_token(const std::string& path) {
  HF_TRY(const auto text, read_secret(path));
  if (text) {
    const std::string token(trimmed(*text));
    const bool printable =
        std::all_of(token.begin(), token.end(), [](char c) { return c > ' ' && c < '\x7f'; });
    if (token.size() < kTokenPrefix.size() + 26 || !printable) {
      return fail(ErrorKind::invalid,
                  path +
                      " does not hold a token of at least 26 characters after \"hf_\"; delete it "
                      "to have a new one made");
    }
    return token;
  }
  if (sodium_init() < 0) return fail(ErrorKind::unavailable, "no source of random bytes");
  std::array<char, kTokenBytes> random{};
  randombytes_buf(random.data(), random.size());
  std::string token(kTokenPrefix);
  token += to_base32({random.data(), random.size()});
  HF_TRY_VOID(write_secret(path, token + "\n"));
  return token;
}

}  // namespace hf::adapters
