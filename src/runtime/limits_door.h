// The limits of the configuration as the door before every request.
//
// I/O thread only.
#pragma once

#include <functional>
#include <memory>

#include "call/settings.h"
#include "ports/clock.h"
#include "ports/door.h"
#include "traffic/limiter.h"

namespace hf::runtime {

class LimitsDoor final : public ports::Door {
 public:
  // `clock` outlives it.
  LimitsDoor(std::shared_ptr<const call::Settings> settings, traffic::HashSecret secret,
             ports::Clock& clock);

  Word on_head(const call::IncomingHead& head) override;
  std::optional<call::Reply> on_body(const call::IncomingHead& head, std::string_view body,
                                     Stay& stay) override;
  void on_answer(Stay& stay, int status, Fields& fields) override;

  traffic::Limiter& limiter() { return limiter_; }

 private:
  std::shared_ptr<const call::Settings> settings_;
  traffic::Limiter limiter_;
  ports::Clock& clock_;
};

}  // namespace hf::runtime
