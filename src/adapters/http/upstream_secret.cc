#include "adapters/http/upstream_secret.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "base/fields.h"

namespace hf::adapters {
namespace {

constexpr off_t kMaxSecret = 64 * 1024;
constexpr std::size_t kMaxFiles = 256;

// Closes on every way out.
struct Descriptor {
  int fd = -1;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

Result<std::string> read_all(int fd) {
  std::string out;
  std::array<char, 4096> piece{};
  for (;;) {
    const auto n = ::read(fd, piece.data(), piece.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail(ErrorKind::unavailable, std::strerror(errno));
    if (n == 0) return out;
    out.append(piece.data(), static_cast<std::size_t>(n));
    if (out.size() > static_cast<std::size_t>(kMaxSecret)) {
      return fail(ErrorKind::unavailable, "larger than 64 KiB");
    }
  }
}

void strip_line_end(std::string& text) {
  if (text.ends_with('\n')) text.pop_back();
  if (text.ends_with('\r')) text.pop_back();
}

}  // namespace

bool is_field_value(std::string_view text) {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < 0x20 && c != '\t') || byte == 0x7f) return false;
  }
  return trim_blanks(text).size() == text.size();
}

Result<std::string> SecretResolver::from_file(const std::string& path) {
  // O_NONBLOCK: a FIFO in the secret's place must not stop the I/O thread.
  const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  struct stat now {};
  if (file.fd < 0 || ::fstat(file.fd, &now) != 0) {
    return fail(ErrorKind::unavailable, std::strerror(errno));
  }
  if (!S_ISREG(now.st_mode)) return fail(ErrorKind::unavailable, "not a file");
  const auto known = files_.find(path);
  if (known != files_.end() && known->second.inode == now.st_ino &&
      known->second.size == now.st_size && known->second.changed.tv_sec == now.st_mtim.tv_sec &&
      known->second.changed.tv_nsec == now.st_mtim.tv_nsec) {
    return known->second.content;
  }
  HF_TRY(auto content, read_all(file.fd));
  strip_line_end(content);
  if (content.empty()) return fail(ErrorKind::unavailable, "empty");
  if (files_.size() >= kMaxFiles) files_.clear();
  files_[path] = {now.st_mtim, now.st_ino, now.st_size, content};
  return content;
}

Result<std::string> SecretResolver::placeholder(const std::string& inside) {
  const auto doing = fmt::format("secret ${{{}}}", inside);
  if (inside.starts_with("file:")) {
    auto content = from_file(inside.substr(5));
    if (!content.ok()) return content.take_error().in(doing);
    return content;
  }
  if (inside.starts_with("env:")) {
    const char* value = std::getenv(inside.substr(4).c_str());
    if (value == nullptr || *value == '\0') {
      return fail(ErrorKind::unavailable, "not set").in(doing);
    }
    return std::string(value);
  }
  return fail(ErrorKind::invalid, "neither file: nor env:").in(doing);
}

Result<std::string> SecretResolver::resolve(const std::string& value) {
  std::string out;
  std::size_t at = 0;
  for (;;) {
    const auto open = value.find("${", at);
    if (open == std::string::npos) break;
    const auto close = value.find('}', open);
    if (close == std::string::npos) return fail(ErrorKind::invalid, "secret: no } behind ${");
    out.append(value, at, open - at);
    HF_TRY(const auto secret, placeholder(value.substr(open + 2, close - open - 2)));
    out += secret;
    at = close + 1;
  }
  out.append(value, at);
  if (!is_field_value(out)) {
    return fail(ErrorKind::invalid, "secret: holds bytes that cannot stand in a header field");
  }
  return out;
}

Result<std::string> resolve_secret(const std::string& value) {
  return SecretResolver().resolve(value);
}

}  // namespace hf::adapters
