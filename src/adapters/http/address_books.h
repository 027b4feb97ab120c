// What the names of upstreams stand for, and how each of these addresses is doing: where the next
// connection goes, and which kept one is used. The URLs of an upstream are the engine's to choose
// from; here it is about the addresses behind one URL.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "adapters/http/resolver.h"
#include "adapters/telemetry/log_line.h"
#include "base/prng.h"
#include "call/address_book.h"
#include "call/settings.h"

namespace hf::adapters {

// "192.0.2.1:443", "[2001:db8::1]:443".
std::string address_text(const boost::asio::ip::address& address, std::uint16_t port);

struct NamedAddress {
  std::string upstream;
  std::string url;  // its authority, or "proxy " and the proxy's
  call::AddressFacts facts;
};

class AddressBooks {
 public:
  using Tell = std::function<void(LogLine)>;
  AddressBooks(std::uint64_t seed, Tell tell);
  ~AddressBooks();

  struct Book {
    std::string upstream;
    std::string place;
    call::AddressBook addresses;
    std::vector<std::string> first_family;  // those of the family that the resolver prefers

    [[nodiscard]] std::vector<std::string> rather_than(const std::string& tried,
                                                       const Now& now) const;
  };

  // One attempt's hold on an address, from its choice to its end. Must be ended before it is
  // destroyed, and before the books are.
  class Lease {
   public:
    // `place`: whose name it is, for people: a URL's authority, or a proxy's.
    Lease(AddressBooks& books, const call::UpstreamSettings& settings, const std::string& place);
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;

    // What the name stands for now, in the order of preference. Not empty.
    void learn(const Addresses& addresses, std::uint16_t port);
    // Chooses, unless there is a choice that still exists. False: nobody knows the name's addresses
    // yet. `harmless` as in AddressBook::take; `tried`: rather another one than this.
    bool choose(const Now& now, bool harmless, const std::string& tried);
    // The connection is to another one than was chosen.
    void move_to(const std::string& address, const Now& now);
    // Empty: none is chosen.
    [[nodiscard]] const std::string& address() const { return address_; }
    // Not left out.
    [[nodiscard]] bool is_in(const std::string& address, const Now& now) const;
    // A connection to it could not be made.
    void note_failure(const std::string& address, std::string_view why, Instant begun,
                      const Now& now);
    // What the attempt showed of the address. Once.
    void end(call::Sign sign, std::string_view why, const Now& now);

   private:
    void report(policy::Verdict verdict, const std::string& address, const Now& now) const;

    const AddressBooks& books_;
    Book& book_;
    std::optional<call::AddressTicket> ticket_;
    std::string address_;
  };

  // Of the places that stand for several addresses.
  [[nodiscard]] std::vector<NamedAddress> facts(const Now& now) const;

 private:
  Book& get(const call::UpstreamSettings& settings, const std::string& place);

  Prng prng_;
  Tell tell_;
  // By upstream, then place; of configured upstreams only, and none is ever taken out.
  std::map<std::string, std::map<std::string, Book>> books_;
};

}  // namespace hf::adapters
