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

AddressBooks::Book* AddressBooks::find(const call::UpstreamSettings& settings,
                                       const std::string& place) {
  const auto found = books_.find({settings.name, place});
  return found == books_.end() ? nullptr : &found->second;
}

AddressBooks::Book& AddressBooks::get(const call::UpstreamSettings& settings,
                                      const std::string& place) {
  if (Book* known = find(settings, place)) return *known;
  Book fresh{call::AddressBook(settings.ejection, prng_.fork(settings.name + " " + place)), {}};
  return books_.emplace(Key{settings.name, place}, std::move(fresh)).first->second;
}

std::vector<NamedAddress> AddressBooks::facts(const Now& now) const {
  std::vector<NamedAddress> out;
  for (const auto& [key, book] : books_) {
    if (book.addresses.size() < 2) continue;
    for (auto& one : book.addresses.all(now))
      out.push_back({key.first, key.second, std::move(one)});
  }
  return out;
}

AddressBooks::Lease::Lease(AddressBooks& books, const call::UpstreamSettings& settings,
                           std::string place)
    : books_(books), settings_(settings), place_(std::move(place)) {}

void AddressBooks::Lease::learn(const Addresses& addresses, std::uint16_t port) {
  Book& book = books_.get(settings_, place_);
  std::vector<std::string> all;
  book.first_family.clear();
  for (const auto& address : addresses) {
    if (all.size() == kAddressesMax) break;
    all.push_back(address_text(address, port));
    if (address.is_v4() == addresses.front().is_v4()) book.first_family.push_back(all.back());
  }
  book.addresses.set(all);
}

bool AddressBooks::Lease::choose(const Now& now, bool harmless) {
  Book* book = books_.find(settings_, place_);
  if (book == nullptr || book->addresses.size() == 0) return false;
  if (ticket_ && book->addresses.facts(ticket_->address, now)) return true;
  ticket_ = book->addresses.take(now.mono, harmless, book->first_family);
  address_ = ticket_->address;
  return true;
}

void AddressBooks::Lease::move_to(const std::string& address, const Now& now) {
  if (address == address_) return;
  Book& book = books_.get(settings_, place_);
  const auto begun = ticket_ ? ticket_->begun : now.mono;
  if (ticket_) {
    // What it showed has been noted. A probe that ended so is over.
    report(book.addresses.give_back(*ticket_, call::Sign::none, "", now.mono), address_, now);
  }
  ticket_ = book.addresses.take_this(address, begun);
  address_ = address;
}

bool AddressBooks::Lease::is_in(const std::string& address, const Now& now) const {
  Book* book = books_.find(settings_, place_);
  const auto facts = book == nullptr ? std::nullopt : book->addresses.facts(address, now);
  return !facts || facts->standing == policy::Standing::in;
}

void AddressBooks::Lease::note_failure(const std::string& address, std::string_view why,
                                       Instant begun, const Now& now) {
  Book* book = books_.find(settings_, place_);
  if (book == nullptr) return;
  if (ticket_ && address == address_) {
    report(book->addresses.give_back(*ticket_, call::Sign::failed, why, now.mono), address, now);
    ticket_.reset();
    address_.clear();
    return;
  }
  report(book->addresses.note(address, call::Sign::failed, why, begun, now.mono), address, now);
}

void AddressBooks::Lease::end(call::Sign sign, std::string_view why, const Now& now) {
  Book* book = books_.find(settings_, place_);
  if (!ticket_ || book == nullptr) return;
  const auto verdict = book->addresses.give_back(*ticket_, sign, why, now.mono);
  ticket_.reset();
  report(verdict, address_, now);
}

void AddressBooks::Lease::report(policy::Verdict verdict, const std::string& address,
                                 const Now& now) const {
  if (verdict == policy::Verdict::none) return;
  const bool back = verdict == policy::Verdict::returned;
  const auto facts = books_.find(settings_, place_)->addresses.facts(address, now);
  LogLine line;
  line.level = back ? LogLevel::info : LogLevel::warning;
  line.what = back ? "address_returned" : "address_ejected";
  line.upstream = settings_.name;
  line.detail = fmt::format("{} ({}): {}", address, place_,
                            back ? "answered again" : call::describe_ejection(*facts, now.wall));
  books_.tell_(std::move(line));
}

}  // namespace hf::adapters
