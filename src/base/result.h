// Result<T>: a value, or an Error that says what failed in the environment. Bugs go to HF_CHECK,
// outcomes that the domain expects are ordinary values. std::expected is in neither compiler for
// both (GCC 12 ships, clang 14 parses), hence our own small type.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "base/check.h"

namespace hf {

// What kind of failure: enough for a caller to decide, the context is for people.
enum class ErrorKind {
  invalid,  // the input is wrong; the same input will fail again
  not_found,
  unavailable,  // the environment is not able to now
  corrupt,      // stored bytes are not what was written
  full,         // a limit or the disk
  closed,       // the other side went away
  timeout,
};

std::string_view to_string(ErrorKind kind);

struct Error {
  ErrorKind kind = ErrorKind::invalid;
  std::string context;  // a sentence for a person, without secrets

  // Adds what was being done, once a layer: "open journal: permission denied".
  [[nodiscard]] Error in(std::string_view doing) && {
    context = std::string(doing) + ": " + context;
    return std::move(*this);
  }
};

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT: by design
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT

  [[nodiscard]] bool ok() const noexcept { return state_.index() == 0; }
  explicit operator bool() const noexcept { return ok(); }
  T& value() & { return checked(); }
  const T& value() const& { return const_cast<Result*>(this)->checked(); }
  T&& value() && { return std::move(checked()); }
  T* operator->() { return &checked(); }
  const T* operator->() const { return &value(); }
  T& operator*() & { return checked(); }
  T&& operator*() && { return std::move(checked()); }
  const T& operator*() const& { return value(); }
  [[nodiscard]] const Error& error() const {
    HF_CHECK(!ok());
    return std::get<1>(state_);
  }
  [[nodiscard]] Error&& take_error() {
    HF_CHECK(!ok());
    return std::move(std::get<1>(state_));
  }

 private:
  T& checked() {
    HF_CHECK_MSG(ok(), ok() ? std::string_view{} : std::string_view(std::get<1>(state_).context));
    return std::get<0>(state_);
  }
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}  // NOLINT: by design

  [[nodiscard]] bool ok() const noexcept { return !error_.has_value(); }
  explicit operator bool() const noexcept { return ok(); }
  [[nodiscard]] const Error& error() const {
    HF_CHECK(error_.has_value());
    return *error_;
  }
  [[nodiscard]] Error&& take_error() {
    HF_CHECK(error_.has_value());
    return std::move(*error_);
  }

 private:
  std::optional<Error> error_;
};

inline Error fail(ErrorKind kind, std::string context) {
  return Error{kind, std::move(context)};
}

}  // namespace hf

#define HF_CONCAT_INNER(a, b) a##b
#define HF_CONCAT(a, b) HF_CONCAT_INNER(a, b)

// HF_TRY(auto x, f()): x is the value, or the function returns the error. Not in coroutines.
#define HF_TRY(decl, expr) HF_TRY_IMPL(HF_CONCAT(hf_try_, __LINE__), decl, expr)
#define HF_TRY_IMPL(tmp, decl, expr)      \
  auto tmp = (expr);                      \
  if (!tmp.ok()) return tmp.take_error(); \
  decl = std::move(tmp).value()

#define HF_TRY_VOID(expr)                                       \
  do {                                                          \
    auto hf_try_result = (expr);                                \
    if (!hf_try_result.ok()) return hf_try_result.take_error(); \
  } while (false)
