// `holdfast review` and `holdfast policy`: what a configuration means, before anybody calls.
#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace hf::app {

struct ReviewOptions {
  std::string config = "holdfast.yaml";
  std::string fail_on = "error";
  std::vector<std::string> only;
  std::vector<std::string> skip;
  bool json = false;
  bool sarif = false;
};

struct PolicyOptions {
  std::string config = "holdfast.yaml";
  std::string method;
  std::string url;
  std::vector<std::string> headers;  // "Name: value"
  std::string body;                  // a file; "-": standard input; empty: none
  bool json = false;
};

// Adds the subcommands; parsing one of them runs it and sets `code`. Options and `code` outlive the
// parsing.
void add_review_commands(CLI::App& app, ReviewOptions& review, PolicyOptions& policy, int& code);

// Print to stdout, errors to stderr. review: 0 nothing at or above the level; 1 something is; 2 a
// bad configuration or command line. policy: 0; 1 the request would be refused; 2 likewise.
int run_review(const ReviewOptions& options);
int run_policy(const PolicyOptions& options);

}  // namespace hf::app
