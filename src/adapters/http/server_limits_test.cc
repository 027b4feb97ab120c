// Limits, deadlines, drain and TLS.
#include <gtest/gtest.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdlib.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>

#include "adapters/http/server.h"
#include "adapters/http/server_test_rig.h"

namespace hf::adapters::testing {
namespace {

ServerOptions quick() {
  ServerOptions options;
  options.sweep = Duration::millis(5);
  return options;
}

TEST(ServerLimits, refuses_a_head_that_is_too_large) {
  Rig rig;
  Client client(rig.port());
  client.send(get("/flow/", "X: " + std::string(70'000, 'x') + "\r\n"));
  const auto answer = client.answer();
  EXPECT_EQ(answer.status, 431);
  EXPECT_NE(answer.body.find("\"limit\":{\"rule\":\"head_max\",\"measured\":65536,"
                             "\"threshold\":65536,\"unit\":\"bytes\"}"),
            std::string::npos)
      << answer.body;
  EXPECT_EQ(answer.field("connection"), "close");
  EXPECT_EQ(rig.events.calls(), 0);
}

TEST(ServerLimits, refuses_a_body_that_is_too_large) {
  Rig rig;
  Client declared(rig.port());
  // Refused by the length alone: none of the body is sent.
  const auto answer =
      declared.ask("POST /buf/ HTTP/1.1\r\nHost: h\r\nContent-Length: 65537\r\n\r\n");
  EXPECT_EQ(answer.status, 413);
  EXPECT_NE(answer.body.find("body-too-large"), std::string::npos);
  EXPECT_NE(answer.body.find("\"limit\":{\"rule\":\"limits.body\",\"measured\":65537,"
                             "\"threshold\":65536,\"unit\":\"bytes\"}"),
            std::string::npos)
      << answer.body;

  Client chunked(rig.port());
  chunked.send("POST /buf/ HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n10001\r\n");
  chunked.send(std::string(0x10001, 'x'));
  const auto late = chunked.answer();
  EXPECT_EQ(late.status, 413);
  EXPECT_NE(late.body.find(R"("measured":65537,"threshold":65536,"unit":"bytes or more"})"),
            std::string::npos)
      << late.body;
  EXPECT_EQ(rig.counters().problems.by_rule().size(), 2U);
  EXPECT_EQ(late.field("connection"), "close");
  EXPECT_EQ(rig.events.calls(), 0);
}

TEST(ServerLimits, refuses_what_does_not_fit_the_buffers) {
  ServerOptions options;
  options.buffers = 40'000;
  Rig rig(options);
  std::vector<ExchangeId> ids;
  rig.events.on_call_do = [&](Seen seen) { ids.push_back(seen.id); };
  Client first(rig.port());
  first.send(post("/buf/", std::string(30'000, 'x')));
  ASSERT_TRUE(rig.events.wait_calls(1));
  Client second(rig.port());
  const auto refused = second.ask(post("/buf/", std::string(30'000, 'x')));
  EXPECT_EQ(refused.status, 503);
  EXPECT_NE(refused.body.find("overloaded"), std::string::npos);
  EXPECT_EQ(refused.field("retry-after"), "1");
  EXPECT_EQ(refused.field("holdfast-effect"), "none");
  EXPECT_NE(refused.body.find("\"limit\":{\"rule\":\"buffers\",\"measured\":"), std::string::npos)
      << refused.body;
  EXPECT_NE(refused.body.find("\"threshold\":40000,\"unit\":\"bytes\"}"), std::string::npos);
  EXPECT_EQ(rig.counters().refused_buffers, 1U);
  EXPECT_EQ(rig.counters().malformed, 0U);
  EXPECT_EQ(rig.counters().problems.by_code().at("overloaded"), 1U);
  rig.run([&](Server& server) { server.reply(ids.at(0), make_reply(200, "a")); });
  EXPECT_EQ(first.answer().status, 200);
  EXPECT_TRUE(rig.until([](Server& server) { return server.counters().buffered_bytes == 0; }));
  Client third(rig.port());
  third.send(post("/buf/", std::string(30'000, 'x')));
  EXPECT_TRUE(rig.events.wait_calls(2));
}

TEST(ServerLimits, a_declared_length_costs_no_memory) {
  Rig rig;
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 20; ++i) {
    clients.push_back(std::make_unique<Client>(rig.port()));
    clients.back()->send("POST /buf/ HTTP/1.1\r\nHost: h\r\nContent-Length: 65536\r\n\r\nx");
  }
  EXPECT_TRUE(rig.until([](Server& server) { return server.counters().requests == 20; }));
  EXPECT_LE(rig.counters().buffered_bytes, 20U * 16U * 1024U);
}

TEST(ServerLimits, refuses_connections_beyond_the_limit) {
  ServerOptions options;
  options.connections_max = 1;
  Rig rig(options);
  Client first(rig.port());
  EXPECT_EQ(first.ask(get("/flow/")).status, 200);
  Client second(rig.port());
  const auto refused = second.answer();
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.field("connection"), "close");
  EXPECT_NE(refused.body.find("\"limit\":{\"rule\":\"connections_max\",\"measured\":2,"
                              "\"threshold\":1,\"unit\":\"connections\"}"),
            std::string::npos)
      << refused.body;
  EXPECT_TRUE(second.closed());
  EXPECT_EQ(rig.counters().refused_connections, 1U);
  EXPECT_EQ(first.ask(get("/flow/")).status, 200);
  first.close();
  second.close();
  EXPECT_TRUE(rig.until([](Server& server) { return server.counters().connections == 0; }));
  Client third(rig.port());
  EXPECT_EQ(third.ask(get("/flow/")).status, 200);
}

TEST(ServerLimits, a_head_that_dribbles_is_given_up) {
  auto options = quick();
  options.head_within = Duration::millis(40);
  Rig rig(options);
  Client client(rig.port());
  client.send("GET /flow/ HTTP/1.1\r\nHo");
  const auto answer = client.answer();
  EXPECT_EQ(answer.status, 400);
  EXPECT_NE(answer.body.find(R"("limit":{"rule":"head_within","measured":)"), std::string::npos)
      << answer.body;
  EXPECT_NE(answer.body.find(R"("threshold":40,"unit":"ms")"), std::string::npos) << answer.body;
  EXPECT_EQ(answer.field("connection"), "close");
  EXPECT_TRUE(client.closed());
  EXPECT_EQ(rig.counters().timed_out, 1U);
}

TEST(ServerLimits, a_connection_without_a_request_outlives_the_heads_deadline) {
  auto options = quick();
  options.head_within = Duration::millis(1);
  options.keep_alive = Duration::millis(60);
  Rig rig(options);
  Client client(rig.port());
  client.send("\r\n");           // what old clients send behind a body
  EXPECT_TRUE(client.closed());  // by keep_alive, without a word
  EXPECT_EQ(rig.counters().timed_out, 0U);
}

// They are looked at in stretches: none is left out, and none twice at the same time.
TEST(ServerLimits, closes_all_idle_connections_of_many) {
  ServerOptions options = quick();
  options.keep_alive = Duration::millis(60);
  Rig rig(options);
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 300; ++i)
    clients.push_back(std::make_unique<Client>(rig.port()));
  for (const auto& client : clients)
    EXPECT_TRUE(client->closed());
}

TEST(ServerLimits, a_body_that_stalls_is_given_up) {
  auto options = quick();
  options.body_idle = Duration::millis(40);
  Rig rig(options);
  Client client(rig.port());
  client.send("POST /buf/ HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nab");
  const auto answer = client.answer();
  EXPECT_EQ(answer.status, 400);
  EXPECT_NE(answer.body.find(R"("limit":{"rule":"body_idle","measured":)"), std::string::npos)
      << answer.body;
  EXPECT_TRUE(client.closed());
  EXPECT_EQ(rig.events.calls(), 0);
}

TEST(ServerLimits, a_body_below_the_least_rate_is_given_up) {
  auto options = quick();
  options.body_grace = Duration::millis(20);
  options.body_rate = 1'000'000;
  Rig rig(options);
  Client client(rig.port());
  // Never idle for long, and never done.
  client.send("POST /buf/ HTTP/1.1\r\nHost: h\r\nContent-Length: 60000\r\n\r\n");
  pollfd answered{client.fd(), POLLIN, 0};
  while (::poll(&answered, 1, 2) == 0 && client.send("x")) {
  }
  const auto answer = client.answer();
  EXPECT_EQ(answer.status, 400);
  EXPECT_NE(answer.body.find(R"("limit":{"rule":"body_rate","measured":)"), std::string::npos)
      << answer.body;
  EXPECT_EQ(rig.counters().timed_out, 1U);
}

TEST(ServerLimits, a_streamed_body_that_stalls_is_gone) {
  auto options = quick();
  options.body_idle = Duration::millis(40);
  Rig rig(options);
  rig.events.on_call_do = [&](Seen seen) {
    seen.body->read([body = seen.body](ports::BodySource::What, std::string) {});
  };
  Client client(rig.port());
  client.send("POST /flow/ HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n");
  EXPECT_TRUE(rig.events.wait_gone(1));
}

TEST(ServerLimits, nobody_is_hurried_on_a_route_that_only_observes) {
  auto options = quick();
  options.body_idle = Duration::millis(20);
  options.body_grace = Duration::millis(20);
  options.body_rate = 1'000'000;
  options.relayed_idle = Duration::millis(300);
  Rig rig(options);
  rig.events.on_call_do = [&](Seen seen) {
    seen.body->read([body = seen.body](ports::BodySource::What, std::string) {});
  };
  Client client(rig.port());
  const auto began = std::chrono::steady_clock::now();
  client.send("POST /watched/ HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n");
  EXPECT_TRUE(rig.events.wait_gone(1));
  EXPECT_GE(std::chrono::steady_clock::now() - began, std::chrono::milliseconds(300));
  EXPECT_EQ(rig.events.calls(), 1) << "it flows: nothing of it was refused";
}

TEST(ServerLimits, a_client_that_takes_nothing_is_given_up) {
  auto options = quick();
  options.write_idle = Duration::millis(60);
  Rig rig(options);
  rig.events.on_call_do = [&](Seen seen) {
    rig.server().reply(seen.id, make_reply(200, std::string(64 << 20, 'w')));
  };
  Client client(rig.port());
  client.send(get("/flow/"));
  EXPECT_TRUE(rig.until([](Server& server) { return server.counters().timed_out == 1; }));
  EXPECT_EQ(rig.counters().answers, 0U);
}

TEST(ServerLimits, an_idle_connection_waits_without_a_buffer_and_still_serves) {
  auto options = quick();
  options.park = Duration::millis(10);
  Rig rig(options);
  Client client(rig.port());
  for (std::uint64_t i = 1; i <= 3; ++i) {
    EXPECT_TRUE(rig.until([&](Server& server) { return server.counters().parked >= i; }));
    EXPECT_EQ(client.ask(get("/flow/")).status, 200);
  }
  EXPECT_EQ(rig.counters().accepted, 1U);
}

TEST(ServerLimits, a_parked_connection_is_closed_when_its_time_is_up) {
  auto options = quick();
  options.park = Duration::millis(10);
  options.keep_alive = Duration::millis(60);
  Rig rig(options);
  Client client(rig.port());
  EXPECT_EQ(client.ask(get("/flow/")).status, 200);
  EXPECT_TRUE(client.closed());
  EXPECT_GE(rig.counters().parked, 1U);
  EXPECT_EQ(rig.counters().connections, 0U);
}

TEST(ServerDrain, closes_the_idle_and_finishes_the_rest) {
  Rig rig;
  std::vector<ExchangeId> ids;
  Client idle(rig.port());
  EXPECT_EQ(idle.ask(get("/flow/")).status, 200);
  rig.events.on_call_do = [&](Seen seen) { ids.push_back(seen.id); };
  Client waiting(rig.port());
  waiting.send(post("/buf/", "x"));
  Client reading(rig.port());
  reading.send("POST /buf/ HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\na");
  ASSERT_TRUE(rig.events.wait_calls(2));
  ASSERT_TRUE(rig.until([](Server& server) { return server.counters().requests == 3; }));
  rig.run([](Server& server) {
    server.drain();
    EXPECT_FALSE(server.idle());
  });
  EXPECT_TRUE(idle.closed());
  Client late(rig.port());
  EXPECT_FALSE(late.connected());
  rig.run([&](Server& server) { server.reply(ids.at(0), make_reply(200, "last")); });
  const auto answer = waiting.answer();
  EXPECT_EQ(answer.body, "last");
  EXPECT_EQ(answer.field("connection"), "close");
  EXPECT_TRUE(waiting.closed());
  reading.send("b");
  ASSERT_TRUE(rig.events.wait_calls(3));
  rig.run([&](Server& server) { server.reply(ids.at(1), make_reply(200, "read")); });
  EXPECT_EQ(reading.answer().field("connection"), "close");
  EXPECT_TRUE(rig.until([](Server& server) { return server.idle(); }));
  EXPECT_EQ(rig.events.gone(), 0);
}

TEST(ServerDrain, who_has_just_connected_is_answered) {
  Rig rig;
  Client fresh(rig.port());
  ASSERT_TRUE(rig.until([](Server& server) { return server.counters().connections == 1; }));
  rig.run([](Server& server) {
    server.drain();
    EXPECT_FALSE(server.idle());
  });
  const auto answer = fresh.ask(get("/flow/"));
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.field("connection"), "close");
  EXPECT_TRUE(fresh.closed());
  EXPECT_TRUE(rig.until([](Server& server) { return server.idle(); }));
}

TEST(ServerDrain, who_connects_and_asks_for_nothing_is_not_waited_for) {
  auto options = quick();
  options.first_request = Duration::millis(20);
  Rig rig(options);
  Client silent(rig.port());
  ASSERT_TRUE(rig.until([](Server& server) { return server.counters().connections == 1; }));
  rig.run([](Server& server) { server.drain(); });
  EXPECT_TRUE(rig.until([](Server& server) { return server.idle(); }));
}

TEST(ServerDrain, close_all_tells_of_every_open_exchange) {
  Rig rig;
  rig.events.on_call_do = [](Seen) {};
  Client first(rig.port());
  first.send(get("/flow/"));
  Client second(rig.port());
  second.send(post("/buf/", "x"));
  ASSERT_TRUE(rig.events.wait_calls(2));
  rig.run([](Server& server) {
    server.close_all();
    EXPECT_TRUE(server.idle());
    EXPECT_EQ(server.counters().connections, 0U);
  });
  EXPECT_EQ(rig.events.gone(), 2);
  EXPECT_EQ(first.until_end(), "");
  EXPECT_EQ(second.until_end(), "");
}

// A directory with a certificate and key of one's own making, gone with the object.
class Certificate {
 public:
  Certificate() {
    std::string name = (std::filesystem::temp_directory_path() / "hf-tls-XXXXXX").string();
    directory_ = ::mkdtemp(name.data());
    EVP_PKEY* key = EVP_EC_gen("P-256");
    X509* x509 = X509_new();
    X509_set_version(x509, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x509), 1);
    X509_gmtime_adj(X509_getm_notBefore(x509), -60);
    X509_gmtime_adj(X509_getm_notAfter(x509), 3600);
    X509_set_pubkey(x509, key);
    const auto* host = reinterpret_cast<const unsigned char*>("localhost");
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x509), "CN", MBSTRING_ASC, host, -1, -1, 0);
    X509_set_issuer_name(x509, X509_get_subject_name(x509));
    X509_sign(x509, key, EVP_sha256());
    files.certificate = (directory_ / "cert.pem").string();
    files.key = (directory_ / "key.pem").string();
    write(files.certificate, [&](FILE* out) { PEM_write_X509(out, x509); });
    write(files.key, [&](FILE* out) {
      PEM_write_PrivateKey(out, key, nullptr, nullptr, 0, nullptr, nullptr);
    });
    X509_free(x509);
    EVP_PKEY_free(key);
  }
  ~Certificate() { std::filesystem::remove_all(directory_); }
  Certificate(const Certificate&) = delete;
  Certificate& operator=(const Certificate&) = delete;
  call::TlsListen files;

 private:
  static void write(const std::string& path, const std::function<void(FILE*)>& what) {
    FILE* out = std::fopen(path.c_str(), "w");
    ASSERT_NE(out, nullptr);
    what(out);
    std::fclose(out);
  }
  std::filesystem::path directory_;
};

// TLS over the plain client's socket, blocking, by OpenSSL alone.
class TlsClient {
 public:
  explicit TlsClient(std::uint16_t port, std::string_view protocols = {}, int version = 0)
      : tcp_(port), context_(SSL_CTX_new(TLS_client_method())) {
    if (version != 0) SSL_CTX_set_max_proto_version(context_, version);
    ssl_ = SSL_new(context_);
    if (!protocols.empty()) {
      SSL_set_alpn_protos(ssl_, reinterpret_cast<const unsigned char*>(protocols.data()),
                          static_cast<unsigned>(protocols.size()));
    }
    SSL_set_fd(ssl_, tcp_.fd());
    std::signal(SIGPIPE, SIG_IGN);  // OpenSSL writes without MSG_NOSIGNAL
    connected = SSL_connect(ssl_) == 1;
  }
  ~TlsClient() {
    SSL_free(ssl_);
    SSL_CTX_free(context_);
  }
  TlsClient(const TlsClient&) = delete;
  TlsClient& operator=(const TlsClient&) = delete;
  void send(std::string_view bytes) {
    EXPECT_EQ(SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size())),
              static_cast<int>(bytes.size()));
  }
  // Until `size` bytes or the end.
  std::string read(std::size_t size) {
    std::string out(size, 0);
    std::size_t at = 0;
    while (at < size) {
      const int got = SSL_read(ssl_, out.data() + at, static_cast<int>(size - at));
      if (got <= 0) {
        ended = SSL_get_error(ssl_, got) == SSL_ERROR_ZERO_RETURN;  // close_notify
        break;
      }
      at += static_cast<std::size_t>(got);
    }
    out.resize(at);
    return out;
  }
  std::string read_until(std::string_view mark) {
    std::string out;
    while (!out.ends_with(mark)) {
      const auto byte = read(1);
      if (byte.empty()) break;
      out += byte;
    }
    return out;
  }
  std::string protocol() {
    const unsigned char* name = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(ssl_, &name, &size);
    return {reinterpret_cast<const char*>(name), size};
  }
  bool connected = false;
  bool ended = false;

 private:
  Client tcp_;
  SSL_CTX* context_;
  SSL* ssl_ = nullptr;
};

TEST(ServerTls, serves_requests_and_says_goodbye) {
  const Certificate certificate;
  Rig rig({}, certificate.files);
  const std::string large(300'000, 'l');
  rig.events.on_call_do = [&](Seen seen) {
    const bool small = seen.call.request->target == "/buf/small";
    rig.server().reply(seen.id, make_reply(200, small ? "tiny" : large));
  };
  TlsClient client(rig.port(), "\x02h2\x08http/1.1");
  ASSERT_TRUE(client.connected);
  EXPECT_EQ(client.protocol(), "http/1.1");
  client.send(post("/buf/small", std::string(50'000, 'b')));
  EXPECT_TRUE(client.read_until("\r\n\r\n").starts_with("HTTP/1.1 200 OK\r\n"));
  EXPECT_EQ(client.read(4), "tiny");
  client.send(get("/flow/large", "Connection: close\r\n"));
  EXPECT_NE(client.read_until("\r\n\r\n").find("Connection: close"), std::string::npos);
  EXPECT_TRUE(client.read(large.size()) == large);
  EXPECT_EQ(client.read(1), "");
  EXPECT_TRUE(client.ended);
}

TEST(ServerTls, streams_both_ways) {
  const Certificate certificate;
  Rig rig({}, certificate.files);
  rig.events.on_call_do = [&](Seen seen) {
    auto sink = rig.server().begin(seen.id, {200, {}});
    auto step = std::make_shared<std::function<void()>>();
    *step = [&rig, seen, sink, step] {
      seen.body->read([&rig, seen, sink, step](ports::BodySource::What what, std::string bytes) {
        if (what != ports::BodySource::What::data) {
          rig.server().finish(seen.id, what == ports::BodySource::What::end);
          *step = nullptr;
          return;
        }
        sink->write(std::move(bytes), [step](bool more) {
          if (more) (*step)();
        });
      });
    };
    auto first = *step;
    first();
  };
  TlsClient client(rig.port());
  client.send(post("/flow/", std::string(100'000, 's')));
  client.read_until("\r\n\r\n");
  std::size_t got = 0;
  for (;;) {
    const auto size = std::stoul("0" + client.read_until("\r\n"), nullptr, 16);
    if (client.read(size + 2).size() != size + 2 || size == 0) break;
    got += size;
  }
  EXPECT_EQ(got, 100'000U);
}

TEST(ServerTls, turns_away_what_it_does_not_speak) {
  const Certificate certificate;
  Rig rig({}, certificate.files);
  EXPECT_FALSE(TlsClient(rig.port(), "\x02h2").connected);
  EXPECT_FALSE(TlsClient(rig.port(), {}, TLS1_1_VERSION).connected);
  EXPECT_TRUE(TlsClient(rig.port(), {}, TLS1_2_VERSION).connected);
  Client plain(rig.port());
  plain.send(get("/flow/"));
  EXPECT_EQ(plain.until_end().find("HTTP"), std::string::npos);
  EXPECT_EQ(rig.events.calls(), 0);
  EXPECT_EQ(rig.counters().handshakes_failed, 3U);
}

TEST(ServerTls, gives_a_silent_handshake_up) {
  const Certificate certificate;
  auto options = quick();
  options.handshake = Duration::millis(40);
  Rig rig(options, certificate.files);
  const auto begin = std::chrono::steady_clock::now();
  Client client(rig.port());
  EXPECT_EQ(client.until_end(), "");
  EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(39));
  EXPECT_EQ(rig.counters().handshakes_failed, 1U);
}

TEST(ServerTls, names_the_file_that_is_wrong) {
  const Certificate one;
  const Certificate other;
  Rig rig;
  const std::vector<std::pair<call::TlsListen, std::string>> cases{
      {{"/nonexistent/cert.pem", one.files.key}, "/nonexistent/cert.pem"},
      {{one.files.certificate, "/nonexistent/key.pem"}, "/nonexistent/key.pem"},
      {{one.files.certificate, other.files.key}, other.files.key},
      {{one.files.certificate, ""}, "both"},
      {{one.files.key, one.files.key}, one.files.key},
  };
  for (const auto& [files, why] : cases) {
    rig.run([&, f = files, w = why](Server& server) {
      auto result = server.listen("127.0.0.1:0", {}, f);
      ASSERT_FALSE(result.ok());
      EXPECT_NE(result.error().context.find(w), std::string::npos) << result.error().context;
    });
  }
}

}  // namespace
}  // namespace hf::adapters::testing
