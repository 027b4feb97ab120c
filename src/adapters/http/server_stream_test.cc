// Streamed bodies and answers: back-pressure, replay, the byte that is kept back, cut answers.
#include <fcntl.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "adapters/http/server.h"
#include "adapters/http/server_test_rig.h"

namespace hf::adapters::testing {
namespace {

using What = ports::BodySource::What;

// Keeps what a script is given, for later steps of the test on the server's thread.
struct Held {
  explicit Held(Rig& rig) {
    rig.events.on_call_do = [this](Seen one) { seen = std::move(one); };
  }
  Seen seen;
  std::shared_ptr<ports::AnswerSink> sink;
};

call::AnswerHead head_of(Fields fields = {}) {
  return {200, std::move(fields)};
}

// Sends the body back as it comes, one piece at a time.
class Echo : public std::enable_shared_from_this<Echo> {
 public:
  Echo(Server& server, Seen seen, std::shared_ptr<ports::AnswerSink> sink)
      : server_(server), seen_(std::move(seen)), sink_(std::move(sink)) {}
  void step() {
    seen_.body->read([self = shared_from_this()](What what, std::string bytes) {
      if (what != What::data) return self->server_.finish(self->seen_.id, what == What::end);
      self->largest = std::max(self->largest, bytes.size());
      self->sink_->write(std::move(bytes), [self](bool more) {
        if (more) self->step();
      });
    });
  }
  std::size_t largest = 0;

 private:
  Server& server_;
  Seen seen_;
  std::shared_ptr<ports::AnswerSink> sink_;
};

// The most memory this process ever had resident, in bytes.
std::size_t peak_memory() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::stoul(line.substr(6)) * 1024;
  }
  return 0;
}

// The address sanitizer keeps freed memory for a while.
#ifdef __SANITIZE_ADDRESS__
constexpr bool kQuarantine = true;
#else
constexpr bool kQuarantine = false;
#endif

constexpr std::size_t kMuch = 64 * 1024 * 1024;

// `chunked`: the request and with it the answer.
void echo_much(bool chunked) {
  Rig rig;
  std::shared_ptr<Echo> echo;
  rig.events.on_call_do = [&](Seen seen) {
    Fields fields;
    if (!chunked) fields.push_back({"Content-Length", std::to_string(seen.body->length())});
    auto sink = rig.server().begin(seen.id, head_of(std::move(fields)));
    echo = std::make_shared<Echo>(rig.server(), std::move(seen), std::move(sink));
    echo->step();
  };
  Client client(rig.port());
  const std::size_t before = peak_memory();
  std::thread sender([&] {
    const std::string piece(chunked ? 0x12345 : kMuch / 1024, 'e');
    std::size_t left = kMuch;
    if (chunked) {
      client.send("POST /flow/ HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
    } else {
      client.send("POST /flow/ HTTP/1.1\r\nHost: h\r\nContent-Length: " + std::to_string(kMuch) +
                  "\r\n\r\n");
    }
    while (left > 0) {
      const std::size_t count = std::min(left, piece.size());
      if (chunked) {
        std::array<char, 32> size{};
        std::snprintf(size.data(), size.size(), "%zx\r\n", count);
        client.send(size.data());
      }
      client.send(std::string_view(piece).substr(0, count));
      if (chunked) client.send("\r\n");
      left -= count;
    }
    if (chunked) client.send("0\r\n\r\n");
  });
  const Answer head = client.head();
  EXPECT_EQ(head.status, 200);
  std::size_t got = 0;
  if (chunked) {
    for (;;) {
      const auto size = std::stoul("0" + client.until("\r\n"), nullptr, 16);
      std::string data;
      if (!client.exactly(size + 2, data) || size == 0) break;
      got += size;
    }
  } else {
    while (got < kMuch && (!client.buffer.empty() || client.more())) {
      got += client.buffer.size();
      client.buffer.clear();
    }
  }
  sender.join();
  EXPECT_EQ(got, kMuch);
  rig.run([&](Server&) { EXPECT_LE(echo->largest, 64U * 1024U); });
  const std::size_t allowed = kQuarantine ? 16 * kMuch : kMuch / 4;
  EXPECT_LT(peak_memory() - before, allowed);
  EXPECT_EQ(client.ask(get("/nowhere")).status, 404);  // the connection is still in step
}

TEST(ServerStream, echoes_much_in_bounded_memory_with_a_length) {
  echo_much(false);
}
TEST(ServerStream, echoes_much_in_bounded_memory_chunked) {
  echo_much(true);
}

TEST(ServerStream, does_not_read_what_nobody_asked_for) {
  Rig rig;
  Held held(rig);
  Client client(rig.port());
  client.send("POST /flow/ HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000000\r\n\r\n");
  ASSERT_TRUE(rig.events.wait_calls(1));
  // Fills the kernel's buffers; then there is no room, for as long as the server does not read.
  ::fcntl(client.fd(), F_SETFL, O_NONBLOCK);
  const std::string piece(65536, 'x');
  std::size_t taken = 0;
  ssize_t sent = 0;
  pollfd room{client.fd(), POLLOUT, 0};
  while (::poll(&room, 1, 200) == 1 &&
         (sent = ::send(client.fd(), piece.data(), piece.size(), MSG_NOSIGNAL)) > 0) {
    taken += static_cast<std::size_t>(sent);
  }
  EXPECT_LT(taken, 64U * 1024U * 1024U);
  EXPECT_LE(rig.counters().buffered_bytes, 128U * 1024U);
  // One ask, one piece.
  std::promise<std::size_t> size;
  rig.run([&](Server&) {
    held.seen.body->read([&](What what, std::string bytes) {
      EXPECT_EQ(what, What::data);
      size.set_value(bytes.size());
    });
  });
  const std::size_t got = size.get_future().get();
  EXPECT_GT(got, 0U);
  EXPECT_LE(got, 64U * 1024U);
  client.reset();
  EXPECT_TRUE(rig.events.wait_gone(1));
}

TEST(ServerStream, sends_100_only_when_somebody_reads) {
  Rig rig;
  Held held(rig);
  Client client(rig.port());
  client.send(
      "POST /flow/ HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  ASSERT_TRUE(rig.events.wait_calls(1));
  pollfd readable{client.fd(), POLLIN, 0};
  EXPECT_EQ(::poll(&readable, 1, 0), 0);
  rig.run([&](Server&) {
    held.seen.body->read([&](What, std::string bytes) {
      rig.server().reply(held.seen.id, make_reply(200, "got " + bytes));
    });
  });
  EXPECT_EQ(client.until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  client.send("ab");
  EXPECT_EQ(client.answer().body, "got ab");
}

TEST(ServerStream, an_answer_before_an_awaited_body_closes) {
  Rig rig;
  rig.events.on_call_do = [&](Seen seen) { rig.server().reply(seen.id, make_reply(200, "no")); };
  Client client(rig.port());
  const auto answer = client.ask(
      "POST /flow/ HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.field("connection"), "close");
  EXPECT_TRUE(client.closed());
}

TEST(ServerStream, begins_anew_while_every_byte_is_kept) {
  Rig rig;
  Held held(rig);
  Client client(rig.port());
  client.send("POST /flow/ HTTP/1.1\r\nHost: h\r\nContent-Length: 70000\r\n\r\n" +
              std::string(1000, 'a'));
  ASSERT_TRUE(rig.events.wait_calls(1));
  std::string first;
  std::string second;
  std::promise<void> read;
  rig.run([&](Server&) {
    auto& body = *held.seen.body;
    EXPECT_EQ(body.length(), 70000);
    body.read([&](What, std::string bytes) {
      first = std::move(bytes);
      read.set_value();
    });
  });
  read.get_future().wait();
  rig.run([&](Server&) {
    auto& body = *held.seen.body;
    ASSERT_TRUE(body.replayable());
    // An ask that is taken back, with its bytes still to come: they are not lost.
    body.read([](What, std::string) { ADD_FAILURE() << "stopped"; });
    body.stop();
    body.rewind();
    body.read([&](What, std::string bytes) { second = std::move(bytes); });
    EXPECT_EQ(first, second);
  });
  std::function<void()> go_on;
  std::promise<What> over;
  go_on = [&] {
    held.seen.body->read([&](What what, std::string bytes) {
      second += bytes;
      if (what != What::data) return over.set_value(what);
      go_on();
    });
  };
  rig.run([&](Server&) { go_on(); });
  const std::string rest(69000, 'b');
  client.send(rest);
  EXPECT_EQ(over.get_future().get(), What::end);
  rig.run([&](Server& server) {
    EXPECT_TRUE(second == std::string(1000, 'a') + rest);
    EXPECT_FALSE(held.seen.body->replayable());  // more than the 64 KiB of the route
    server.reply(held.seen.id, make_reply(200, "done"));
  });
  EXPECT_EQ(client.answer().body, "done");
}

TEST(ServerStream, a_request_without_a_body_has_no_stream) {
  Rig rig;
  Held held(rig);
  Client client(rig.port());
  client.send(get("/flow/"));
  ASSERT_TRUE(rig.events.wait_calls(1));
  rig.run([&](Server& server) {
    EXPECT_TRUE(held.seen.call.streamed);
    EXPECT_EQ(held.seen.body, nullptr);
    server.reply(held.seen.id, make_reply(200, ""));
  });
  EXPECT_EQ(client.answer().status, 200);
}

TEST(ServerStream, a_malformed_chunk_aborts_and_closes) {
  Rig rig;
  Held held(rig);
  Client client(rig.port());
  client.send("POST /flow/ HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
  ASSERT_TRUE(rig.events.wait_calls(1));
  std::promise<What> end;
  rig.run(
      [&](Server&) { held.seen.body->read([&](What what, std::string) { end.set_value(what); }); });
  client.send("zz\r\n");
  EXPECT_EQ(end.get_future().get(), What::aborted);
  EXPECT_TRUE(rig.events.wait_gone(1));
  EXPECT_EQ(client.until_end(), "");
}

TEST(ServerStream, a_body_that_breaks_off_aborts) {
  Rig rig;
  Held held(rig);
  Client client(rig.port());
  client.send("POST /flow/ HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n");
  ASSERT_TRUE(rig.events.wait_calls(1));
  std::promise<What> end;
  rig.run(
      [&](Server&) { held.seen.body->read([&](What what, std::string) { end.set_value(what); }); });
  client.half_close();
  EXPECT_EQ(end.get_future().get(), What::aborted);
  EXPECT_TRUE(rig.events.wait_gone(1));
  rig.run([&](Server&) {
    held.seen.body->read([&](What what, std::string) { EXPECT_EQ(what, What::aborted); });
  });
}

TEST(ServerStream, keeps_the_last_byte_back_until_the_end) {
  Rig rig;
  Held held(rig);
  Client client(rig.port());
  client.send(get("/flow/"));
  ASSERT_TRUE(rig.events.wait_calls(1));
  std::promise<bool> written;
  rig.run([&](Server& server) {
    held.sink = server.begin(held.seen.id, head_of({{"Content-Length", "5"}}));
    held.sink->write("abcde", [&](bool more) { written.set_value(more); });
  });
  EXPECT_TRUE(written.get_future().get());
  EXPECT_EQ(client.head().field("content-length"), "5");
  std::string body;
  ASSERT_TRUE(client.exactly(4, body));
  EXPECT_EQ(body, "abcd");
  pollfd readable{client.fd(), POLLIN, 0};
  EXPECT_EQ(::poll(&readable, 1, 0), 0);
  rig.run([&](Server& server) { server.finish(held.seen.id, true); });
  ASSERT_TRUE(client.exactly(1, body));
  EXPECT_EQ(body, "abcde");
  rig.events.on_call_do = [&](Seen seen) { rig.server().reply(seen.id, make_reply(200, "next")); };
  EXPECT_EQ(client.ask(get("/flow/")).body, "next");
}

TEST(ServerStream, keeps_the_last_chunk_back_until_the_end) {
  Rig rig;
  Held held(rig);
  Client client(rig.port());
  client.send(get("/flow/"));
  ASSERT_TRUE(rig.events.wait_calls(1));
  rig.run([&](Server& server) {
    held.sink = server.begin(held.seen.id, head_of({{"Content-Type", "text/event-stream"}}));
  });
  // The head comes by itself: an event may be long in coming.
  EXPECT_EQ(client.head().field("transfer-encoding"), "chunked");
  rig.run([&](Server&) { held.sink->write("data: x\n\n", [](bool) {}); });
  EXPECT_EQ(client.until("\n\n\r\n"), "9\r\ndata: x\n\n\r\n");
  rig.run([&](Server& server) { server.finish(held.seen.id, true); });
  EXPECT_EQ(client.until("0\r\n\r\n"), "0\r\n\r\n");
}

TEST(ServerStream, keeps_a_head_without_a_body_back_until_the_end) {
  Rig rig;
  Held held(rig);
  Client client(rig.port());
  const std::vector<std::pair<std::string, call::AnswerHead>> cases{
      {"HEAD /flow/ HTTP/1.1\r\nHost: h\r\n\r\n", {200, {{"Content-Length", "9"}}}},
      {get("/flow/"), {204, {}}},
      {get("/flow/"), {304, {{"Content-Length", "9"}}}},
      {get("/flow/"), {200, {{"Content-Length", "0"}}}},
  };
  int calls = 0;
  for (const auto& [request, head] : cases) {
    client.send(request);
    ASSERT_TRUE(rig.events.wait_calls(++calls));
    rig.run([&, h = head](Server& server) { held.sink = server.begin(held.seen.id, h); });
    rig.run([](Server&) {});  // a turn in which a head would have been sent
    pollfd readable{client.fd(), POLLIN, 0};
    EXPECT_EQ(::poll(&readable, 1, 0), 0);
    rig.run([&](Server& server) { server.finish(held.seen.id, true); });
    EXPECT_EQ(client.answer(request.starts_with("HEAD")).status, head.status);
  }
}

TEST(ServerStream, a_cut_answer_looks_cut) {
  Rig rig;
  Held held(rig);
  const std::vector<Fields> cases{{{"Content-Length", "10"}}, {}};
  int calls = 0;
  for (const auto& fields : cases) {
    Client client(rig.port());
    client.send(get("/flow/"));
    ASSERT_TRUE(rig.events.wait_calls(++calls));
    rig.run([&, f = fields](Server& server) {
      held.sink = server.begin(held.seen.id, head_of(f));
      held.sink->write("abc", [](bool) {});
      server.finish(held.seen.id, false);
    });
    const auto answer = client.answer();
    EXPECT_EQ(answer.status, 200);
    EXPECT_FALSE(answer.complete);
    EXPECT_FALSE(client.more());
  }
  EXPECT_EQ(rig.events.gone(), 0);
  EXPECT_EQ(rig.counters().cut_answers, 2U);
}

TEST(ServerStream, an_answer_short_of_its_length_is_cut) {
  Rig rig;
  Held held(rig);
  Client client(rig.port());
  client.send(get("/flow/"));
  ASSERT_TRUE(rig.events.wait_calls(1));
  rig.run([&](Server& server) {
    held.sink = server.begin(held.seen.id, head_of({{"Content-Length", "10"}}));
    held.sink->write("abc", [](bool) {});
    server.finish(held.seen.id, true);
  });
  const auto answer = client.answer();
  EXPECT_FALSE(answer.complete);
}

TEST(ServerStream, an_old_client_gets_the_end_by_the_close) {
  Rig rig;
  Held held(rig);
  int calls = 0;
  for (const bool whole : {true, false}) {
    Client client(rig.port());
    client.send("GET /flow/ HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n\r\n");
    ASSERT_TRUE(rig.events.wait_calls(++calls));
    std::promise<void> written;
    rig.run([&](Server& server) {
      held.sink = server.begin(held.seen.id, head_of());
      held.sink->write("abc", [&](bool) { written.set_value(); });
    });
    written.get_future().wait();
    const auto head = client.head();
    EXPECT_EQ(head.field("connection"), "close");
    EXPECT_FALSE(head.fields.contains("transfer-encoding"));
    std::string body;
    EXPECT_TRUE(client.exactly(3, body));
    rig.run([&](Server& server) { server.finish(held.seen.id, whole); });
    EXPECT_FALSE(client.more());
    EXPECT_EQ(client.at_end, whole);
    EXPECT_EQ(client.was_reset, !whole);
  }
}

TEST(ServerStream, waits_for_a_slow_reader_and_tells_when_it_is_gone) {
  Rig rig;
  Held held(rig);
  Client client(rig.port());
  client.send(get("/flow/"));
  ASSERT_TRUE(rig.events.wait_calls(1));
  std::mutex mutex;
  std::size_t written = 0;
  bool gone = false;
  std::condition_variable changed;
  std::function<void()> write = [&] {
    held.sink->write(std::string(65536, 'w'), [&](bool more) {
      {
        const std::lock_guard lock(mutex);
        if (more) written += 65536;
        gone = !more;
        changed.notify_all();
      }
      if (more) write();
    });
  };
  rig.run([&](Server& server) {
    held.sink = server.begin(held.seen.id, head_of());
    write();
  });
  {
    std::unique_lock lock(mutex);
    ASSERT_TRUE(changed.wait_for(lock, kPatience, [&] { return written > 0; }));
  }
  // Nothing is read here, so the kernel's buffers bound what is taken.
  client.reset();
  ASSERT_TRUE(rig.events.wait_gone(1));
  std::unique_lock lock(mutex);
  EXPECT_TRUE(changed.wait_for(lock, kPatience, [&] { return gone; }));
  EXPECT_LT(written, 64U * 1024U * 1024U);
  lock.unlock();
  rig.run([&](Server& server) {
    bool told = true;
    held.sink->write("x", [&](bool more) { told = more; });
    EXPECT_FALSE(told);
    server.finish(held.seen.id, true);  // harmless
  });
  EXPECT_EQ(rig.events.gone(), 1);
}

TEST(ServerStream, more_than_the_declared_length_never_reaches_the_client) {
  Rig rig;
  Held held(rig);
  Client client(rig.port());
  client.send(get("/flow/"));
  ASSERT_TRUE(rig.events.wait_calls(1));
  rig.run([&](Server& server) {
    held.sink = server.begin(held.seen.id, head_of({{"Content-Length", "3"}}));
    bool told = true;
    held.sink->write("abcdef", [&](bool more) { told = more; });
    EXPECT_FALSE(told);
  });
  EXPECT_EQ(client.until_end().find("abc"), std::string::npos);
  EXPECT_EQ(rig.events.gone(), 1);
}

}  // namespace
}  // namespace hf::adapters::testing
