#include "sandbox/ledger.h"

#include <algorithm>
#include <boost/json.hpp>
#include <set>

#include "base/check.h"

namespace hf::sandbox {
namespace {

namespace json = boost::json;

// JSON text must be UTF-8; a body may be anything.
std::string printable(std::string_view bytes) {
  std::string out(bytes);
  for (auto& c : out) {
    const auto b = static_cast<unsigned char>(c);
    if (b >= 0x7f || (b < 0x20 && c != '\n' && c != '\t' && c != '\r')) c = '?';
  }
  return out;
}

json::value text_or_null(const std::string& text) {
  return text.empty() ? json::value(nullptr) : json::value(printable(text));
}

json::value id_or_null(std::uint64_t id) {
  return id == 0 ? json::value(nullptr) : json::value(id);
}

json::object request_json(const RequestEntry& entry) {
  return {{"seq", entry.seq},
          {"at_ms", entry.at.ms},
          {"method", printable(entry.method)},
          {"path", printable(entry.path)},
          {"query", text_or_null(entry.query)},
          {"key", text_or_null(entry.key)},
          {"order", text_or_null(entry.order)},
          {"fault", text_or_null(entry.fault)},
          {"request_id", text_or_null(entry.request_id)},
          {"status_answered", entry.status_answered},
          {"replayed", entry.replayed},
          {"applied", entry.effect != 0},
          {"effect", id_or_null(entry.effect)}};
}

json::object effect_json(const Effect& effect, const RequestEntry* request) {
  json::object params;
  for (const auto& [name, value] : effect.params)
    params[printable(name)] = printable(value);
  return {{"id", effect.id},
          {"seq", effect.seq},
          {"at_ms", effect.at.ms},
          {"method", printable(effect.method)},
          {"path", printable(effect.path)},
          {"query", text_or_null(effect.query)},
          {"key", text_or_null(effect.key)},
          {"order", text_or_null(effect.order)},
          {"body_sha256", effect.body_sha256},
          {"body", printable(effect.body)},
          {"params", std::move(params)},
          {"fault", text_or_null(effect.fault)},
          {"status_answered",
           request != nullptr ? json::value(request->status_answered) : json::value(nullptr)},
          {"applied", true},
          {"duplicate_of", id_or_null(effect.duplicate_of)}};
}

template <typename Entry>
bool matches(const Entry& entry, const LedgerFilter& filter) {
  return entry.seq > filter.since && (!filter.order || entry.order == *filter.order) &&
         (!filter.key || entry.key == *filter.key) && (!filter.path || entry.path == *filter.path);
}

// The newest `limit` that match, oldest first.
template <typename Entries, typename ToJson>
json::array newest(const Entries& entries, const LedgerFilter& filter, const ToJson& to_json) {
  std::size_t surplus = 0;
  for (const auto& entry : entries)
    surplus += matches(entry, filter) ? 1 : 0;
  surplus = surplus > filter.limit ? surplus - filter.limit : 0;
  json::array out;
  for (const auto& entry : entries) {
    if (!matches(entry, filter)) continue;
    if (surplus > 0) {
      --surplus;
    } else {
      out.push_back(to_json(entry));
    }
  }
  return out;
}

}  // namespace

Ledger::Ledger(const SandboxOptions& options)
    : max_effects_(options.max_effects),
      max_requests_(options.max_requests),
      max_body_bytes_(options.max_ledger_body_bytes) {}

std::uint64_t Ledger::add_request(RequestEntry entry) {
  entry.seq = ++last_seq_;
  if (!entry.fault.empty()) ++faults_[entry.fault.substr(0, entry.fault.find('='))];
  requests_.push_back(std::move(entry));
  if (requests_.size() > max_requests_) requests_.pop_front();
  return last_seq_;
}

const RequestEntry* Ledger::find(std::uint64_t seq) const {
  if (requests_.empty() || seq < requests_.front().seq || seq > last_seq_) return nullptr;
  return &requests_[seq - requests_.front().seq];  // seqs have no gaps
}

RequestEntry* Ledger::request(std::uint64_t seq) {
  return const_cast<RequestEntry*>(find(seq));
}

std::uint64_t Ledger::add_effect(std::uint64_t seq, WallTime at, std::string_view body,
                                 Params params) {
  if (seq <= cleared_seq_) return 0;
  auto* const from = request(seq);
  Effect effect;
  effect.id = ++last_effect_;
  effect.seq = seq;
  effect.at = at;
  effect.body_sha256 = sha256_hex(body);
  effect.body = std::string(body.substr(0, kBodyKept));
  if (params.size() > kParamsKept) params.resize(kParamsKept);
  for (auto& param : params)
    param.value.resize(std::min(param.value.size(), kValueKept));
  effect.params = std::move(params);
  if (from != nullptr) {
    from->effect = effect.id;
    effect.method = from->method;
    effect.path = from->path;
    effect.query = from->query;
    effect.key = from->key;
    effect.order = from->order;
    effect.fault = from->fault;
    const auto& mark = effect.order.empty() ? effect.key : effect.order;
    if (!mark.empty()) {
      const auto identity =
          effect.method + ' ' + effect.path + (effect.order.empty() ? "\nkey " : "\norder ") + mark;
      const auto [first, fresh] = first_by_id_.try_emplace(identity, effect.id);
      if (!fresh) {
        effect.duplicate_of = first->second;
        ++duplicates_;
      } else if (first_by_id_.size() > 4 * max_effects_) {
        // Forgetting whom to compare with could hide a double, so the whole index goes and the
        // ledger says through `dropped_effects` that it is no longer complete.
        first_by_id_.clear();
      }
    }
  }
  body_bytes_ += effect.body.size();
  effects_.push_back(std::move(effect));
  drop_surplus();
  return last_effect_;
}

void Ledger::drop_surplus() {
  while (effects_.size() > max_effects_) {
    body_bytes_ -= effects_.front().body.size();
    effects_.pop_front();
  }
  if (effects_.empty()) return;
  first_with_body_ = std::max(first_with_body_, effects_.front().id);
  while (body_bytes_ > max_body_bytes_ && first_with_body_ <= last_effect_) {
    auto& oldest = effects_[first_with_body_ - effects_.front().id];
    body_bytes_ -= oldest.body.size();
    oldest.body = {};
    oldest.params = {};
    ++first_with_body_;
  }
}

void Ledger::clear() {
  requests_.clear();
  effects_.clear();
  faults_.clear();
  first_by_id_.clear();
  first_with_body_ = last_effect_ + 1;
  dropped_before_ = last_effect_;
  cleared_seq_ = last_seq_;
  duplicates_ = 0;
  body_bytes_ = 0;
}

json::object Ledger::counts() const {
  json::object faults;
  for (const auto& [name, count] : faults_)
    faults[name] = count;
  std::set<std::string_view> orders;
  std::uint64_t orders_doubled = 0;
  std::set<std::string_view> doubled;
  for (const auto& effect : effects_) {
    if (effect.order.empty()) continue;
    orders.insert(effect.order);
    if (effect.duplicate_of != 0 && doubled.insert(effect.order).second) ++orders_doubled;
  }
  const auto requests = last_seq_ - cleared_seq_;
  const auto effects = last_effect_ - dropped_before_;
  return {{"requests", requests},
          {"effects", effects},
          {"duplicates", duplicates_},
          {"orders", orders.size()},
          {"orders_doubled", orders_doubled},
          {"dropped_requests", requests - requests_.size()},
          {"dropped_effects", effects - effects_.size()},
          {"faults", std::move(faults)}};
}

json::object Ledger::to_json(const LedgerFilter& filter) const {
  json::object out;
  if (!filter.counts_only) {
    out["effects"] = newest(effects_, filter, [this](const Effect& effect) {
      return effect_json(effect, find(effect.seq));
    });
    out["requests"] = newest(requests_, filter, request_json);
  }
  out["counts"] = counts();
  return out;
}

}  // namespace hf::sandbox
