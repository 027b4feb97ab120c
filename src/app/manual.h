// The manual page and the completion for bash, written from the commands as they are declared, so
// that neither can forget one. `cmake --install` puts them where they belong.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace hf::app {

// In the man macros of roff (man(7)).
std::string manual_page(const CLI::App& app, const std::string& version);
std::string bash_completion(const CLI::App& app);

}  // namespace hf::app
