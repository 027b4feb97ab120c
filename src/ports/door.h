// What stands before every request: how much its client may ask of us. I/O thread only.
#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "base/fields.h"
#include "call/intake.h"
#include "call/reply.h"

namespace hf::ports {

class Door {
 public:
  // What a request takes along to its answer.
  class Stay {
   public:
    Stay() = default;
    Stay(const Stay&) = delete;
    Stay& operator=(const Stay&) = delete;
    virtual ~Stay() = default;
  };
  struct Word {
    std::optional<call::Reply> refused;
    std::unique_ptr<Stay> stay;  // null: nothing is owed to its answer
  };

  virtual ~Door() = default;
  // A head has come; its body has not been read. A refusal is a whole answer.
  virtual Word on_head(const call::IncomingHead& head) = 0;
  // Before the call is made: `body` as far as it was read whole, else empty.
  virtual std::optional<call::Reply> on_body(const call::IncomingHead& head, std::string_view body,
                                             Stay& stay) = 0;
  // The answer's head goes out, whoever made it: fields may be added.
  virtual void on_answer(Stay& stay, int status, Fields& fields) = 0;
};

}  // namespace hf::ports
