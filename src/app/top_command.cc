#include "app/top_command.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <cstdio>
#include <optional>

#include "app/admin_talk.h"
#include "app/progress.h"
#include "app/selection_options.h"
#include "base/quantity.h"

namespace hf::app {
namespace {

constexpr std::string_view kEnter = "\033[?1049h\033[?25l";  // the other screen, no cursor
constexpr std::string_view kLeave = "\033[?25h\033[?1049l";
constexpr std::string_view kHome = "\033[H";
constexpr std::string_view kLineEnd = "\033[K";  // what the frame before left of the line
constexpr std::string_view kBelow = "\033[J";

void put(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

// The terminal is given back as it was, whatever ends this.
class Screen {
 public:
  explicit Screen(bool wanted) : on_(wanted) {
    if (on_) put(kEnter);
  }
  ~Screen() {
    if (on_) put(kLeave);
  }
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  void show(const std::string& frame) const {
    if (!on_) return put(frame + "\n");
    std::string out(kHome);
    for (const char c : frame) {
      if (c == '\n') out += kLineEnd;
      out += c;
    }
    put(out + std::string(kBelow));
  }

 private:
  bool on_;
};

struct Seen {
  boost::json::object answer;
  std::string text;
};

Result<Seen> look(const AdminPlace& place) {
  const auto answer = good_answer(ask_admin(place, "GET", "/v1/top"));
  HF_TRY(auto object, read_answer(answer));
  return Seen{std::move(object), answer->body};
}

}  // namespace

void add_top_command(CLI::App& app, TopOptions& options, int& code) {
  CLI::App* command = app.add_subcommand(
      "top",
      "A running Holdfast, each second: routes, upstreams, limits, features, refusals.\n\n"
      "Examples:\n"
      "  holdfast top\n"
      "  holdfast top --once            one look, over one interval\n"
      "  holdfast top --json | jq .problems    a line of totals each second\n"
      "Ctrl-C ends it. Exit code: 0; 1 no answer; 2 a wrong command line.");
  add_where(*command, options.where);
  command->add_option("--interval", options.interval, "between two looks")->capture_default_str();
  command->add_flag("--once", options.once, "one screen, and done");
  command->add_flag("--json", options.json, "the totals as one JSON object a line, for scripts");
  command->callback([&] { code = run_top(options); });
}

int run_top(const TopOptions& options) {
  const auto interval = parse_duration(options.interval);
  if (!interval.ok() || *interval < Duration::millis(100) || *interval > Duration::minutes(10)) {
    return complain("--interval: write a time from 100ms to 10m, such as 1s", 2);
  }
  const auto place = find_admin(options.where);
  if (!place.ok()) return complain(place.error().context, 1);
  auto before = look(*place);
  if (!before.ok()) return complain(before.error().context, 1);
  if (options.json && options.once) {
    put(before->text + "\n");
    return 0;
  }
  catch_stop();
  const bool terminal = ::isatty(STDOUT_FILENO) == 1 && !options.once && !options.json;
  std::optional<std::string> ended;
  {
    const Screen screen(terminal);
    if (terminal) screen.show("holdfast top: a moment ...\n");
    while (!stop_asked() && rest(*interval)) {
      auto now = look(*place);
      if (!now.ok()) {
        ended = now.error().context;
        break;
      }
      if (options.json) {
        put(now->text + "\n");
      } else {
        screen.show(show_top(before->answer, now->answer, {wall_now(), terminal}));
      }
      if (options.once) break;
      before = std::move(now);
    }
  }
  return ended ? complain(*ended, 1) : 0;
}

}  // namespace hf::app
