// Answers in the shape of OpenAI's chat completions and Anthropic's messages, whole or as an event
// stream. The text is a function of the request, so that a reader can tell that nothing was lost.
#pragma once

#include <cstdint>
#include <string_view>

#include "sandbox/answer.h"
#include "sandbox/options.h"

namespace hf::sandbox {

// POST /v1/chat/completions or /v1/messages.
bool is_llm_path(std::string_view path);
// `serial` makes the id. 401 without a credential, 400 without a model or messages.
Answer answer_llm(const Request& request, const SandboxOptions& options, std::uint64_t serial);

}  // namespace hf::sandbox
