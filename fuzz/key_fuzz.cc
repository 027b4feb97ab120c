// Everything a client can put into a key: the field, Prefer, a credential, a JSON or a form body.
// The first line of the input is the field's value, the second a JSON pointer, the rest the body.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/check.h"
#include "call/fingerprint.h"
#include "call/intake.h"
#include "call/intake_key.h"
#include "call/parts.h"
#include "call/parts_json.h"
#include "call/prefer.h"
#include "call/reply_json.h"

namespace hf::call {
namespace {

std::string_view take_line(std::string_view& rest) {
  const auto end = rest.find('\n');
  const auto line = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  return line;
}

// A key that was taken is the same one when it comes quoted.
void check_key(std::string_view value) {
  const auto key = parse_key(value);
  if (!key) return;
  HF_CHECK(!key->empty() && key->size() <= kKeyMax);
  std::string quoted = "\"";
  for (const char c : *key) {
    if (c == '"' || c == '\\') quoted.push_back('\\');
    quoted.push_back(c);
  }
  HF_CHECK(parse_key(quoted + "\"") == key);
}

// What is found lies in the body and is JSON by itself.
void check_json(std::string_view pointer, std::string_view body) {
  const JsonHit hit = find_json(body, pointer);
  if (hit.result != JsonFind::found) return;
  HF_CHECK(hit.begin < hit.end && hit.end <= body.size());
  const auto value = body.substr(hit.begin, hit.end - hit.begin);
  const JsonHit whole = find_json(value, "");
  HF_CHECK(whole.result == JsonFind::found && whole.begin == 0 && whole.end == value.size());
  if (const auto text = json_scalar_text(value)) {
    HF_CHECK(json_scalar_text(json_string(*text)).has_value());
  }
}

void check_form(std::string_view body) {
  std::size_t at = 0;
  for (const auto& pair : form_pairs(body)) {
    HF_CHECK(pair.begin >= at && pair.begin < pair.end && pair.end <= body.size());
    HF_CHECK(pair.name.size() + pair.value.size() <= pair.end - pair.begin);
    at = pair.end;
  }
}

void check_reply(const Reply& reply) {
  HF_CHECK(reply.status >= 400 && reply.status < 600);
  HF_CHECK(find_json(view(reply.body), "/error/type").result == JsonFind::found);
}

Settings settings_with(std::string_view pointer) {
  auto upstream = std::make_shared<UpstreamSettings>();
  upstream->name = "u";
  upstream->urls = {Url{false, "u", 80, "/base"}};
  upstream->idempotency.mode = Mode::key;
  upstream->credentials_stored = true;
  auto business = std::make_shared<RouteSettings>();
  business->upstream = "u";
  business->path = "/business/";
  business->strip_prefix = true;
  business->hold = Hold::on_failure;
  business->key.from = {{Part::Kind::body, std::string(pointer)}};
  business->key.scope = {{Part::Kind::form, "scope"}};
  business->fingerprint_ignore = {{Part::Kind::header, "Content-Type"},
                                  {Part::Kind::body, "/ignored"},
                                  {Part::Kind::form, "ignored"}};
  auto header = std::make_shared<RouteSettings>();
  header->upstream = "u";
  header->key.from = {{Part::Kind::header, "Idempotency-Key"}};
  Settings settings;
  settings.upstreams["u"] = upstream;
  settings.routes = {business, header};
  return settings;
}

// The same request twice is the same call, whatever is in it.
void check_intake(const Settings& settings, const std::string& target, std::string_view value,
                  std::string_view body) {
  const Intake intake(std::make_shared<const Settings>(settings), Hasher({}));
  IncomingHead head;
  head.method = "POST";
  head.target = target;
  head.has_body = true;
  head.fields = {{"Idempotency-Key", std::string(value)},
                 {"Prefer", std::string(value)},
                 {"Authorization", std::string(value)},
                 {"Via", std::string(value)},
                 {"Content-Type", std::string(value)}};
  const auto verdict = intake.on_head(head);
  if (const auto* reply = std::get_if<Reply>(&verdict)) return check_reply(*reply);
  HF_CHECK(std::holds_alternative<Buffered>(verdict));
  const auto first = intake.on_request(head, make_body(std::string(body)));
  if (const auto* reply = std::get_if<Reply>(&first)) return check_reply(*reply);
  const auto second = intake.on_request(head, make_body(std::string(body)));
  const auto& one = std::get<NewCall>(first);
  const auto& two = std::get<NewCall>(second);
  HF_CHECK(one.key == two.key && one.fingerprint == two.fingerprint && one.owner == two.owner);
  if (one.key) HF_CHECK(find_field(one.request->fields, one.key->field)->value == one.key->value);
}

}  // namespace
}  // namespace hf::call

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hf::call;
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  const auto value = take_line(rest);
  const auto pointer = take_line(rest);
  check_key(value);
  check_json(pointer, rest);
  check_form(rest);
  HF_CHECK(find_json(json_string(rest), "").result == JsonFind::found);
  hf::Fields prefer{{"Prefer", std::string(value)}};
  drop_preferences(prefer, true, true);
  const auto left = read_preferences(prefer);
  HF_CHECK(!left.respond_async && !left.wait);
  const auto settings = settings_with(pointer);
  check_intake(settings, "/business/pay", value, rest);
  check_intake(settings, "/pay?x", value, rest);
  return 0;
}
