// For tests of the client commands: an admin API that says what it is told to, and a command line
// whose output is caught.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <deque>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "adapters/http/control_server.h"
#include "app/calls_command.h"

namespace hf::app::testing {

// The API as a script: answers what it is told and keeps what it was asked.
class FakeAdmin {
 public:
  FakeAdmin()
      : server_(io_,
                [this](const ports::ControlRequest& request, const ports::ControlRespond& respond) {
                  requests.push_back(request);
                  if (script.empty()) return respond(reply);
                  respond(script.front());
                  script.pop_front();
                }),
        port_(server_.listen("127.0.0.1:0").value()),
        thread_([this] { io_.run(); }) {}
  ~FakeAdmin() {
    io_.stop();
    thread_.join();
  }
  [[nodiscard]] std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

  void say(const std::string& body, int status = 200) {
    script.push_back({status, "application/json", body, {}});
  }

  std::vector<ports::ControlRequest> requests;  // read while nothing is under way
  std::deque<ports::ControlReply> script;       // first these, one each
  ports::ControlReply reply;

 private:
  boost::asio::io_context io_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{
      io_.get_executor()};
  adapters::ControlServer server_;
  std::uint16_t port_;
  std::thread thread_;
};

class CallsCommand : public ::testing::Test {
 protected:
  void SetUp() override {
    dir_ = std::string(HF_BINARY_DIR) + "/calls-command-" + std::to_string(::getpid()) + "-" +
           std::to_string(reinterpret_cast<std::uintptr_t>(this));
    std::filesystem::create_directories(dir_);
    write("token", "hf_secret\n");
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }

  std::string write(const std::string& name, const std::string& text) {
    std::ofstream(dir_ + "/" + name) << text;
    return dir_ + "/" + name;
  }
  // As if it stood behind "holdfast"; what it printed is in `out` and `err`.
  int run(std::vector<std::string> words) {
    CLI::App app;
    app.require_subcommand(1);
    CallsOptions options;
    int code = -1;
    add_calls_commands(app, options, code);
    words.insert(words.end(), {"--admin", admin.address(), "--token-file", dir_ + "/token"});
    std::vector<std::string> reversed(words.rbegin(), words.rend());
    ::testing::internal::CaptureStdout();
    ::testing::internal::CaptureStderr();
    try {
      app.parse(reversed);
    } catch (const CLI::ParseError&) {
      code = 2;
    }
    out = ::testing::internal::GetCapturedStdout();
    err = ::testing::internal::GetCapturedStderr();
    return code;
  }

  std::string dir_;
  FakeAdmin admin;
  std::string out;
  std::string err;
};

}  // namespace hf::app::testing
