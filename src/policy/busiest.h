// Who asks most: the clients with the most requests of the last seconds, in bounded memory.
//
// Space-Saving (Metwally, Agrawal, El Abbadi 2005) in sets of eight: a client that finds its set
// full takes the place of the one there that asked least, with that one's count as its doubt. So
// what is told of a client is never more than it asked.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/ip_address.h"
#include "base/time.h"

namespace hf::policy {

// One thread.
class Busiest {
 public:
  static constexpr Duration kWindow = Duration::seconds(5);

  struct Client {
    IpAddress who;
    std::uint64_t asked = 0;
    std::uint64_t refused = 0;
  };

  // `now` does not fall.
  void asked(const IpAddress& who, Instant now);
  // One that it asked was refused; counts where the client is still known.
  void refused(const IpAddress& who, Instant now);
  struct Top {
    Duration over;                // the time that is told of: at most two windows
    std::vector<Client> clients;  // the busiest first; each asked at least so often
  };
  // Of this window and the one before.
  [[nodiscard]] Top top(std::size_t most, Instant now);

 private:
  static constexpr std::size_t kSets = 128;
  static constexpr std::size_t kWays = 8;
  struct Slot {
    Client client;
    std::uint64_t doubt = 0;  // of client.asked
  };
  using Set = std::array<Slot, kWays>;
  using Window = std::array<Set, kSets>;

  void roll(Instant now);

  // On the heap: 80 KB.
  std::vector<Window> windows_ = std::vector<Window>(2);  // this one, the one before
  Instant began_{INT64_MIN};
  bool before_ = false;  // there is a window before this one
};

}  // namespace hf::policy
