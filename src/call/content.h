// A body and its digest, which only content_of() puts together: whoever holds one may leave the
// digest out where the body stands, since it can be worked out again.
#pragma once

#include "base/bytes.h"
#include "call/digest.h"
#include "call/hasher.h"

namespace hf::call {

class Content {
 public:
  // Of all bytes of the body: equal ones show equal bodies, and nothing else.
  [[nodiscard]] const Digest& digest() const { return digest_; }
  [[nodiscard]] const Body& body() const { return body_; }

 private:
  friend Content content_of(Body body, const Hasher& hasher);
  Content(Digest digest, Body body) : digest_(digest), body_(std::move(body)) {}
  Digest digest_;
  Body body_;
};

inline Content content_of(Body body, const Hasher& hasher) {
  const Digest digest = hasher.digest("content", view(body));
  return {digest, std::move(body)};
}

}  // namespace hf::call
