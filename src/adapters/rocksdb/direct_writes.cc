#include "adapters/rocksdb/direct_writes.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <system_error>

namespace hf::adapters {
namespace {

constexpr std::size_t kBlock = 4096;  // no disk's blocks are larger

struct Free {
  void operator()(void* bytes) const { std::free(bytes); }
};

}  // namespace

// Some file systems refuse at open(2), others at the first write.
bool takes_direct_writes(const std::string& dir) {
  std::error_code error;
  std::filesystem::create_directories(dir, error);
  const std::string path = dir + "/direct-writes.tmp";
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_DIRECT, 0600);
  bool taken = false;
  if (file >= 0) {
    const std::unique_ptr<void, Free> block(std::aligned_alloc(kBlock, kBlock));
    if (block) {
      std::fill_n(static_cast<char*>(block.get()), kBlock, '\0');
      taken = ::pwrite(file, block.get(), kBlock, 0) == static_cast<::ssize_t>(kBlock);
    }
    ::close(file);
  }
  ::unlink(path.c_str());
  return taken;
}

}  // namespace hf::adapters
