#include "adapters/http/address_books.h"

#include <fmt/format.h>

#include <algorithm>

namespace hf::adapters {
namespace {

constexpr std::size_t kAddressesMax = 64;  // that one name may stand for

}  // namespace

std::string address_text(const boost::asio::ip::address& address, std::uint16_t port) {
  const auto host = address.to_string();
  return address.is_v6() ? fmt::format("[{}]:{}", host, port) : fmt::format("{}:{}", host, port);
}

AddressBooks::AddressBooks(std::uint64_t seed, Tell tell) : prng_(seed), tell_(std::move(tell)) {}

AddressBooks::~AddressBooks() = default;

AddressBooks::Book& AddressBooks::get(const call::UpstreamSettings& settings,
                                      const std::string& place) {
  auto& places = books_[settings.name];
  const auto known = places.find(place);
  if (known != places.end()) return known->second;
  call::AddressBook fresh(settings.ejection, prng_.fork(settings.name + " " + place));
  return places.emplace(place, Book{settings.name, place, std::move(fresh), {}}).first->second;
}

std::vector<NamedAddress> AddressBooks::facts(const Now& now) const {
  std::vector<NamedAddress> out;
  for (const auto& [upstream, places] : books_) {
    for (const auto& [place, book] : places) {
      if (book.addresses.size() < 2) continue;
      for (auto& one : book.addresses.all(now))
        out.push_back({upstream, place, std::move(one)});
    }
  }
  return out;
}

AddressBooks::Lease::Lease(AddressBooks& books, const call::UpstreamSettings& settings,
                           const std::string& place)
    : books_(books), book_(books.get(settings, place)) {}

void AddressBooks::Lease::learn(const Addresses& addresses, std::uint16_t port) {
  std::vector<std::string> all;
  book_.first_family.clear();
  for (const auto& address : addresses) {
    if (all.size() == kAddressesMax) break;
    all.push_back(address_text(address, port));
    if (address.is_v4() == addresses.front().is_v4()) book_.first_family.push_back(all.back());
  }
  book_.addresses.set(all);
}

// Others of the preferred family, or of the other one where no other is in.
std::vector<std::string> AddressBooks::Book::rather_than(const std::string& tried,
                                                         const Now& now) const {
  std::vector<std::string> preferred;
  std::vector<std::string> others;
  for (const auto& one : addresses.all(now)) {
    if (one.address == tried || one.standing != policy::Standing::in) continue;
    const bool first =
        std::find(first_family.begin(), first_family.end(), one.address) != first_family.end();
    (first ? preferred : others).push_back(one.address);
  }
  return preferred.empty() ? others : preferred;
}

bool AddressBooks::Lease::choose(const Now& now, bool harmless, const std::string& tried) {
  if (book_.addresses.size() == 0) return false;
  if (ticket_ && book_.addresses.facts(ticket_->address, now)) return true;
  if (tried.empty() || book_.addresses.size() == 1) {
    ticket_ = book_.addresses.take(now.mono, harmless, book_.first_family);
  } else {
    ticket_ = book_.addresses.take(now.mono, harmless, book_.rather_than(tried, now));
  }
  address_ = ticket_->address;
  return true;
}

void AddressBooks::Lease::move_to(const std::string& address, const Now& now) {
  if (address == address_) return;
  const auto begun = ticket_ ? ticket_->begun : now.mono;
  // What the former one showed has been noted. A probe that ended so is over.
  end(call::Sign::none, "", now);
  ticket_ = book_.addresses.take_this(address, begun);
  address_ = address;
}

bool AddressBooks::Lease::is_in(const std::string& address, const Now& now) const {
  const auto facts = book_.addresses.facts(address, now);
  return !facts || facts->standing == policy::Standing::in;
}

void AddressBooks::Lease::note_failure(const std::string& address, std::string_view why,
                                       Instant begun, const Now& now) {
  if (ticket_ && address == address_) return end(call::Sign::failed, why, now);
  report(book_.addresses.note(address, call::Sign::failed, why, begun, now.mono), address, now);
}

void AddressBooks::Lease::end(call::Sign sign, std::string_view why, const Now& now) {
  if (!ticket_) return;
  const auto verdict = book_.addresses.give_back(*ticket_, sign, why, now.mono);
  ticket_.reset();
  report(verdict, std::exchange(address_, {}), now);
}

void AddressBooks::Lease::report(policy::Verdict verdict, const std::string& address,
                                 const Now& now) const {
  if (verdict == policy::Verdict::none) return;
  const bool back = verdict == policy::Verdict::returned;
  const auto facts = book_.addresses.facts(address, now);
  LogLine line;
  line.level = back ? LogLevel::info : LogLevel::warning;
  line.what = back ? "address_returned" : "address_ejected";
  line.upstream = book_.upstream;
  line.detail = fmt::format("{} ({}): {}", address, book_.place,
                            back ? "answered again" : call::describe_ejection(*facts, now.wall));
  books_.tell_(std::move(line));
}

}  // namespace hf::adapters
