// The body of a streamed request, as the upstream side reads it: what the connection takes from its
// socket, and the beginning of it again for a second attempt.
#pragma once

#include <string>

#include "ports/streams.h"

namespace hf::adapters {

class Connection;

// Shared between the connection and whoever reads it. The connection detaches it when its exchange
// ends; what is kept can still be read then, and the rest is `aborted`.
class RequestBody : public ports::BodySource {
 public:
  // `length` is the declared one or -1; the first `keep_max` bytes are kept for rewind().
  RequestBody(Connection& connection, std::int64_t length, std::uint64_t keep_max)
      : connection_(&connection), length_(length), keep_max_(keep_max) {}

  void read(Deliver deliver) override;
  void stop() override { deliver_ = nullptr; }
  [[nodiscard]] bool replayable() const override { return !overflowed_; }
  void rewind() override;
  [[nodiscard]] std::int64_t length() const override { return length_; }

  // For the connection. A piece that nobody waits for (after stop()) is kept for the next read().
  void on_piece(std::string bytes, bool last);
  void on_end();
  // The exchange is over. Gives what read() was waiting with, to be told `aborted` by the caller
  // once its own state is settled; null when nobody waits.
  [[nodiscard]] Deliver detach();

 private:
  Connection* connection_;  // null: detached
  std::int64_t length_;
  std::uint64_t keep_max_;
  std::string kept_;    // every byte so far, unless overflowed_
  std::size_t at_ = 0;  // how far into kept_ this reading is
  std::string unread_;  // came after stop(), not in kept_ any more
  bool overflowed_ = false;
  bool ended_ = false;
  Deliver deliver_;
};

}  // namespace hf::adapters
