#include "adapters/http/connection_body.h"

#include <utility>

#include "adapters/http/connection.h"
#include "base/check.h"

namespace hf::adapters {

void RequestBody::read(Deliver deliver) {
  HF_CHECK_MSG(!deliver_, "one read at a time");
  if (at_ < kept_.size()) {
    std::string piece = kept_.substr(at_);
    at_ = kept_.size();
    deliver(What::data, std::move(piece));
    return;
  }
  if (!unread_.empty()) {
    deliver(What::data, std::exchange(unread_, {}));
    return;
  }
  if (ended_) {
    deliver(What::end, {});
    return;
  }
  if (connection_ == nullptr) {
    deliver(What::aborted, {});
    return;
  }
  deliver_ = std::move(deliver);
  connection_->read_stream();
}

void RequestBody::rewind() {
  HF_CHECK(replayable() && !deliver_);
  at_ = 0;
}

void RequestBody::on_piece(std::string bytes, bool last) {
  ended_ = last;
  if (!overflowed_) {
    if (bytes.size() <= keep_max_ - kept_.size()) {
      kept_.append(bytes);
    } else {
      // Something of it may be unread: after stop() and rewind() with the socket's read still on.
      if (at_ < kept_.size()) unread_ = kept_.substr(at_);
      overflowed_ = true;
      kept_ = {};
      at_ = 0;
    }
  }
  if (deliver_) {
    at_ = kept_.size();
    std::exchange(deliver_, nullptr)(What::data, std::move(bytes));
  } else if (overflowed_) {
    unread_.append(bytes);
  }
}

void RequestBody::on_end() {
  ended_ = true;
  if (deliver_) std::exchange(deliver_, nullptr)(What::end, {});
}

ports::BodySource::Deliver RequestBody::detach() {
  connection_ = nullptr;
  return std::exchange(deliver_, nullptr);
}

}  // namespace hf::adapters
