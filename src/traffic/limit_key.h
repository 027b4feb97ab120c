// What tells one client from another under a limit: the parts of a request, and the key they make.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ip_address.h"
#include "call/intake.h"
#include "call/limits.h"
#include "traffic/limit_table.h"
#include "traffic/path_match.h"

namespace hf::traffic {

// Of this process: what one client is called under, nobody outside can work out.
using HashSecret = std::array<unsigned char, 16>;

// A request as limits see it.
struct Subject {
  const call::IncomingHead* head = nullptr;
  std::string path;                  // plain_path of its target
  std::optional<IpAddress> address;  // of the client itself; none: it is not known
  int v6_prefix = 64;
  std::string_view body;  // where it has been read
};

// The text of one part; nothing where the request has no single such value. At most 4 KiB of it are
// looked at: the rest of a longer one tells nobody apart.
std::optional<std::string> part_text(const call::LimitPart& part, const Subject& subject,
                                     const PathTemplate& path,
                                     const std::vector<std::string_view>& path_values);

// The key of `parts`, as part_text gave them, under the limit of that name. A part that is missing
// counts as the client's address instead, so that leaving it out gains nobody anything and costs
// nobody else anything.
ClientKey client_key(const HashSecret& secret, const call::LimitSettings& limit,
                     const std::vector<std::optional<std::string>>& parts, const Subject& subject);

// How a client is called where people read it: addresses and values of a path as they are, all else
// as "#" and the first digits of the key, since it may be a credential or somebody's name.
std::string client_label(const call::LimitSettings& limit,
                         const std::vector<std::optional<std::string>>& parts,
                         const Subject& subject, const ClientKey& key);

// A request's address as one client: an address of IPv4, a network of IPv6; "?" where unknown.
std::string address_text(const Subject& subject);

}  // namespace hf::traffic
