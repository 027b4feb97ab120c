#include "control/admin_export.h"

#include <fmt/format.h>

#include <utility>

#include "base/quantity.h"
#include "call/reply_json.h"
#include "call/sealed_text.h"
#include "control/admin_reply.h"
#include "control/export_line.h"
#include "control/json.h"

namespace hf::control {
namespace {

struct Question {
  ports::CallFilter filter;
  bool sealed = false;
  ClearParts parts;
};

Result<bool> parse_flag(std::string_view name, std::string_view value) {
  if (value == "1" || value == "0") return value == "1";
  return fail(ErrorKind::invalid, fmt::format("'{}' must be 1 or 0", name));
}

Result<Question> parse_question(const std::string& query, const SelectionContext& context) {
  Question out;
  HF_TRY(auto pairs, query_pairs(query));
  HF_TRY(out.filter.select, take_selection(pairs, context));
  for (const auto& [name, value] : pairs) {
    if (name == "after") {
      const auto id = CallId::parse(value);
      if (!id.ok()) return fail(ErrorKind::invalid, "'after' must be the id of a call");
      out.filter.after = *id;
    } else if (name == "sealed") {
      HF_TRY(out.sealed, parse_flag(name, value));
    } else if (name == "bodies") {
      HF_TRY(out.parts.bodies, parse_flag(name, value));
    } else if (name == "credentials") {
      HF_TRY(out.parts.credentials, parse_flag(name, value));
    } else {
      return fail(ErrorKind::invalid,
                  fmt::format("query '{}' is not known here; known are those of a selection, and: "
                              "after, sealed, bodies, credentials",
                              name));
    }
  }
  if (!out.sealed && (out.parts.bodies || out.parts.credentials)) {
    return fail(ErrorKind::invalid, "bodies and credentials are given sealed alone: say sealed=1");
  }
  out.filter.oldest_first = true;
  out.filter.limit = kExportPage;
  out.filter.examine = kExportExamined;
  out.filter.bytes_max = kExportBytes;
  out.filter.pass_over = true;
  out.filter.depth =
      out.parts.bodies ? ports::CallFilter::Depth::whole : ports::CallFilter::Depth::timeline;
  return out;
}

std::string sealed_line(const call::Sealer& sealer, const ports::CallDetail& detail,
                        const ClearParts& parts, WallTime now) {
  const CallId& id = detail.call->id;
  return call::JsonObject()
             .text("kind", "sealed")
             .text("call", id.text())
             .text("sealed", to_base64(call::seal_text(sealer, call::RecordKind::export_part,
                                                       export_part_name(id),
                                                       export_clear(detail, parts), now)))
             .done() +
         "\n";
}

std::string page_line(const ports::CallPage& page, const ExportContext& context) {
  call::JsonObject out;
  out.text("kind", "page")
      .text("key_id", fmt::format("{:08x}", context.sealer->key_id()))
      .raw("upstreams", upstreams_json(*context.selection.settings))
      .number("examined", static_cast<std::int64_t>(page.examined))
      .boolean("more", page.more);
  if (page.next) {
    out.text("next", page.next->text());
  } else {
    out.null("next");
  }
  return out.done() + "\n";
}

}  // namespace

void answer_export(const ExportContext& context, const std::string& query,
                   const ports::ControlRespond& respond) {
  auto question = parse_question(query, context.selection);
  if (!question.ok()) {
    respond(bad_request(question.error().context));
    return;
  }
  if (!context.sealer) {
    respond(problem(409, "refused", "This cannot be done as things stand",
                    "no journal is open here, so there are no calls to export"));
    return;
  }
  context.driver->list(question->filter, [respond, context, sealed = question->sealed,
                                          parts = question->parts](Result<ports::CallPage> page) {
    if (!page.ok()) {
      respond(journal_unavailable(page.error().context));
      return;
    }
    ports::ControlReply reply;
    reply.content_type = "application/x-ndjson";
    const call::Hasher hasher(context.sealer->hash_secret());
    for (std::size_t i = 0; i < page->calls.size(); ++i) {
      const ports::CallDetail detail{page->calls[i], std::move(page->timelines[i])};
      reply.body += export_line(detail, hasher) + "\n";
      if (sealed) {
        reply.body += sealed_line(*context.sealer, detail, parts, context.selection.now);
      }
    }
    for (const auto& [id, why] : page->unreadable)
      reply.body += export_unreadable(id, why) + "\n";
    reply.body += page_line(*page, context);
    respond(std::move(reply));
  });
}

}  // namespace hf::control
