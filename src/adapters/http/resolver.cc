#include "adapters/http/resolver.h"

#include <netdb.h>

#include <algorithm>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <cstring>
#include <mutex>
#include <system_error>
#include <thread>

namespace hf::adapters {

// Outlives the resolver in the threads that still wait for an answer.
struct Resolver::Mailbox {
  std::mutex mutex;
  boost::asio::io_context* io = nullptr;  // null once the resolver is gone; under the mutex
  Resolver* owner = nullptr;              // the same; I/O thread only
};

Result<Addresses> system_lookup(const std::string& host) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int status = ::getaddrinfo(host.c_str(), nullptr, &hints, &found);
  if (status != 0) return fail(ErrorKind::unavailable, ::gai_strerror(status));
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> list(found, &::freeaddrinfo);
  Addresses out;
  for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
    boost::asio::ip::tcp::endpoint endpoint;
    if (at->ai_addrlen > endpoint.capacity()) continue;
    std::memcpy(endpoint.data(), at->ai_addr, at->ai_addrlen);
    if (std::find(out.begin(), out.end(), endpoint.address()) == out.end()) {
      out.push_back(endpoint.address());
    }
  }
  if (out.empty()) return fail(ErrorKind::not_found, "no address");
  return out;
}

Resolver::Resolver(boost::asio::io_context& io, Lookup lookup, ResolverLimits limits)
    : lookup_(std::move(lookup)), limits_(limits), mailbox_(std::make_shared<Mailbox>()) {
  mailbox_->io = &io;
  mailbox_->owner = this;
}

Resolver::~Resolver() {
  const std::lock_guard lock(mailbox_->mutex);
  mailbox_->io = nullptr;
  mailbox_->owner = nullptr;
}

void Resolver::resolve(const std::string& host, Instant now, Done done) {
  boost::system::error_code not_literal;
  const auto literal = boost::asio::ip::make_address(host, not_literal);
  if (!not_literal) return done(Addresses{literal});
  now_ = now;
  const auto known = hosts_.find(host);
  if (known != hosts_.end() && !known->second.addresses.empty() &&
      now - known->second.looked_up < limits_.keep) {
    // A copy, since the callback may ask again and change the map.
    const Result<Addresses> answer = known->second.addresses;
    return done(answer);
  }
  const bool joins = known != hosts_.end() && known->second.running;
  if (waiting_ >= limits_.waiting || (!joins && running_ >= limits_.lookups)) {
    return done(fail(ErrorKind::full, "too many name look-ups at once"));
  }
  if (known == hosts_.end()) make_room(now);
  auto& entry = hosts_[host];
  entry.waiting.push_back(std::move(done));
  ++waiting_;
  if (!joins) look_up(host);
}

void Resolver::look_up(const std::string& host) {
  hosts_[host].running = true;
  ++running_;
  ++lookups_;
  const auto work = [box = mailbox_, lookup = lookup_, host] {
    auto answer = lookup(host);
    const std::lock_guard lock(box->mutex);
    if (box->io == nullptr) return;
    boost::asio::post(*box->io, [box, host, answer = std::move(answer)]() mutable {
      if (box->owner != nullptr) box->owner->on_answer(host, std::move(answer));
    });
  };
  try {
    std::thread(work).detach();
  } catch (const std::system_error& error) {
    on_answer(host, fail(ErrorKind::unavailable, error.what()));
  }
}

void Resolver::on_answer(const std::string& host, Result<Addresses> answer) {
  auto& entry = hosts_[host];
  entry.running = false;
  --running_;
  const auto waiting = std::exchange(entry.waiting, {});
  waiting_ -= waiting.size();
  if (answer.ok()) {
    entry.addresses = answer.value();
    entry.looked_up = now_;
  } else {
    hosts_.erase(host);
  }
  for (const auto& done : waiting)
    done(answer);
}

void Resolver::make_room(Instant now) {
  if (hosts_.size() < limits_.hosts) return;
  std::erase_if(hosts_, [&](const auto& host) {
    return !host.second.running && now - host.second.looked_up >= limits_.keep;
  });
  if (hosts_.size() < limits_.hosts) return;
  std::erase_if(hosts_, [](const auto& host) { return !host.second.running; });
}

}  // namespace hf::adapters
