// What the other end of a connection does: the words in which the simulated wire and a script on a
// real socket can be told the same.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "base/time.h"
#include "call/attempt.h"

namespace hf::sim {

// With one request. By default it reads all of it, answers whole and keeps the connection.
struct PeerAct {
  enum class Reads : std::uint8_t {
    nothing,  // it acts once the first byte is there, and leaves it unread
    head,
    all,
  };
  enum class Head : std::uint8_t {
    none,     // not even a status line
    foreign,  // bytes that are no HTTP
    half,     // a status line, and then no end of the head
    broken,   // a status line and fields that cannot be trusted
    whole,
  };
  enum class Framing : std::uint8_t { length, chunked, until_close };
  enum class Then : std::uint8_t {
    keeps,
    closes,  // FIN; a reset where it left something unread
    resets,
    silent,  // keeps, and where more is owed nothing comes
  };
  static constexpr std::size_t kAll = static_cast<std::size_t>(-1);

  Reads reads = Reads::all;
  int interims = 0;  // 1xx answers before anything else
  Head head = Head::whole;
  call::AnswerHead answer{200, {}};  // without framing fields
  std::string body = {};
  Framing framing = Framing::length;
  std::size_t sends = kAll;     // how much of the body comes
  bool spoils_framing = false;  // bytes that frame nothing come behind it (chunked only)
  bool speaks_on = false;       // bytes that nobody asked for come behind the whole answer
  bool at_once = true;          // the head comes in one piece with what is sent of the body
  bool last = false;            // says that the connection ends with this exchange
  std::optional<Duration> keep_alive = {};  // says how long it keeps the connection: whole seconds
  Then then = Then::keeps;
  // Of a kept connection, on the simulated wire: how long it is kept when nothing comes, and how
  // long it takes until the end of it is seen here. Nothing: for ever.
  std::optional<Duration> keeps_for = {};
  Duration end_seen_after = {};
};

// With a connection that carries no request.
enum class Stir : std::uint8_t { closes, resets, speaks };

}  // namespace hf::sim
