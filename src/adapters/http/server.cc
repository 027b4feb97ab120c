#include "adapters/http/server.h"

#include <utility>

#include "adapters/http/connection.h"
#include "adapters/http/server_core.h"

namespace hf::adapters {

Server::Server(boost::asio::io_context& io, std::shared_ptr<const call::Intake> intake,
               ServerOptions options)
    : core_(std::make_shared<ServerCore>(io, std::move(intake), options)) {}

Server::~Server() {
  core_->set_events(nullptr);
  core_->close_all();
}

void Server::set_events(ports::ClientEvents& events) {
  core_->set_events(&events);
}
void Server::set_door(ports::Door& door) {
  core_->set_door(&door);
}

Result<std::uint16_t> Server::listen(const std::string& address, std::string listener,
                                     const call::TlsListen& tls, const PassedSocket* passed) {
  return core_->listen(address, std::move(listener), tls, passed);
}

void Server::set_intake(std::shared_ptr<const call::Intake> intake) {
  core_->set_intake(std::move(intake));
}

void Server::stop_accepting() {
  core_->stop_accepting();
}

void Server::drain() {
  core_->drain();
}

bool Server::idle() const {
  return core_->idle();
}

void Server::close_all() {
  core_->close_all();
}

const ServerCounters& Server::counters() const {
  return core_->counters();
}

policy::Busiest::Top Server::busiest(std::size_t most) const {
  return core_->busiest().top(most, ServerCore::now());
}

void Server::reply(ExchangeId id, call::Reply reply) {
  if (const auto connection = core_->find(id)) connection->reply(std::move(reply));
}

std::shared_ptr<ports::AnswerSink> Server::begin(ExchangeId id, call::AnswerHead head) {
  const auto connection = core_->find(id);
  return connection ? connection->begin(std::move(head)) : nullptr;
}

void Server::finish(ExchangeId id, bool complete) {
  if (const auto connection = core_->find(id)) connection->finish(complete);
}

}  // namespace hf::adapters
