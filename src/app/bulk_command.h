// `holdfast calls retry|cancel|resolve` for all calls that fit a selection, as a client of the
// admin API: counted, confirmed, done at a rate, and gone on with after a cut.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "app/admin_client.h"
#include "app/selection_options.h"
#include "call/operator_word.h"

namespace CLI {
class App;
}

namespace hf::app {

inline constexpr int kBulkDone = 0;
inline constexpr int kBulkFailed = 1;   // no answer, or an answer that nothing can be done about
inline constexpr int kBulkBadLine = 2;  // the command line is wrong
inline constexpr int kBulkRefused = 3;  // done, and some calls were refused
inline constexpr int kBulkStopped = 4;  // ended before its end: it can be gone on with

struct BulkOptions {
  call::Word word = call::Word::retry;
  AdminHints where;
  bool json = false;
  SelectionOptions select;
  bool all = false;
  bool dry_run = false;
  bool yes = false;
  std::string rate = "50/s";
  std::string patience = "2m";
  std::string resume;  // the operation to go on with
  std::string reason;
  std::string by;  // empty: user@host
};

// Of the subcommands that have a bulk form; --json, --reason and where the API is are theirs
// already.
void add_bulk_options(CLI::App& command, BulkOptions& options);

// Progress to stderr, the summary to stdout. Gives one of the codes above.
int run_bulk(const BulkOptions& options);

struct OperationsOptions {
  AdminHints where;
  bool json = false;
  std::string operation;  // empty: all
};
// Prints what bulk operations there were: the audit. 0 done, 1 no answer.
int run_operations(const OperationsOptions& options);

}  // namespace hf::app
