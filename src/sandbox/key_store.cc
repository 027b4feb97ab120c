#include "sandbox/key_store.h"

namespace hf::sandbox {
namespace {

std::size_t size_of(const Answer& answer) {
  std::size_t size = answer.body.size();
  for (const auto& event : answer.events)
    size += event.size();
  return size;
}

}  // namespace

KeyVerdict KeyStore::begin(const std::string& key, const std::string& fingerprint, WallTime now) {
  const auto found = entries_.find(key);
  if (found != entries_.end() && found->second.done && now - found->second.stored_at >= lifetime_) {
    release(key);
  } else if (found != entries_.end()) {
    const auto& entry = found->second;
    if (entry.fingerprint != fingerprint) return KeyMismatch{};
    if (!entry.done) return KeyInProgress{};
    return KeyReplay{entry.answer};
  }
  Entry entry;
  entry.fingerprint = fingerprint;
  entry.turn = ++turn_;
  entries_.emplace(key, std::move(entry));
  return KeyFresh{};
}

void KeyStore::store(const std::string& key, Answer answer, WallTime now) {
  const auto found = entries_.find(key);
  if (found == entries_.end() || found->second.done) return;  // cleared meanwhile
  bytes_ += size_of(answer);
  found->second.answer = std::move(answer);
  found->second.stored_at = now;
  found->second.done = true;
  stored_.emplace_back(found->second.turn, key);
  drop_surplus();
}

void KeyStore::release(const std::string& key) {
  const auto found = entries_.find(key);
  if (found == entries_.end()) return;
  if (found->second.done) bytes_ -= size_of(found->second.answer);
  entries_.erase(found);
}

void KeyStore::clear() {
  entries_.clear();
  stored_.clear();
  bytes_ = 0;
}

void KeyStore::drop_surplus() {
  while ((stored_.size() > kMaxKeys || bytes_ > kMaxBytes) && !stored_.empty()) {
    const auto [turn, key] = std::move(stored_.front());
    stored_.pop_front();
    // The key may have expired and been taken anew since.
    const auto found = entries_.find(key);
    if (found != entries_.end() && found->second.turn == turn) release(key);
  }
}

}  // namespace hf::sandbox
