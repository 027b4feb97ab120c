#include "app/manual.h"

#include <fmt/format.h>

#include <string_view>
#include <vector>

namespace hf::app {
namespace {

constexpr std::string_view kEnd = R"(.SH FILES
.TP
.I holdfast.yaml
of the current folder, else
.I /etc/holdfast/holdfast.yaml
: where the commands that ask a running Holdfast find its admin address and token.
.TP
.I /var/lib/holdfast
the journal of the packaged service, with the key that seals it (\fIseal.key\fR: keep a copy apart
from it) and the token of the admin API (\fIadmin.token\fR).
.SH ENVIRONMENT
.TP
.BR HOLDFAST_ADMIN ", " HOLDFAST_TOKEN_FILE
instead of \fB\-\-admin\fR and \fB\-\-token\-file\fR.
.TP
.BR LISTEN_FDS ", " LISTEN_PID ", " LISTEN_FDNAMES ", " NOTIFY_SOCKET ", " WATCHDOG_USEC
as a service manager sets them: sockets that are passed, and where it is told how things stand.
.SH SIGNALS
.TP
.BR SIGTERM ", " SIGINT
drain: no new calls, what is in flight is finished or held; a second one stops at once.
.SH EXIT STATUS
0 done; 1 refused, no answer, or errors in the configuration; 2 a wrong command line. \fBexplain\fR
and \fBduplicates\fR say theirs above.
.SH SEE ALSO
The pages in
.IR /usr/share/doc/holdfast :
configuration.md, client.md, operating.md.
)";

// One line of running text.
std::string line(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else {
      out += c;
    }
  }
  // A control line is what begins like one.
  if (!out.empty() && (out.front() == '.' || out.front() == '\'')) out.insert(0, "\\&");
  return out;
}

std::string lines(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const auto end = text.find('\n');
    out += line(text.substr(0, end)) + "\n";
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
  }
  return out;
}

// Text whose lines stay as they are.
std::string verbatim(std::string_view text) {
  return text.empty() ? std::string{} : ".PP\n.nf\n" + lines(text) + ".fi\n";
}

std::string names_of(const CLI::Option& option) {
  return option.get_positional() ? option.get_name(true) : option.get_name(false, true);
}

std::string option_page(const CLI::Option& option) {
  std::string head = "\\fB" + line(names_of(option)) + "\\fR";
  if (option.get_items_expected_max() > 0 && !option.get_positional()) {
    // Which values it takes follows a colon, in more letters than fit on a line.
    const std::string type = option.get_type_name();
    head += " \\fI" + line(type.substr(0, type.find(':'))) + "\\fR";
  }
  std::string text = option.get_description();
  if (option.get_required()) text += "; required";
  if (!option.get_default_str().empty()) text += "; default: " + option.get_default_str();
  return ".TP\n" + head + "\n" + lines(text);
}

std::string command_page(const CLI::App& app, const std::string& path) {
  const auto commands = app.get_subcommands([](const CLI::App*) { return true; });
  std::string out = ".SS " + line(path) + "\n" + lines(app.get_description());
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_name() != "--help") out += option_page(*option);
  }
  out += verbatim(app.get_footer());
  for (const CLI::App* command : commands)
    out += command_page(*command, path + " " + command->get_name());
  return out;
}

// "words of PATH" for each command: what may follow it.
void completions(const CLI::App& app, const std::string& path, std::string& out) {
  const auto commands = app.get_subcommands([](const CLI::App*) { return true; });
  std::string words;
  for (const CLI::App* command : commands)
    words += (words.empty() ? "" : " ") + command->get_name();
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames())
      words += (words.empty() ? "--" : " --") + name;
  }
  out += fmt::format("    '{}') words='{}' ;;\n", path, words);
  for (const CLI::App* command : commands)
    completions(*command, path + " " + command->get_name(), out);
}

}  // namespace

std::string manual_page(const CLI::App& app, const std::string& version) {
  const auto commands = app.get_subcommands([](const CLI::App*) { return true; });
  std::string out = fmt::format(
      ".TH HOLDFAST 1 \"\" \"holdfast {}\" \"User Commands\"\n.SH NAME\n"
      "holdfast \\- reliability for any HTTP hop\n.SH SYNOPSIS\n.B holdfast\n"
      "\\fICOMMAND\\fR [\\fIOPTIONS\\fR]\n.SH DESCRIPTION\n",
      line(version));
  out += verbatim(app.get_description());
  out += ".SH OPTIONS\n";
  for (const CLI::Option* option : app.get_options())
    out += option_page(*option);
  out += ".PP\nEvery command has its own \\fB\\-\\-help\\fR.\n.SH COMMANDS\n";
  for (const CLI::App* command : commands)
    out += command_page(*command, "holdfast " + command->get_name());
  return out + std::string(kEnd);
}

std::string bash_completion(const CLI::App& app) {
  std::string table;
  completions(app, "holdfast", table);
  return fmt::format(R"(# bash completion of holdfast: commands and options, else file names.
_holdfast() {{
  local path=holdfast word words
  for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
    case "$word" in -*) ;; *) path="$path $word" ;; esac
  done
  while :; do
    words=
    case "$path" in
{}    esac
    [ -z "$words" ] || break
    case "$path" in *' '*) path="${{path% *}}" ;; *) return ;; esac
  done
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "${{COMP_WORDS[COMP_CWORD]}}")
}}
complete -o default -F _holdfast holdfast
)",
                     table);
}

}  // namespace hf::app
