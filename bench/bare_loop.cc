// The yardstick of `./x bench`: the least that the same parts can do for a durable call, and
// nothing else. Beast takes the request, RocksDB keeps it (one batch for all that wait, one sync),
// the caller is told 202, Beast sends it on, RocksDB keeps the answer. No keys, no rules, no index,
// no recovery.
#include <fmt/format.h>
#include <rocksdb/db.h>
#include <rocksdb/options.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>

#include <CLI/CLI.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using boost::system::error_code;
using Tcp = asio::ip::tcp;

constexpr std::size_t kWriteBuffer = std::size_t{64} << 20;
constexpr std::size_t kUpstreamConnections = 256;

struct Options {
  std::uint16_t port = 0;
  std::uint16_t upstream = 0;
  std::string path;
};

// One thread that writes what has gathered as one batch, syncs once, and tells everybody.
class Log {
 public:
  using Done = std::function<void()>;
  Log(asio::io_context& loop, const std::string& path) : loop_(loop) {
    rocksdb::Options options;
    options.create_if_missing = true;
    options.compression = rocksdb::kNoCompression;
    options.write_buffer_size = kWriteBuffer;
    rocksdb::DB* raw = nullptr;
    const auto status = rocksdb::DB::Open(options, path, &raw);
    if (!status.ok()) throw std::runtime_error(status.ToString());
    db_.reset(raw);
    thread_ = std::thread([this] { run(); });
  }
  ~Log() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_one();
    thread_.join();
    db_->Close().PermitUncheckedError();
  }
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  void put(std::string key, std::string value, Done done) {
    const std::lock_guard lock(mutex_);
    queue_.push_back({std::move(key), std::move(value), std::move(done)});
    wake_.notify_one();
  }

 private:
  struct Put {
    std::string key;
    std::string value;
    Done done;
  };

  void run() {
    std::vector<Put> work;
    rocksdb::WriteOptions synced;
    synced.sync = true;
    while (true) {
      {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
        if (queue_.empty()) return;
        std::swap(work, queue_);
      }
      rocksdb::WriteBatch batch;
      for (const Put& put : work)
        batch.Put(put.key, put.value).PermitUncheckedError();
      const auto status = db_->Write(synced, &batch);
      if (!status.ok()) throw std::runtime_error(status.ToString());
      asio::post(loop_, [work = std::exchange(work, {})] {
        for (const Put& put : work)
          put.done();
      });
    }
  }

  asio::io_context& loop_;
  std::unique_ptr<rocksdb::DB> db_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Put> queue_;
  bool stopping_ = false;
  std::thread thread_;
};

struct Call {
  std::uint64_t number = 0;
  std::string body;
};

std::string key_of(char kind, std::uint64_t number) {
  std::string out(1, kind);
  for (int shift = 56; shift >= 0; shift -= 8)
    out.push_back(static_cast<char>(number >> shift));
  return out;
}

// Connections that send what is accepted, one call at a time each.
class Upstream {
 public:
  Upstream(asio::io_context& loop, Log& log, Options options)
      : loop_(loop), log_(log), options_(std::move(options)) {}

  void send(Call call) {
    if (!idle_.empty()) {
      auto link = std::move(idle_.back());
      idle_.pop_back();
      link->start(std::move(call));
    } else if (links_ < kUpstreamConnections) {
      ++links_;
      std::make_shared<Link>(*this)->start(std::move(call));
    } else {
      waiting_.push_back(std::move(call));
    }
  }
  [[nodiscard]] std::uint64_t answered() const { return answered_; }

 private:
  struct Link : std::enable_shared_from_this<Link> {
    explicit Link(Upstream& of) : of_(of), socket_(of.loop_) {
      socket_.connect({asio::ip::address_v4::loopback(), of.options_.upstream});
      socket_.set_option(Tcp::no_delay(true));
    }
    void start(Call call) {
      call_ = std::move(call);
      request_ = {http::verb::post, "/bench", 11};
      request_.set(http::field::host, "back");
      request_.set(http::field::content_type, "text/plain");
      request_.body() = std::move(call_.body);
      request_.prepare_payload();
      http::async_write(socket_, request_,
                        [self = shared_from_this()](error_code error, std::size_t) {
                          if (error) throw boost::system::system_error(error);
                          self->read();
                        });
    }
    void read() {
      answer_ = {};
      http::async_read(socket_, buffer_, answer_,
                       [self = shared_from_this()](error_code error, std::size_t) {
                         if (error) throw boost::system::system_error(error);
                         self->of_.answered(self);
                       });
    }
    Upstream& of_;
    Tcp::socket socket_;
    boost::beast::flat_buffer buffer_;
    http::request<http::string_body> request_;
    http::response<http::string_body> answer_;
    Call call_;
  };

  void answered(const std::shared_ptr<Link>& link) {
    log_.put(key_of('a', link->call_.number), std::move(link->answer_.body()),
             [this] { ++answered_; });
    if (waiting_.empty()) {
      idle_.push_back(link);
      return;
    }
    Call next = std::move(waiting_.front());
    waiting_.pop_front();
    link->start(std::move(next));
  }

  asio::io_context& loop_;
  Log& log_;
  Options options_;
  std::vector<std::shared_ptr<Link>> idle_;
  std::deque<Call> waiting_;
  std::size_t links_ = 0;
  std::uint64_t answered_ = 0;
};

class Server {
 public:
  Server(asio::io_context& loop, Log& log, Upstream& upstream, std::uint16_t port)
      : acceptor_(loop, {asio::ip::address_v4::loopback(), port}), log_(log), upstream_(upstream) {
    accept();
  }

 private:
  struct Session : std::enable_shared_from_this<Session> {
    Session(Server& of, Tcp::socket socket) : of_(of), socket_(std::move(socket)) {}
    void read() {
      request_ = {};
      http::async_read(socket_, buffer_, request_,
                       [self = shared_from_this()](error_code error, std::size_t) {
                         if (!error) self->take();
                       });
    }
    void take() {
      if (request_.method() == http::verb::get) return tell();
      Call call{++of_.numbers_, std::move(request_.body())};
      std::string kept = call.body;
      of_.log_.put(key_of('r', call.number), std::move(kept),
                   [self = shared_from_this(), call = std::move(call)]() mutable {
                     self->reply(http::status::accepted, "");
                     self->of_.upstream_.send(std::move(call));
                   });
    }
    // What the bench asks for: in the words of Holdfast's own metrics.
    void tell() {
      reply(http::status::ok,
            fmt::format("holdfast_upstream_answered_total {}\n", of_.upstream_.answered()));
    }
    void reply(http::status status, std::string body) {
      answer_ = {status, 11};
      answer_.body() = std::move(body);
      answer_.prepare_payload();
      http::async_write(socket_, answer_,
                        [self = shared_from_this()](error_code error, std::size_t) {
                          if (!error) self->read();
                        });
    }
    Server& of_;
    Tcp::socket socket_;
    boost::beast::flat_buffer buffer_;
    http::request<http::string_body> request_;
    http::response<http::string_body> answer_;
  };

  void accept() {
    acceptor_.async_accept([this](error_code error, Tcp::socket socket) {
      if (error) return;
      socket.set_option(Tcp::no_delay(true));
      std::make_shared<Session>(*this, std::move(socket))->read();
      accept();
    });
  }

  Tcp::acceptor acceptor_;
  Log& log_;
  Upstream& upstream_;
  std::uint64_t numbers_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("The bare loop that `./x bench` measures beside Holdfast");
  app.add_option("--port", options.port, "where it listens, on 127.0.0.1")->required();
  app.add_option("--upstream", options.upstream, "the port where it sends to")->required();
  app.add_option("--path", options.path, "its database")->required();
  CLI11_PARSE(app, argc, argv);
  try {
    asio::io_context loop(1);
    Log log(loop, options.path);
    Upstream upstream(loop, log, options);
    Server server(loop, log, upstream, options.port);
    asio::signal_set signals(loop, SIGINT, SIGTERM);
    signals.async_wait([&loop](error_code, int) { loop.stop(); });
    loop.run();
  } catch (const std::exception& error) {
    fmt::print(stderr, "bare loop: {}\n", error.what());
    return 1;
  }
  return 0;
}
