// Bytes read from a client and not used yet. No zero-filling, and nothing allocated while empty and
// parked.
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <string_view>

#include "base/check.h"

namespace hf::adapters {

class ConnectionInbox {
 public:
  [[nodiscard]] std::string_view view() const { return {data_.get() + begin_, end_ - begin_}; }
  [[nodiscard]] bool empty() const { return begin_ == end_; }
  [[nodiscard]] std::size_t size() const { return end_ - begin_; }
  [[nodiscard]] std::size_t capacity() const { return capacity_; }

  // Makes the whole capacity at least `capacity` and moves what is there to the front, so that
  // capacity - size() bytes can follow. Invalidates views.
  void reserve(std::size_t capacity) {
    if (capacity > capacity_) {
      std::unique_ptr<char[]> larger(new char[capacity]);  // NOLINT: without zero-filling
      if (!empty()) std::memcpy(larger.get(), data_.get() + begin_, size());
      data_ = std::move(larger);
      capacity_ = capacity;
    } else if (begin_ > 0 && !empty()) {
      std::memmove(data_.get(), data_.get() + begin_, size());
    }
    end_ = size();
    begin_ = 0;
  }
  [[nodiscard]] char* tail() { return data_.get() + end_; }
  [[nodiscard]] std::size_t space() const { return capacity_ - end_; }
  void commit(std::size_t count) {
    HF_CHECK(count <= space());
    end_ += count;
  }
  void consume(std::size_t count) {
    HF_CHECK(count <= size());
    begin_ += count;
    if (empty()) begin_ = end_ = 0;
  }
  void clear() { begin_ = end_ = 0; }
  void release() {
    data_.reset();
    capacity_ = begin_ = end_ = 0;
  }

 private:
  std::unique_ptr<char[]> data_;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace hf::adapters
