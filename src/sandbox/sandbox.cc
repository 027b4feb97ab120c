#include "sandbox/sandbox.h"

#include <fmt/format.h>
#include <pthread.h>
#include <sys/resource.h>

#include <boost/asio/error.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <future>
#include <map>
#include <thread>

#include "sandbox/session.h"

namespace hf::sandbox {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using Error = boost::system::error_code;

constexpr std::int64_t kReopenMs = 20;  // before accept or listen is tried again

Request control_request(const std::string& method, const std::string& target,
                        const std::string& body) {
  Request request;
  request.method = method;
  const auto mark = target.find('?');
  request.path = target.substr(0, mark);
  if (mark != std::string::npos) request.query = target.substr(mark + 1);
  request.body = body;
  return request;
}

}  // namespace

struct Sandbox::Impl final : SessionHost {
  explicit Impl(SandboxOptions given) : options(std::move(given)) {}

  World& world() override { return *state; }
  WallTime now() override {
    const auto since = std::chrono::system_clock::now().time_since_epoch();
    return {std::chrono::duration_cast<std::chrono::milliseconds>(since).count()};
  }
  Answer control(const Request& request) override;
  void execute_later(std::uint64_t ticket, std::int64_t delay_ms,
                     std::function<void(Answer)> then) override;
  void closed(const void* session) override { sessions.erase(session); }

  Result<std::uint16_t> open(tcp::acceptor& acceptor, std::uint16_t port);
  void accept(tcp::acceptor& acceptor, bool control_only);
  void accept_later(tcp::acceptor& acceptor, bool control_only);
  void go_down(std::int64_t for_ms);
  void come_up();

  SandboxOptions options;
  std::optional<World> state;
  std::uint16_t port = 0;
  std::uint16_t control_port = 0;
  bool down = false;
  std::uint64_t down_turn = 0;
  // After the world: destroying the context destroys the handlers that hold the sessions.
  asio::io_context io{1};
  // While it is down there may be nothing to wait for, and the thread must not end then.
  asio::executor_work_guard<asio::io_context::executor_type> work{io.get_executor()};
  tcp::acceptor data{io};
  tcp::acceptor side{io};
  asio::steady_timer outage{io};
  std::map<const void*, std::weak_ptr<Session>> sessions;  // of the data port and the control port
  std::thread thread;
};

Result<std::uint16_t> Sandbox::Impl::open(tcp::acceptor& acceptor, std::uint16_t wanted) {
  Error error;
  const auto address = asio::ip::make_address(options.host, error);
  if (error) return fail(ErrorKind::invalid, "not an IP address: " + options.host);
  const tcp::endpoint endpoint(address, wanted);
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(1024, error);
  if (error) {
    Error ignored;
    acceptor.close(ignored);
    return fail(ErrorKind::unavailable,
                fmt::format("listen on {}:{}: {}", options.host, wanted, error.message()));
  }
  const auto local = acceptor.local_endpoint(error);
  if (error) return fail(ErrorKind::unavailable, error.message());
  return local.port();
}

void Sandbox::Impl::accept(tcp::acceptor& acceptor, bool control_only) {
  acceptor.async_accept([this, &acceptor, control_only](Error error, tcp::socket socket) {
    if (error == asio::error::operation_aborted) return;  // down, or stopping
    if (error) return accept_later(acceptor, control_only);
    if (control_only || sessions.size() < options.max_connections) {
      auto session = std::make_shared<Session>(std::move(socket), *this, control_only);
      sessions.emplace(session.get(), session);
      session->run();
    }
    accept(acceptor, control_only);
  });
}

// Out of descriptors, most likely: trying again at once would spin.
void Sandbox::Impl::accept_later(tcp::acceptor& acceptor, bool control_only) {
  auto timer = std::make_shared<asio::steady_timer>(io);
  timer->expires_after(std::chrono::milliseconds(kReopenMs));
  timer->async_wait([this, timer, &acceptor, control_only](Error) {
    if (acceptor.is_open()) accept(acceptor, control_only);
  });
}

Answer Sandbox::Impl::control(const Request& request) {
  auto outcome = state->control(request, down, now());
  // Later, so that the answer to this very request is written first if it came by the data port.
  if (outcome.down_for_ms) {
    asio::post(io, [this, for_ms = *outcome.down_for_ms] { go_down(for_ms); });
  }
  if (outcome.up) asio::post(io, [this] { come_up(); });
  return outcome.answer;
}

void Sandbox::Impl::execute_later(std::uint64_t ticket, std::int64_t delay_ms,
                                  std::function<void(Answer)> then) {
  if (delay_ms <= 0) return then(state->finish(ticket, now()));
  auto timer = std::make_shared<asio::steady_timer>(io);
  timer->expires_after(std::chrono::milliseconds(delay_ms));
  timer->async_wait([this, timer, ticket, then = std::move(then)](Error error) {
    if (!error) then(state->finish(ticket, now()));
  });
}

void Sandbox::Impl::go_down(std::int64_t for_ms) {
  down = true;
  const auto turn = ++down_turn;
  Error ignored;
  data.close(ignored);
  const auto all = sessions;  // reset() takes each out of the map
  for (const auto& [address, weak] : all) {
    const auto session = weak.lock();
    if (session && !session->control_only()) session->reset();
  }
  if (for_ms == 0) return;
  outage.expires_after(std::chrono::milliseconds(for_ms));
  outage.async_wait([this, turn](Error error) {
    if (!error && turn == down_turn) come_up();
  });
}

void Sandbox::Impl::come_up() {
  if (!down) return;
  const auto turn = ++down_turn;
  if (open(data, port).ok()) {
    down = false;
    return accept(data, false);
  }
  // Somebody else has the port for the moment.
  outage.expires_after(std::chrono::milliseconds(kReopenMs));
  outage.async_wait([this, turn](Error error) {
    if (!error && turn == down_turn) come_up();
  });
}

Sandbox::Sandbox(SandboxOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}

Sandbox::~Sandbox() {
  stop();
}

Result<std::uint16_t> Sandbox::start() {
  HF_CHECK(!impl_->state);
  HF_TRY(auto world, World::make(impl_->options));
  HF_TRY(impl_->port, impl_->open(impl_->data, impl_->options.port));
  if (impl_->options.control_port) {
    HF_TRY(impl_->control_port, impl_->open(impl_->side, *impl_->options.control_port));
  }
  impl_->state.emplace(std::move(world));
  impl_->accept(impl_->data, false);
  if (impl_->control_port != 0) impl_->accept(impl_->side, true);
  impl_->thread = std::thread([impl = impl_.get()] { impl->io.run(); });
  return impl_->port;
}

void Sandbox::stop() {
  if (!impl_->thread.joinable()) return;
  impl_->io.stop();
  impl_->thread.join();
  Error ignored;
  impl_->data.close(ignored);
  impl_->side.close(ignored);
  const auto all = impl_->sessions;
  for (const auto& [address, weak] : all) {
    if (const auto session = weak.lock()) session->reset();
  }
}

std::uint16_t Sandbox::port() const {
  return impl_->port;
}
std::uint16_t Sandbox::control_port() const {
  return impl_->control_port;
}

std::string Sandbox::control(const std::string& method, const std::string& target,
                             const std::string& body) {
  // Shared: the io thread may still be inside set_value() when this one has its value already.
  auto answer = std::make_shared<std::promise<std::string>>();
  auto future = answer->get_future();
  asio::post(impl_->io, [impl = impl_.get(), answer, method, target, body] {
    answer->set_value(impl->control(control_request(method, target, body)).body);
  });
  return future.get();
}

int run_sandbox(const SandboxOptions& options) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
  Sandbox sandbox(options);
  const auto port = sandbox.start();
  if (!port) {
    fmt::print(stderr, "holdfast sandbox: {}\n", port.error().context);
    return 1;
  }
  fmt::print("sandbox listening on http://{}:{}\n", options.host, *port);
  if (sandbox.control_port() != 0) {
    fmt::print("sandbox control on http://{}:{}\n", options.host, sandbox.control_port());
  }
  std::fflush(stdout);
  int received = 0;
  sigwait(&signals, &received);
  sandbox.stop();
  return 0;
}

}  // namespace hf::sandbox
