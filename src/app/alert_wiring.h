// The alerts of one life, with their timer, their way out, and the file in which one process tells
// the next what has been told.
#pragma once

#include <boost/asio/io_context.hpp>
#include <memory>

#include "adapters/rocksdb/rocksdb_journal.h"
#include "call/settings.h"
#include "control/alerts.h"
#include "ports/clock.h"
#include "runtime/driver.h"

namespace hf::app {

class AlertWiring {
 public:
  // All outlive the wiring; `journal` may be null. It begins at once, on the I/O thread.
  AlertWiring(boost::asio::io_context& io, runtime::Driver& driver, ports::Clock& clock,
              adapters::RocksdbJournal* journal, std::shared_ptr<const call::Settings> settings);
  ~AlertWiring();
  [[nodiscard]] const control::Alerts& alerts() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace hf::app
