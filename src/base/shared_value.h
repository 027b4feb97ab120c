// A value that many hold and hardly anybody changes: a copy shares it, and who changes his gets his
// own first. Readers on several threads need no lock, as with a shared_ptr to what is const.
#pragma once

#include <memory>
#include <utility>

namespace hf {

// Never empty: one that is moved from keeps its share.
template <typename T>
class SharedValue {
 public:
  SharedValue() : shared_(nobodys()) {}
  SharedValue(T value) : shared_(std::make_shared<const T>(std::move(value))) {}
  // Not null. May be a part of something larger, which then lives as long.
  explicit SharedValue(std::shared_ptr<const T> shared) : shared_(std::move(shared)) {}
  SharedValue(const SharedValue&) = default;
  SharedValue& operator=(const SharedValue&) = default;
  ~SharedValue() = default;

  const T* operator->() const { return shared_.get(); }
  const T& operator*() const { return *shared_; }
  // A copy that is this holder's alone, in the place of what was there. Holds until the next call.
  T& own() {
    auto mine = std::make_shared<T>(*shared_);
    T& out = *mine;
    shared_ = std::move(mine);
    return out;
  }
  friend bool operator==(const SharedValue& a, const SharedValue& b) {
    return a.shared_ == b.shared_ || *a.shared_ == *b.shared_;
  }

 private:
  static const std::shared_ptr<const T>& nobodys() {
    static const auto value = std::make_shared<const T>();
    return value;
  }
  std::shared_ptr<const T> shared_;
};

}  // namespace hf
