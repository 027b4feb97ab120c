#include "adapters/tls/client_contexts.h"

#include <fmt/format.h>

namespace hf::adapters {
namespace {

constexpr Duration kLook = Duration::seconds(1);

}  // namespace

ClientContexts::Stamps ClientContexts::stamps_of(const call::UpstreamTls& settings) {
  const auto of = [](const std::string& path) {
    return path.empty() ? FileStamp() : FileStamp::of(path);
  };
  return {of(settings.ca), of(settings.certificate), of(settings.key)};
}

Result<std::shared_ptr<ClientContext>> ClientContexts::make(const call::UpstreamTls& settings) {
  std::string passphrase;
  if (!settings.passphrase.empty()) {
    auto resolved = resolve_(settings.passphrase);
    if (!resolved.ok()) return resolved.take_error().in("passphrase");
    passphrase = std::move(resolved).value();
  }
  return ClientContext::make(settings, passphrase);
}

Result<ReadContext> ClientContexts::get(const call::UpstreamTls& settings, Instant now) {
  const auto known = entries_.find(settings);
  if (known != entries_.end() && now - known->second.looked < kLook) return known->second.current;
  const Stamps stamps = stamps_of(settings);
  if (known != entries_.end()) {
    known->second.looked = now;
    // What could not be used is tried again although it looks the same: a passphrase may be
    // another.
    if (stamps == known->second.stamps && known->second.failed.empty()) {
      return known->second.current;
    }
  }
  auto made = make(settings);
  if (known == entries_.end()) {
    if (!made.ok()) return made.take_error();
    const ReadContext fresh{std::move(made).value(), ++readings_};
    entries_[settings] = {fresh, stamps, now, {}};
    return fresh;
  }
  Entry& entry = known->second;
  entry.stamps = stamps;
  if (!made.ok()) {
    const std::string why = made.error().context;
    if (why != entry.failed) tell_(false, why + "; what was read before stays in use");
    entry.failed = why;
    return entry.current;
  }
  entry.current = {std::move(made).value(), ++readings_};
  entry.failed.clear();
  tell_(true, settings.certificate.empty() ? fmt::format("{} was read anew", settings.ca)
                                           : fmt::format("{} was read anew", settings.certificate));
  return entry.current;
}

}  // namespace hf::adapters
