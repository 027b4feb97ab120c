// What became of requests. A slice of a load counts them where they were *due*, not where they
// were sent or answered: a server that stands still cannot thin out the numbers that tell of it.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string_view>

#include "base/time.h"
#include "load/histogram.h"

namespace hf::load {

// Why there was no whole answer.
enum class Failure : std::uint8_t {
  connect_refused,  // or unreachable: no connection was made
  connect_timeout,  // the request's time was over before there was a connection
  reset,            // the connection ended before a whole answer
  timeout,          // no whole answer in time
  bad_answer,       // not HTTP/1.1, or its framing is in doubt
  tls,              // the handshake failed
  unsent,           // the bound of connections was reached until the request's time was over
};
inline constexpr std::size_t kFailures = 7;
// "connect_refused": stable, for JSON.
std::string_view to_string(Failure failure);
// "connections refused", for sentences.
std::string_view in_words(Failure failure);

// An answer of 400 or more is an error of the server, like no answer.
inline constexpr int kFirstErrorStatus = 400;

struct Tally {
  std::uint64_t due = 0;
  std::uint64_t answered = 0;             // whole answers, whatever their status
  std::map<int, std::uint64_t> statuses;  // of those
  std::array<std::uint64_t, kFailures> failures{};
  // From when a request was due to its whole answer, or to when it was given up: what a user waits.
  Histogram latency;
  // From when it was sent, of answered ones: what the server took.
  Histogram service;
  Histogram connect;  // to make a connection, TLS included
  Histogram lag;      // from when a request was due to when the generator came to it: its own fault
  std::uint64_t queued = 0;  // had to wait since the bound of connections was reached

  void merge(const Tally& other);
  [[nodiscard]] std::uint64_t failed() const;  // without a whole answer
  [[nodiscard]] std::uint64_t bad_statuses() const;
  [[nodiscard]] std::uint64_t errors() const { return failed() + bad_statuses(); }
  // Neither answered nor given up.
  [[nodiscard]] std::uint64_t pending() const { return due - answered - failed(); }
};

// A piece of time of a load.
struct Slice {
  Instant begin;
  Duration length;
  Tally tally;  // of the requests that were due in it
  // What happened in it, to requests of any slice.
  std::uint64_t completed = 0;  // whole answers
  std::uint64_t in_flight = 0;  // most, sent and not answered; a sum over generators
  Duration silence;             // longest time without an answer though some were in flight

  [[nodiscard]] Instant end() const { return begin + length; }
  // The same piece of time of another generator.
  void merge(const Slice& other);
};

}  // namespace hf::load
