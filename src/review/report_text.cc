#include <fmt/format.h>

#include "review/report.h"
#include "review/wrap.h"

namespace hf::review {
namespace {

constexpr std::string_view kReset = "\033[0m";
constexpr std::string_view kBold = "\033[1m";

std::string_view colour_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::yes:
      return "\033[1;32m";
    case Verdict::partly:
      return "\033[1;33m";
    case Verdict::no:
      return "\033[1;31m";
  }
  return {};
}

std::string_view colour_of(Level level) {
  switch (level) {
    case Level::error:
      return "\033[1;31m";
    case Level::warning:
      return "\033[1;33m";
    case Level::note:
      return "\033[1;36m";
  }
  return {};
}

class Page {
 public:
  Page(const Report& report, const Look& look) : report_(report), look_(look) {}

  std::string run(std::optional<Level> fail_on) {
    for (const RouteReview& route : report_.routes)
      add(route);
    if (!report_.findings.empty()) out_ += painted("Findings", kBold) + "\n";
    for (const Finding& finding : report_.findings)
      add(finding);
    if (!report_.accepted.empty()) out_ += painted("Accepted", kBold) + "\n\n";
    for (const Finding& finding : report_.accepted)
      add_accepted(finding);
    if (!report_.accepted.empty()) out_ += "\n";
    summary(fail_on);
    return std::move(out_);
  }

 private:
  [[nodiscard]] std::string painted(std::string_view text, std::string_view colour) const {
    if (!look_.colour) return std::string(text);
    return fmt::format("{}{}{}", colour, text, kReset);
  }

  // `left`, and `right` at the end of the line where both fit.
  void header(std::string_view left, std::string_view right) {
    const std::size_t used = left.size() + right.size() + 2;
    const std::size_t gap = used <= look_.width ? look_.width - left.size() - right.size() : 2;
    out_ += painted(left, kBold) + std::string(gap, ' ') + std::string(right) + "\n";
  }

  void add(const RouteReview& route) {
    header(fmt::format("{} -> {}", route.name, route.upstream), report_.places.line(route.place));
    if (route.answers.empty()) out_ += "  nothing to ask: see the findings\n";
    for (const Answer& answer : route.answers) {
      out_ += fmt::format(
          "  {}{}\n",
          painted(fmt::format("{:<8}", to_string(answer.verdict)), colour_of(answer.verdict)),
          text_of(answer.question));
      paragraph(answer.why, std::string(10, ' '), std::string(10, ' '));
    }
    out_ += "\n";
  }

  void add(const Finding& finding) {
    out_ += "\n";
    const std::string_view level = to_string(finding.level());
    out_ += fmt::format("{} {}", painted(level, colour_of(finding.level())),
                        painted(row_of(finding.rule).id, kBold));
    out_ += fmt::format("  {}", report_.places.line(finding.place));
    if (!finding.subject.empty()) out_ += fmt::format("  {}", finding.subject);
    out_ += "\n";
    paragraph(finding.message + ".", "  ", "  ");
    for (std::size_t i = 0; i < finding.story.size(); ++i)
      paragraph(finding.story[i] + ".", fmt::format("{:>5}. ", i + 1), std::string(7, ' '));
    paragraph(fmt::format("{}: {}", report_.places.line(finding.change.place), finding.change.text),
              "  Change ", std::string(9, ' '));
  }

  void add_accepted(const Finding& finding) {
    paragraph(
        fmt::format("{}  {}{}: {}", row_of(finding.rule).id, report_.places.line(finding.place),
                    finding.subject.empty() ? "" : "  " + finding.subject, finding.accepted),
        "  ", "    ");
  }

  void paragraph(std::string_view text, std::string_view lead, std::string_view indent) {
    out_ += wrapped(text, lead, indent, look_.width);
  }

  void summary(std::optional<Level> fail_on) {
    if (!report_.findings.empty()) out_ += "\n";
    const auto counted = [](std::size_t count, std::string_view what) {
      return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
    };
    std::string text =
        fmt::format("{}: {}, {}, {}", report_.file, counted(report_.count(Level::error), "error"),
                    counted(report_.count(Level::warning), "warning"),
                    counted(report_.count(Level::note), "note"));
    if (!report_.accepted.empty()) text += fmt::format(", {} accepted", report_.accepted.size());
    if (fail_on) {
      text += fmt::format("; {} is at or above `{}`",
                          report_.any(*fail_on) ? "something" : "nothing", to_string(*fail_on));
    }
    if (report_.check_warnings > 0) {
      text += fmt::format(". `holdfast check` has {} of its own",
                          counted(report_.check_warnings, "warning"));
    }
    paragraph(text + ".", "", "");
  }

  const Report& report_;
  const Look& look_;
  std::string out_;
};

}  // namespace

std::string text_of(const Report& report, std::optional<Level> fail_on, const Look& look) {
  return Page(report, look).run(fail_on);
}

}  // namespace hf::review
