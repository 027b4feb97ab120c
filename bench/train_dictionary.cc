// Makes the dictionary that records are packed with (src/call/squeeze_dictionary.cc) from calls as
// applications send them, through the real intake, engine and codec. The dictionary is a part of
// the format: what this prints is never to replace one that is in use, only to stand beside it
// under a flag of its own.
#include <zdict.h>

#include <array>
#include <cstdio>
#include <iterator>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "base/prng.h"
#include "bench/held_path.h"
#include "call/record_payload.h"
#include "call/squeeze.h"

namespace hf::bench {
namespace {

constexpr std::size_t kDictionaryBytes = 4096;
constexpr std::size_t kFoundBytes = 2600;
constexpr int kServices = 60;
constexpr int kCallsOfOne = 60;

class Invention {
 public:
  explicit Invention(std::uint64_t seed) : prng_(seed) {}

  template <std::size_t N>
  std::string one(const std::array<std::string_view, N>& words) {
    return std::string(words[prng_.below(N)]);
  }
  bool chance(std::uint64_t percent) { return prng_.below(100) < percent; }
  std::uint64_t number(std::uint64_t below) { return prng_.below(below); }
  std::string of(std::string_view alphabet, std::size_t length) {
    std::string out(length, '\0');
    for (char& c : out)
      c = alphabet[prng_.below(alphabet.size())];
    return out;
  }
  std::string hex(std::size_t length) { return of("0123456789abcdef", length); }
  std::string base64(std::size_t length) {
    return of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", length);
  }
  std::string uuid() {
    return hex(8) + "-" + hex(4) + "-4" + hex(3) + "-9" + hex(3) + "-" + hex(12);
  }
  std::string id() { return one(kPrefixes) + base62(14 + number(11)); }
  std::string base62(std::size_t length) {
    return of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", length);
  }
  std::string date() {
    return "202" + std::to_string(4 + number(9)) + "-" + two(1 + number(12)) + "-" +
           two(1 + number(28));
  }
  std::string two(std::uint64_t value) { return (value < 10 ? "0" : "") + std::to_string(value); }
  std::string http_date() {
    static constexpr std::array<std::string_view, 7> kDays{"Mon", "Tue", "Wed", "Thu",
                                                           "Fri", "Sat", "Sun"};
    static constexpr std::array<std::string_view, 12> kMonths{
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    return one(kDays) + ", " + two(1 + number(28)) + " " + one(kMonths) + " 202" +
           std::to_string(4 + number(9)) + " " + two(number(24)) + ":" + two(number(60)) + ":" +
           two(number(60)) + " GMT";
  }
  std::string text() {
    std::string out;
    for (std::uint64_t i = 0, n = 1 + number(5); i < n; ++i)
      out += (out.empty() ? "" : " ") + one(kWords);
    return out;
  }
  std::string email() { return one(kWords) + "." + one(kWords) + "@" + one(kHosts); }
  std::string amount() { return std::to_string(number(chance(50) ? 100'000 : 1'000)); }

  std::string value() {
    switch (number(13)) {
      case 0:
      case 1:
        return amount();
      case 2:
        return std::to_string(number(1000)) + "." + two(number(100));
      case 3:
        return chance(50) ? "true" : "false";
      case 4:
        return "null";
      case 5:
        return "\"" + date() + "T" + two(number(24)) + ":" + two(number(60)) + ":00Z\"";
      case 6:
        return "\"" + uuid() + "\"";
      case 7:
        return "\"" + id() + "\"";
      case 8:
        return "\"" + email() + "\"";
      case 9:
        return "\"" + one(kCodes) + "\"";
      case 10:
        return "\"" + (chance(50) ? hex(32) : base64(44)) + "\"";
      default:
        return "\"" + text() + "\"";
    }
  }
  std::string object(int depth) {
    std::string out = "{";
    for (std::uint64_t i = 0, n = 2 + number(7); i < n; ++i) {
      if (i > 0) out += ",";
      out += "\"" + one(kMembers) + "\":";
      if (depth > 0 && chance(15)) {
        out += object(depth - 1);
      } else if (depth > 0 && chance(10)) {
        out += "[" + object(depth - 1) + (chance(50) ? "," + object(depth - 1) : "") + "]";
      } else {
        out += value();
      }
    }
    return out + "}";
  }
  std::string form() {
    std::string out;
    for (std::uint64_t i = 0, n = 3 + number(7); i < n; ++i) {
      out += (out.empty() ? "" : "&") + one(kMembers);
      if (chance(20)) out += "%5B" + one(kMembers) + "%5D";
      out += "=";
      out += chance(40) ? amount() : chance(50) ? id() : one(kWords) + "+" + one(kWords);
    }
    return out;
  }
  std::string path() {
    std::string out = chance(60) ? "/v1/" : "/api/";
    out += one(kMembers) + "s";
    if (chance(40)) out += "/" + id();
    if (chance(15)) out += "?" + one(kMembers) + "=" + one(kWords);
    return out;
  }

 private:
  static constexpr std::array<std::string_view, 16> kPrefixes{
      "cus_", "pi_",   "ch_",  "ord_",  "usr_", "inv_", "tok_", "msg_",
      "evt_", "acct_", "sub_", "prod_", "",     "",     "",     "req_"};
  static constexpr std::array<std::string_view, 8> kHosts{
      "example.com", "gmail.com", "shop.example", "mail.example",
      "company.org", "web.de",    "outlook.com",  "example.org"};
  static constexpr std::array<std::string_view, 16> kCodes{
      "eur",  "usd",  "USD",           "EUR", "DE", "US",   "pending", "active",
      "card", "paid", "order.created", "en",  "GB", "open", "email",   "succeeded"};
  static constexpr std::array<std::string_view, 64> kWords{
      "the",    "order",  "and",     "please", "street", "for",    "Main",     "with",
      "your",   "paid",   "blue",    "large",  "from",   "new",    "delivery", "at",
      "Berlin", "London", "invoice", "to",     "thank",  "you",    "of",       "Anna",
      "John",   "Smith",  "Mueller", "is",     "in",     "small",  "red",      "shirt",
      "box",    "per",    "month",   "test",   "user",   "first",  "second",   "item",
      "north",  "south",  "garden",  "house",  "road",   "number", "service",  "support",
      "hello",  "has",    "been",    "sent",   "ready",  "set",    "on",       "by",
      "next",   "day",    "annual",  "plan",   "basic",  "pro",    "team",     "account"};
  static constexpr std::array<std::string_view, 72> kMembers{
      "id",       "type",       "object",     "status",      "amount",      "currency",
      "customer", "created",    "created_at", "description", "email",       "name",
      "items",    "quantity",   "price",      "metadata",    "error",       "data",
      "order",    "order_id",   "user_id",    "customer_id", "event",       "timestamp",
      "address",  "line1",      "city",       "country",     "postal_code", "zip",
      "phone",    "first_name", "last_name",  "message",     "subject",     "text",
      "to",       "from",       "channel",    "template",    "payment",     "payment_method",
      "source",   "card",       "total",      "tax",         "discount",    "sku",
      "product",  "title",      "url",        "token",       "code",        "reference",
      "note",     "active",     "enabled",    "count",       "limit",       "version",
      "lines",    "unit_price", "shipping",   "invoice",     "account",     "language",
      "locale",   "updated_at", "customerId", "orderId",     "userId",      "createdAt"};

  Prng prng_;
};

struct Service {
  std::string config;
  std::string key_field;
  bool json = true;
};

Service invent_service(Invention& of) {
  static constexpr std::array<std::string_view, 10> kNames{
      "payments", "mail", "stripe", "api", "orders", "hooks", "sms", "crm", "billing", "search"};
  static constexpr std::array<std::string_view, 6> kPaths{"/", "/v1/", "/", "/api/", "/", "/v2/"};
  static constexpr std::array<std::string_view, 5> kKeys{
      "Idempotency-Key", "Idempotency-Key", "Idempotency-Key", "X-Request-Id", "X-Idempotency-Key"};
  Service out;
  const std::string name = of.one(kNames);
  const std::string field = of.one(kKeys);
  out.key_field = field;
  out.json = of.chance(80);
  const std::string answer = of.chance(50) ? "hold: always" : "hold: always\n    held_answer: 202";
  out.config = "journal: { path: /nowhere }\nupstreams:\n  " + name + ":\n    url: \"http" +
               (of.chance(50) ? "s" : "") + "://" +
               (of.chance(50) ? "10.0." + std::to_string(of.number(200)) + ".7:8080"
                              : name + ".example.com") +
               "\"\n    idempotency: { mode: key, header: " + field +
               (of.chance(70) ? ", lifetime: 24h" : ", lifetime: 30m") +
               " }\n    credentials: stored\nroutes:\n  - path: " + of.one(kPaths) +
               "\n    upstream: " + name + "\n    key: { from: [ { header: " + field +
               " } ] }\n    " + answer + "\n";
  return out;
}

std::string invent_head(Invention& of, const Service& service, std::size_t length) {
  static constexpr std::array<std::string_view, 8> kAgents{
      "python-requests/2.32.3", "Go-http-client/1.1", "axios/1.7.9",      "node",
      "Java-http-client/21.0",  "okhttp/4.12.0",      "ruby/3.3 faraday", "curl/8.5.0"};
  static constexpr std::array<std::string_view, 8> kMethods{"POST", "POST", "POST",  "POST",
                                                            "POST", "PUT",  "PATCH", "DELETE"};
  std::string path = of.path();
  std::string out = of.one(kMethods) + " " +
                    (service.config.find("path: /v2/") != std::string::npos    ? "/v2/x"
                     : service.config.find("path: /api/") != std::string::npos ? "/api/x"
                     : service.config.find("path: /v1/") != std::string::npos  ? "/v1/x"
                                                                               : path) +
                    " HTTP/1.1\r\nHost: proxy.internal:8080\r\n";
  const auto field = [&](std::string_view name, const std::string& value) {
    out += std::string(name) + ": " + value + "\r\n";
  };
  if (of.chance(70)) field("User-Agent", of.one(kAgents));
  if (of.chance(70)) field("Accept", of.chance(50) ? "*/*" : "application/json");
  if (of.chance(40)) field("Accept-Encoding", "gzip, deflate, br");
  if (of.chance(70)) field("Authorization", "Bearer " + of.base62(24 + of.number(24)));
  if (service.json) {
    field("Content-Type", of.chance(60) ? "application/json" : "application/json; charset=utf-8");
  } else {
    field("Content-Type", of.chance(80) ? "application/x-www-form-urlencoded" : "text/plain");
  }
  if (of.chance(30)) field("traceparent", "00-" + of.hex(32) + "-" + of.hex(16) + "-01");
  if (of.chance(20)) field("X-Forwarded-For", "10.0.0." + std::to_string(of.number(250)));
  if (of.chance(20)) field("X-Correlation-Id", of.uuid());
  static constexpr std::array<std::string_view, 5> kNames{"order-", "job-", "payment-", "evt_",
                                                          "inv-"};
  field(service.key_field,
        of.chance(50) ? of.uuid() : of.one(kNames) + std::to_string(1 + of.number(10'000'000)));
  field("Content-Length", std::to_string(length));
  return out + "\r\n";
}

Answer invent_answer(Invention& of) {
  static constexpr std::array<std::string_view, 5> kServers{"nginx", "nginx/1.26.2", "cloudflare",
                                                            "envoy", "gunicorn"};
  Answer out;
  out.status = of.chance(60) ? 200 : of.chance(70) ? 201 : 202;
  out.fields.clear();
  if (of.chance(60)) out.fields.push_back({"Server", of.one(kServers)});
  out.fields.push_back({"Date", of.http_date()});
  out.body = of.chance(15) ? "" : of.chance(15) ? "ok" : of.object(1);
  out.fields.push_back({"Content-Type", of.chance(80) ? "application/json" : "text/plain"});
  out.fields.push_back({"Content-Length", std::to_string(out.body.size())});
  if (of.chance(20)) out.fields.push_back({"Connection", "keep-alive"});
  if (of.chance(30)) out.fields.push_back({"Request-Id", of.id()});
  if (of.chance(20)) out.fields.push_back({"X-Request-Id", of.uuid()});
  if (of.chance(20)) out.fields.push_back({"Cache-Control", "no-cache, no-store"});
  if (of.chance(10)) out.fields.push_back({"Vary", "Origin"});
  if (of.chance(10)) out.fields.push_back({"ETag", "W/\"" + of.hex(16) + "\""});
  return out;
}

void print(const std::string& dictionary) {
  constexpr std::size_t kOfLine = 16;
  for (std::size_t i = 0; i < dictionary.size(); ++i) {
    const bool last = (i + 1) % kOfLine == 0 || i + 1 == dictionary.size();
    std::printf("%s0x%02x,%s", i % kOfLine == 0 ? "    " : " ",
                static_cast<unsigned char>(dictionary[i]), last ? "\n" : "");
  }
}

int train() {
  Invention of(20'261'122);
  std::string samples;
  std::vector<std::size_t> sizes;
  const auto take = [&](const std::string& payload) {
    samples += payload;
    sizes.push_back(payload.size());
  };
  for (int s = 0; s < kServices; ++s) {
    const Service service = invent_service(of);
    HeldPath path(service.config);
    for (int n = 0; n < kCallsOfOne; ++n) {
      path.now.wall =
          WallTime{1'735'000'000'000 + static_cast<std::int64_t>(of.number(200'000'000'000ULL))};
      const std::string body = of.chance(8) ? "" : service.json ? of.object(2) : of.form();
      call::IncomingHead head =
          HeldPath::incoming(invent_head(of, service, body.size()), body.size());
      head.client_address = "10.0." + std::to_string(of.number(250)) + "." +
                            std::to_string(of.number(250)) + ":" +
                            std::to_string(30'000 + of.number(30'000));
      const auto id = CallId::make(path.now.wall, of.number(~0ULL), of.number(~0ULL));
      for (const call::CallWrite& write :
           path.hold_and_deliver(id, head, body, invent_answer(of))) {
        constexpr auto kInside = call::BodyPlace::inside;
        take(write.before ? call::encode_change(*write.after, write.events, kInside)
                          : call::encode_call(*write.after, call::Implied(path.hasher),
                                              write.events, kInside));
      }
    }
  }
  const auto count = static_cast<unsigned>(sizes.size());
  const auto sized = [](std::string& room, std::size_t size) {
    if (ZDICT_isError(size) != 0) throw std::runtime_error(ZDICT_getErrorName(size));
    room.resize(size);
  };
  std::string found(kDictionaryBytes, '\0');
  sized(found,
        ZDICT_trainFromBuffer(found.data(), found.size(), samples.data(), sizes.data(), count));
  // What is found best stands at its end; behind it what no sample can show as well.
  const std::string content =
      found.substr(found.size() - kFoundBytes) + std::string(call::first_dictionary());
  std::string dictionary(2 * kDictionaryBytes, '\0');
  ZDICT_params_t params{};
  params.compressionLevel = 1;
  sized(dictionary,
        ZDICT_finalizeDictionary(dictionary.data(), dictionary.size(), content.data(),
                                 content.size(), samples.data(), sizes.data(), count, params));
  std::fprintf(stderr, "%zu payloads, %zu bytes\n", sizes.size(), samples.size());
  print(dictionary);
  return 0;
}

}  // namespace
}  // namespace hf::bench

int main() {
  try {
    return hf::bench::train();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
