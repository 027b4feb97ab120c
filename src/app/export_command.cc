#include "app/export_command.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <optional>
#include <utility>

#include "adapters/rocksdb/journal_reader.h"
#include "adapters/seal/key_file.h"
#include "app/admin_talk.h"
#include "app/bulk_command.h"
#include "app/export_file.h"
#include "app/progress.h"
#include "base/quantity.h"
#include "call/reply_json.h"
#include "call/sealed_text.h"
#include "config/load.h"
#include "control/admin_export.h"
#include "control/export_line.h"
#include "control/json.h"

namespace hf::app {
namespace {

struct Plan {
  control::QueryPairs pairs;
  std::optional<call::Sealer> sealer;
  std::optional<CallId> after;
  control::ClearParts parts;
  Duration patience;
  WallTime now;
};

Result<call::Sealer> read_key(const std::string& path) {
  auto key = adapters::load_seal_key(path);
  if (!key.ok()) return key.take_error().in("the key file");
  return call::Sealer(key->key);
}

// What can be wrong before anything is asked.
Result<Plan> plan_of(const ExportOptions& options) {
  Plan out;
  out.now = wall_now();
  HF_TRY(out.pairs, selection_pairs(options.select, out.now));
  HF_TRY(out.patience, parse_duration(options.patience));
  out.parts = {options.bodies, options.credentials};
  if (!options.unsealed && (options.bodies || options.credentials)) {
    return fail(ErrorKind::invalid, "--with-bodies and --with-credentials need --unsealed");
  }
  if (options.unsealed && options.key_file.empty()) {
    return fail(ErrorKind::invalid,
                "--unsealed needs the journal's key, named by --key-file (seal.key in its "
                "directory, if the configuration names no other)");
  }
  if (options.go_on && (options.out_file.empty() || !options.after.empty())) {
    return fail(ErrorKind::invalid, "--continue goes with --out, and without --after");
  }
  if (!options.after.empty()) {
    const auto id = CallId::parse(options.after);
    if (!id.ok()) return fail(ErrorKind::invalid, "--after must be the id of a call");
    out.after = *id;
  }
  const bool by_file = !options.journal.empty();
  if (options.unsealed || by_file) {
    const std::string path =
        options.key_file.empty() ? options.journal + "/seal.key" : options.key_file;
    HF_TRY(out.sealer, read_key(path));
  }
  return out;
}

// Where the calls come from: pages of lines, oldest first.
struct Page {
  struct Line {
    std::string call;
    std::string state;  // empty: its records cannot be read
    std::string text;
  };
  std::vector<Line> lines;
  std::uint64_t examined = 0;
  std::optional<CallId> next;
  std::string upstreams;
};

class Source {
 public:
  virtual ~Source() = default;
  virtual Result<Page> page(const std::optional<CallId>& after) = 0;
};

Result<Page::Line> line_of(const std::string& text) {
  HF_TRY(const auto members, control::JsonMembers::read(text));
  Page::Line out;
  HF_TRY(out.call, members.text("call"));
  HF_TRY(out.state, members.text("state"));
  out.text = text;
  return out;
}

// Over the admin API: what is not for everybody's eyes comes sealed, and is opened here.
class Running final : public Source {
 public:
  Running(AdminPlace place, const Plan& plan, bool unsealed, Progress& progress)
      : place_(std::move(place)), plan_(plan), unsealed_(unsealed), progress_(progress) {}

  Result<Page> page(const std::optional<CallId>& after) override {
    control::QueryPairs query = plan_.pairs;
    if (unsealed_) query.emplace_back("sealed", "1");
    if (plan_.parts.bodies) query.emplace_back("bodies", "1");
    if (plan_.parts.credentials) query.emplace_back("credentials", "1");
    if (after) query.emplace_back("after", after->text());
    HF_TRY(const auto answer,
           ask_patiently(place_, "GET", "/v1/export?" + control::query_text(query), {},
                         plan_.patience, [this](const std::string& why) {
                           progress_.clear();
                           complain(why + "; asking again", 0);
                         }));
    Page out;
    std::string_view rest = answer.body;
    bool ended = false;
    while (!rest.empty()) {
      const std::string_view line = rest.substr(0, rest.find('\n'));
      rest.remove_prefix(std::min(rest.size(), line.size() + 1));
      HF_TRY(ended, take(std::string(line), out));
    }
    if (!ended) return fail(ErrorKind::closed, "a page of the export was cut");
    return out;
  }

 private:
  // True for the line that ends a page.
  Result<bool> take(const std::string& line, Page& out) const {
    HF_TRY(const auto members, control::JsonMembers::read(line));
    HF_TRY(const std::string kind, members.text("kind"));
    if (kind == "call" || kind == "unreadable") {
      HF_TRY(auto one, line_of(line));
      out.lines.push_back(std::move(one));
      return false;
    }
    if (kind == "sealed") {
      HF_TRY_VOID(open(members, out));
      return false;
    }
    out.upstreams = members.raw("upstreams");
    HF_TRY(const int examined, members.number("examined", 0, 1'000'000'000));
    out.examined = static_cast<std::uint64_t>(examined);
    if (members.raw("more") == "true") {
      HF_TRY(const std::string next, members.text("next"));
      HF_TRY(out.next, CallId::parse(next));
    }
    return true;
  }

  Result<void> open(const control::JsonMembers& members, Page& out) const {
    HF_TRY(const std::string call, members.text("call"));
    if (out.lines.empty() || out.lines.back().call != call) {
      return fail(ErrorKind::corrupt, "a page of the export is out of order");
    }
    HF_TRY(const std::string text, members.text("sealed"));
    HF_TRY(const std::string sealed, control::from_base64(text));
    HF_TRY(const CallId id, CallId::parse(call));
    auto clear = call::open_text(*plan_.sealer, call::RecordKind::export_part,
                                 control::export_part_name(id), sealed);
    if (!clear.ok()) return clear.take_error().in("the key file does not open this journal");
    out.lines.back().text = control::join_objects(out.lines.back().text,
                                                  call::JsonObject().raw("clear", *clear).done());
    return {};
  }

  AdminPlace place_;
  const Plan& plan_;
  bool unsealed_;
  Progress& progress_;
};

// From the directory, while no Holdfast has it open.
class AtRest final : public Source {
 public:
  AtRest(std::unique_ptr<adapters::JournalReader> reader, call::Selection select, const Plan& plan,
         bool unsealed, std::string upstreams)
      : reader_(std::move(reader)),
        hasher_(plan.sealer->hash_secret()),
        unsealed_(unsealed),
        parts_(plan.parts),
        upstreams_(std::move(upstreams)) {
    filter_.select = std::move(select);
    filter_.oldest_first = true;
    filter_.limit = control::kExportPage;
    filter_.examine = control::kExportExamined;
    filter_.bytes_max = control::kExportBytes;
    filter_.pass_over = true;
    filter_.depth =
        parts_.bodies ? ports::CallFilter::Depth::whole : ports::CallFilter::Depth::timeline;
  }

  Result<Page> page(const std::optional<CallId>& after) override {
    filter_.after = after;
    HF_TRY(auto found, reader_->list(filter_));
    Page out;
    for (std::size_t i = 0; i < found.calls.size(); ++i) {
      const ports::CallDetail detail{found.calls[i], std::move(found.timelines[i])};
      std::string text = control::export_line(detail, hasher_);
      if (unsealed_) {
        text = control::join_objects(
            text, call::JsonObject().raw("clear", control::export_clear(detail, parts_)).done());
      }
      out.lines.push_back(
          {detail.call->id.text(), std::string(to_string(detail.call->state)), std::move(text)});
    }
    for (const auto& [id, why] : found.unreadable)
      out.lines.push_back({id.text(), {}, control::export_unreadable(id, why)});
    out.examined = found.examined;
    if (found.more) out.next = found.next;
    out.upstreams = upstreams_;
    return out;
  }

 private:
  std::unique_ptr<adapters::JournalReader> reader_;
  ports::CallFilter filter_;
  call::Hasher hasher_;
  bool unsealed_;
  control::ClearParts parts_;
  std::string upstreams_;
};

Result<std::unique_ptr<Source>> open_journal(const ExportOptions& options, const Plan& plan) {
  std::shared_ptr<const call::Settings> settings;
  if (!options.where.config.empty()) {
    const config::Loaded loaded = config::load_file(options.where.config);
    if (!loaded.settings) {
      return fail(ErrorKind::invalid, fmt::format("{} is not valid; see `holdfast check -c {}`",
                                                  options.where.config, options.where.config));
    }
    settings = loaded.settings;
  }
  control::QueryPairs pairs = plan.pairs;
  control::SelectionContext context;
  context.settings = settings.get();
  context.hasher = call::Hasher(plan.sealer->hash_secret());
  context.now = plan.now;
  HF_TRY(auto select, control::take_selection(pairs, context));
  HF_TRY(auto reader, adapters::JournalReader::open(options.journal, *plan.sealer));
  return std::unique_ptr<Source>(
      std::make_unique<AtRest>(std::move(reader), std::move(select), plan, options.unsealed,
                               settings ? control::upstreams_json(*settings) : std::string()));
}

std::string begin_line(const Plan& plan, bool unsealed, const std::optional<CallId>& after,
                       const std::string& upstreams) {
  control::ExportBegin begin;
  begin.made_at = plan.now;
  begin.by = "holdfast " HOLDFAST_VERSION;
  begin.selection = control::shown_selection(
      plan.pairs,
      plan.sealer ? std::optional(call::Hasher(plan.sealer->hash_secret())) : std::nullopt);
  begin.after = after;
  begin.clear = unsealed;
  begin.parts = plan.parts;
  begin.upstreams = upstreams;
  return control::export_begin(begin);
}

struct Copied {
  bool whole = false;  // not stopped
  std::uint64_t unreadable = 0;
};

// The lines of all pages, between the first and the last.
Result<Copied> copy(Source& source, const Plan& plan, bool unsealed, ExportFile& out,
                    Progress& progress) {
  std::optional<CallId> after = out.last() ? out.last() : plan.after;
  control::ExportEnd end;
  std::uint64_t examined = 0;
  bool begun = false;
  while (true) {
    if (stop_asked()) return Copied{};
    auto page = source.page(after);
    if (!page.ok() && stop_asked()) return Copied{};
    if (!page.ok()) return page.take_error();
    if (!std::exchange(begun, true)) {
      HF_TRY_VOID(out.write(begin_line(plan, unsealed, after, page->upstreams)));
    }
    std::stable_sort(page->lines.begin(), page->lines.end(),
                     [](const auto& a, const auto& b) { return a.call < b.call; });
    for (const Page::Line& line : page->lines) {
      HF_TRY(const CallId id, CallId::parse(line.call));
      HF_TRY_VOID(out.write(line.text));
      if (line.state.empty()) {
        end.add_unreadable(id);
      } else {
        end.add(line.state, id);
      }
    }
    examined += page->examined;
    progress.show(fmt::format("{} written, {} looked at", grouped(end.calls()), grouped(examined)));
    if (!page->next) break;
    after = page->next;
  }
  HF_TRY_VOID(out.write(end.line()));
  HF_TRY_VOID(out.finish());
  progress.clear();
  complain(fmt::format("{} calls exported", grouped(end.calls())), 0);
  return Copied{true, end.unreadable()};
}

}  // namespace

int run_export(const ExportOptions& options) {
  auto plan = plan_of(options);
  if (!plan.ok()) {
    const bool unread = plan.error().kind != ErrorKind::invalid;
    return complain(plan.error().context, unread ? kBulkFailed : kBulkBadLine);
  }
  Progress progress(false);
  std::unique_ptr<Source> source;
  if (options.journal.empty()) {
    auto place = find_admin(options.where);
    if (!place.ok()) return complain(place.error().context, kBulkFailed);
    source = std::make_unique<Running>(*std::move(place), *plan, options.unsealed, progress);
  } else {
    auto opened = open_journal(options, *plan);
    if (!opened.ok()) return complain(opened.error().context, kBulkFailed);
    source = *std::move(opened);
  }
  if (options.unsealed) {
    complain(fmt::format("warning: this export holds requests{}{} in clear: guard it as the key "
                         "file itself",
                         options.bodies ? " with their bodies" : "",
                         options.credentials ? " and credentials" : ""),
             0);
  }
  auto out = ExportFile::open(options.out_file, options.go_on);
  if (!out.ok()) return complain(out.error().context, kBulkFailed);
  catch_stop();
  const auto done = copy(*source, *plan, options.unsealed, *out, progress);
  progress.clear();
  if (!done.ok()) return complain(done.error().context + "; what was written has no last line", 1);
  if (done->unreadable > 0) {
    return complain(fmt::format("of {} more the records cannot be read: see the lines of kind "
                                "unreadable",
                                grouped(done->unreadable)),
                    kBulkRefused);
  }
  if (done->whole) return kBulkDone;
  const auto kept = (*out).finish();
  if (!kept.ok()) return complain(kept.error().context, kBulkFailed);
  return complain(options.out_file.empty()
                      ? std::string("stopped; go on with --after and the last call")
                      : "stopped; go on with --out " + options.out_file + " --continue",
                  kBulkStopped);
}

void add_export_command(CLI::App& calls, ExportOptions& options, int& code) {
  CLI::App* command = calls.add_subcommand(
      "export",
      "Calls as lines of JSON, oldest first, for other tools: a record to keep, or all that it "
      "takes to leave Holdfast. What may be secret is left out or hashed unless --unsealed.\n\n"
      "Examples:\n"
      "  holdfast calls export --state dead --newer-than 1d > dead.ndjson\n"
      "  holdfast calls export --out calls.ndjson --continue     what came since the last time\n"
      "  holdfast calls export --journal holdfast-data --state waiting \\\n"
      "      --unsealed --key-file holdfast-data/seal.key --with-bodies --with-credentials \\\n"
      "      --out waiting.ndjson           when no Holdfast runs: docs/formats/export.md\n"
      "Exit code: 0 done; 1 no answer, or it cannot be read or written; 2 a wrong command line; "
      "3 done, but for calls whose records cannot be read; 4 stopped before the end. A whole "
      "export ends with a line of kind `end`.");
  add_where(*command, options.where);
  command->add_option("--journal", options.journal,
                      "read this journal's directory instead; no Holdfast may have it open");
  command->add_option("-o,--out", options.out_file, "a new file instead of standard output");
  command->add_option("--after", options.after, "only calls after this one");
  command->add_flag("--continue", options.go_on, "go on after what --out holds already");
  command->add_flag("--unsealed", options.unsealed,
                    "with targets, fields, keys and addresses in clear; needs --key-file");
  command->add_option("--key-file", options.key_file,
                      "the journal's key (with --journal: seal.key in it, if left out)");
  command->add_flag("--with-bodies", options.bodies, "with bodies; needs --unsealed");
  command->add_flag("--with-credentials", options.credentials,
                    "with values of fields such as Authorization; needs --unsealed");
  command
      ->add_option("--patience", options.patience,
                   "how long to ask again where Holdfast does not answer")
      ->capture_default_str();
  add_selection(*command, options.select);
  command->callback([&options, &code] { code = run_export(options); });
}

}  // namespace hf::app
