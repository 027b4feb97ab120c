#include "sandbox/llm.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <optional>

namespace hf::sandbox {
namespace {

namespace json = boost::json;

constexpr std::string_view kChat = "/v1/chat/completions";
constexpr std::string_view kMessages = "/v1/messages";

struct Prompt {
  std::string model;
  std::string last;  // the text of the last message, shortened
  bool stream = false;
  bool usage = false;  // OpenAI: stream_options.include_usage
};

std::string text_of(const json::value& content) {
  if (const auto* text = content.if_string()) return {text->data(), text->size()};
  std::string out;
  if (const auto* parts = content.if_array()) {
    for (const auto& part : *parts) {
      const auto* object = part.if_object();
      const auto* text = object != nullptr ? object->if_contains("text") : nullptr;
      if (text != nullptr && text->is_string()) out += text_of(*text);
    }
  }
  return out;
}

bool flag(const json::object& object, std::string_view name) {
  const auto* value = object.if_contains({name.data(), name.size()});
  return value != nullptr && value->is_bool() && value->get_bool();
}

std::optional<Prompt> parse_prompt(std::string_view body) {
  json::error_code error;
  const auto value = json::parse({body.data(), body.size()}, error);
  if (error || !value.is_object()) return std::nullopt;
  const auto& root = value.get_object();
  const auto* model = root.if_contains("model");
  const auto* messages = root.if_contains("messages");
  if (model == nullptr || !model->is_string() || messages == nullptr || !messages->is_array() ||
      messages->get_array().empty() || !messages->get_array().back().is_object()) {
    return std::nullopt;
  }
  Prompt prompt;
  prompt.model = text_of(*model);
  prompt.stream = flag(root, "stream");
  const auto* options = root.if_contains("stream_options");
  prompt.usage =
      options != nullptr && options->is_object() && flag(options->get_object(), "include_usage");
  const auto& last = messages->get_array().back().get_object();
  if (const auto* content = last.if_contains("content")) prompt.last = text_of(*content);
  // Cut on a character's border, or the answer would not be UTF-8.
  std::size_t end = std::min<std::size_t>(prompt.last.size(), 200);
  while (end > 0 && end < prompt.last.size() &&
         (static_cast<unsigned char>(prompt.last[end]) & 0xC0) == 0x80) {
    --end;
  }
  prompt.last.resize(end);
  return prompt;
}

std::vector<std::string> pieces_of(const Prompt& prompt, int count) {
  std::vector<std::string> out{fmt::format("You said: {} ", prompt.last)};
  for (int i = 1; i < std::max(count, 1); ++i)
    out.push_back(fmt::format("piece {} ", i));
  return out;
}

std::string joined(const std::vector<std::string>& pieces) {
  std::string out;
  for (const auto& piece : pieces)
    out += piece;
  return out;
}

std::string event(std::string_view name, const json::object& data) {
  const auto text = json::serialize(data);
  return name.empty() ? fmt::format("data: {}\n\n", text)
                      : fmt::format("event: {}\ndata: {}\n\n", name, text);
}

json::object chat_usage(std::size_t pieces) {
  return {{"prompt_tokens", 1}, {"completion_tokens", pieces}, {"total_tokens", pieces + 1}};
}

json::object chat_chunk(const Prompt& prompt, const std::string& id, json::object delta,
                        const char* finish) {
  json::object choice{{"index", 0}, {"delta", std::move(delta)}, {"finish_reason", nullptr}};
  if (finish != nullptr) choice["finish_reason"] = finish;
  return {{"id", id},
          {"object", "chat.completion.chunk"},
          {"created", 1700000000},
          {"model", prompt.model},
          {"choices", json::array{std::move(choice)}}};
}

Answer chat(const Prompt& prompt, const std::vector<std::string>& pieces, std::uint64_t serial) {
  const auto id = fmt::format("chatcmpl-sandbox{:08}", serial);
  if (!prompt.stream) {
    json::object choice{{"index", 0},
                        {"message", {{"role", "assistant"}, {"content", joined(pieces)}}},
                        {"finish_reason", "stop"}};
    return json_answer(200, {{"id", id},
                             {"object", "chat.completion"},
                             {"created", 1700000000},
                             {"model", prompt.model},
                             {"choices", json::array{std::move(choice)}},
                             {"usage", chat_usage(pieces.size())}});
  }
  Answer answer;
  answer.events.push_back(
      event("", chat_chunk(prompt, id, {{"role", "assistant"}, {"content", ""}}, nullptr)));
  for (const auto& piece : pieces) {
    answer.events.push_back(event("", chat_chunk(prompt, id, {{"content", piece}}, nullptr)));
  }
  answer.events.push_back(event("", chat_chunk(prompt, id, {}, "stop")));
  if (prompt.usage) {
    auto last = chat_chunk(prompt, id, {}, nullptr);
    last["choices"] = json::array{};
    last["usage"] = chat_usage(pieces.size());
    answer.events.push_back(event("", last));
  }
  answer.events.emplace_back("data: [DONE]\n\n");
  return answer;
}

Answer messages(const Prompt& prompt, const std::vector<std::string>& pieces,
                std::uint64_t serial) {
  json::object message{{"id", fmt::format("msg_sandbox{:08}", serial)},
                       {"type", "message"},
                       {"role", "assistant"},
                       {"model", prompt.model},
                       {"content", json::array{}},
                       {"stop_reason", nullptr},
                       {"stop_sequence", nullptr},
                       {"usage", {{"input_tokens", 1}, {"output_tokens", 0}}}};
  if (!prompt.stream) {
    message["content"] = json::array{{{"type", "text"}, {"text", joined(pieces)}}};
    message["stop_reason"] = "end_turn";
    message["usage"] = {{"input_tokens", 1}, {"output_tokens", pieces.size()}};
    return json_answer(200, message);
  }
  Answer answer;
  const auto add = [&answer](const char* type, json::object data) {
    data["type"] = type;
    answer.events.push_back(event(type, data));
  };
  add("message_start", {{"message", std::move(message)}});
  add("content_block_start", {{"index", 0}, {"content_block", {{"type", "text"}, {"text", ""}}}});
  for (const auto& piece : pieces) {
    add("content_block_delta",
        {{"index", 0}, {"delta", {{"type", "text_delta"}, {"text", piece}}}});
  }
  add("content_block_stop", {{"index", 0}});
  add("message_delta", {{"delta", {{"stop_reason", "end_turn"}, {"stop_sequence", nullptr}}},
                        {"usage", {{"output_tokens", pieces.size()}}}});
  add("message_stop", {});
  return answer;
}

}  // namespace

bool is_llm_path(std::string_view path) {
  return path == kChat || path == kMessages;
}

Answer answer_llm(const Request& request, const SandboxOptions& options, std::uint64_t serial) {
  if (find_field(request.fields, "Authorization") == nullptr &&
      find_field(request.fields, "x-api-key") == nullptr) {
    return error_answer(401, "authentication_error", "", "No credential was given.");
  }
  const auto prompt = parse_prompt(request.body);
  if (!prompt) {
    return error_answer(400, "invalid_request_error", "", "model and messages are required.");
  }
  const auto pieces = pieces_of(*prompt, options.llm_chunks);
  auto answer =
      request.path == kChat ? chat(*prompt, pieces, serial) : messages(*prompt, pieces, serial);
  if (!answer.events.empty()) {
    answer.fields.push_back({"Content-Type", "text/event-stream; charset=utf-8"});
    answer.fields.push_back({"Cache-Control", "no-cache"});
    answer.event_delay_ms = options.llm_chunk_delay_ms;
  }
  return answer;
}

}  // namespace hf::sandbox
