// Who may talk to the admin API: whoever knows the token, and never a web page that has talked a
// browser into it (DNS rebinding): the Host of a request must be a name of this listener.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/fields.h"

namespace hf::control {

// Constant time in the content; the length is no secret.
bool same_secret(std::string_view a, std::string_view b);

// True when the request carries exactly one `Authorization: Bearer <token>`. An empty token lets
// nobody in.
bool has_token(const Fields& fields, std::string_view token);

// True when there is exactly one Host and it names a loopback address, localhost, the host of
// `listen` ("127.0.0.1:8081"), or one of `also`. A listener on all addresses (0.0.0.0, [::]) takes
// any IP address as well: rebinding needs a name. Ports do not matter.
bool host_allowed(const Fields& fields, std::string_view listen,
                  const std::vector<std::string>& also);

}  // namespace hf::control
