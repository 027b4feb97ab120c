// The TLS settings of all upstreams, each read once and again when its files change.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "adapters/system/watched_file.h"
#include "adapters/tls/client_context.h"
#include "base/result.h"
#include "base/time.h"
#include "call/settings.h"

namespace hf::adapters {

// A context, and which reading of its files it is: never the same number twice.
struct ReadContext {
  std::shared_ptr<ClientContext> context;
  std::uint64_t reading = 0;
};

// I/O thread only. Blocks on the disk as secrets do: for a look at each file once a second while
// connections are asked for, and to read those that have changed.
class ClientContexts {
 public:
  // What a passphrase's references stand for.
  using Resolve = std::function<Result<std::string>(const std::string&)>;
  // One line for people when files were read anew, or could not be and the earlier ones stay.
  using Tell = std::function<void(bool good, const std::string& line)>;

  ClientContexts(Resolve resolve, Tell tell)
      : resolve_(std::move(resolve)), tell_(std::move(tell)) {}

  // An error only where the files have never been good; as ClientContext::make says.
  Result<ReadContext> get(const call::UpstreamTls& settings, Instant now);

 private:
  struct Stamps {
    FileStamp ca;
    FileStamp certificate;
    FileStamp key;
    bool operator==(const Stamps&) const = default;
  };
  struct Entry {
    ReadContext current;
    Stamps stamps;  // of what was read last, good or not
    Instant looked;
    std::string failed;  // why that was of no use; empty: it was good
  };
  static Stamps stamps_of(const call::UpstreamTls& settings);
  Result<std::shared_ptr<ClientContext>> make(const call::UpstreamTls& settings);

  Resolve resolve_;
  Tell tell_;
  std::map<call::UpstreamTls, Entry> entries_;
  std::uint64_t readings_ = 0;
};

}  // namespace hf::adapters
