// Many clients at one total rate: each has a connection of its own and its turns in a fixed
// schedule, and each request counts from when it was due, however late it left (no coordinated
// omission). Or without a rate: each sends its next one when it has heard of the last. `./x bench`
// runs it with few and with many clients.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;
using Tcp = asio::ip::tcp;

struct Options {
  std::uint16_t port = 0;
  std::size_t clients = 100;
  double rate = 1000;  // 0: one after another
  double seconds = 5;
  std::string run = "0";
};

Clock::duration seconds(double value) {
  return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(value));
}

struct Results {
  std::vector<std::uint32_t> micros;
  std::uint64_t failed = 0;
};

class Client : public std::enable_shared_from_this<Client> {
 public:
  Client(asio::io_context& loop, const Options& options, Results& results, std::size_t number)
      : options_(options), results_(results), number_(number), socket_(loop), timer_(loop) {}

  void connect() {
    socket_.connect({asio::ip::address_v4::loopback(), options_.port});
    socket_.set_option(Tcp::no_delay(true));
  }
  void begin(Clock::time_point first, Clock::time_point end) {
    due_ = first;
    end_ = end;
    wait();
  }

 private:
  void wait() {
    if (due_ >= end_) return;
    if (options_.rate <= 0 && turn_ > 0) return send();
    timer_.expires_at(due_);
    timer_.async_wait([self = shared_from_this()](error_code error) {
      if (!error) self->send();
    });
  }
  void send() {
    request_ = fmt::format(
        "POST /bench HTTP/1.1\r\nHost: bench\r\nIdempotency-Key: {}-{}-{}\r\n"
        "Content-Type: text/plain\r\nContent-Length: 512\r\n\r\n{:x<512}",
        options_.run, number_, turn_++, "");
    asio::async_write(socket_, asio::buffer(request_),
                      [self = shared_from_this()](error_code error, std::size_t) {
                        if (error) return self->fail();
                        self->read();
                      });
  }
  void read() {
    answer_ = {};
    http::async_read(socket_, buffer_, answer_,
                     [self = shared_from_this()](error_code error, std::size_t) {
                       if (error || self->answer_.result_int() >= 300) return self->fail();
                       self->done();
                     });
  }
  void done() {
    const auto took = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - due_);
    if (turn_ > 1) results_.micros.push_back(static_cast<std::uint32_t>(took.count()));
    due_ = options_.rate > 0 ? due_ + seconds(static_cast<double>(options_.clients) / options_.rate)
                             : Clock::now();
    wait();
  }
  void fail() { ++results_.failed; }

  const Options& options_;
  Results& results_;
  std::size_t number_;
  std::uint64_t turn_ = 0;
  Tcp::socket socket_;
  asio::steady_timer timer_;
  Clock::time_point due_;
  Clock::time_point end_;
  std::string request_;
  boost::beast::flat_buffer buffer_;
  http::response<http::string_body> answer_;
};

void run(const Options& options) {
  asio::io_context loop(1);
  Results results;
  std::vector<std::shared_ptr<Client>> clients;
  for (std::size_t i = 0; i < options.clients; ++i) {
    clients.push_back(std::make_shared<Client>(loop, options, results, i));
    clients.back()->connect();
  }
  const auto begun = Clock::now() + std::chrono::milliseconds(50);
  const double apart = options.rate > 0 ? 1 / options.rate : 0;
  // Each client's first turn is not counted: the server is still taking connections.
  const auto end = begun + seconds(static_cast<double>(options.clients) * apart + options.seconds);
  for (std::size_t i = 0; i < clients.size(); ++i)
    clients[i]->begin(begun + seconds(static_cast<double>(i) * apart), end);
  loop.run();
  std::vector<std::uint32_t>& all = results.micros;
  std::sort(all.begin(), all.end());
  const auto quantile = [&](double share) {
    return all.empty() ? 0
                       : all[static_cast<std::size_t>(share * static_cast<double>(all.size() - 1))];
  };
  fmt::print("RESULT requests={} errors={} p50_us={} p99_us={} max_us={}\n", all.size(),
             results.failed, quantile(0.5), quantile(0.99), quantile(1.0));
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Many clients at one total rate, for `./x bench`");
  app.add_option("--port", options.port, "where to, on 127.0.0.1")->required();
  app.add_option("--clients", options.clients, "connections")->capture_default_str();
  app.add_option("--rate", options.rate,
                 "requests a second, of all together; 0: each one after another")
      ->capture_default_str();
  app.add_option("--seconds", options.seconds, "how long")->capture_default_str();
  app.add_option("--run", options.run, "goes into each key")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    run(options);
  } catch (const std::exception& error) {
    fmt::print(stderr, "steady load: {}\n", error.what());
    return 1;
  }
  return 0;
}
