#include "config/load.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <system_error>

#include "call/callback.h"
#include "config/draft.h"

namespace hf::config {
namespace {

std::shared_ptr<const call::Settings> finish(Draft draft) {
  auto out = std::make_shared<call::Settings>(std::move(draft.settings));
  for (auto& upstream : draft.upstreams) {
    auto name = upstream.settings.name;
    out->upstreams[std::move(name)] =
        std::make_shared<const call::UpstreamSettings>(std::move(upstream.settings));
  }
  out->upstreams.merge(call::callback_upstreams(out->callbacks));
  for (auto& route : draft.routes)
    out->routes.push_back(std::make_shared<const call::RouteSettings>(std::move(route.settings)));
  return out;
}

Loaded unreadable(const std::string& path, std::string_view why) {
  Findings findings(path);
  findings.add(Rule::file, {}, {}, fmt::format("cannot be read: {}", why));
  return {nullptr, findings.take(), {}};
}

}  // namespace

Loaded load_text(std::string_view yaml, std::string file_name) {
  Findings findings(file_name);
  Loaded out;
  if (auto parsed = parse_tree(yaml, findings)) {
    const auto root = std::make_shared<const Node>(std::move(*parsed));
    out.places = Places(root, std::move(file_name));
    Draft draft = read_draft(*root, findings);
    judge_contradictions(draft, findings);
    judge_wisdom(draft, findings);
    if (!findings.failed()) out.settings = finish(std::move(draft));
  }
  out.findings = findings.take();
  return out;
}

Loaded load_file(const std::string& path) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (!file) return unreadable(path, std::strerror(errno == 0 ? ENOENT : errno));
  // One byte more than allowed, so that load_text sees that it is too much.
  std::string text(kMaxText + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad() || (file.fail() && !file.eof())) {
    return unreadable(path, errno == 0 ? "not a file" : std::strerror(errno));
  }
  text.resize(static_cast<std::size_t>(file.gcount()));
  return load_text(text, path);
}

Loaded strict(Loaded loaded) {
  for (auto& finding : loaded.findings)
    finding.level = Level::error;
  if (!loaded.findings.empty()) loaded.settings = nullptr;
  return loaded;
}

bool same_settings(const call::Settings& a, const call::Settings& b) {
  const bool plain = a.listen == b.listen && a.tls == b.tls && a.admin == b.admin &&
                     a.health == b.health && a.buffers == b.buffers &&
                     a.connections_max == b.connections_max && a.drain == b.drain &&
                     a.journal == b.journal && a.callbacks == b.callbacks && a.alerts == b.alerts &&
                     a.accepted == b.accepted;
  return plain &&
         std::equal(a.upstreams.begin(), a.upstreams.end(), b.upstreams.begin(), b.upstreams.end(),
                    [](const auto& x, const auto& y) {
                      return x.first == y.first && *x.second == *y.second;
                    }) &&
         std::equal(a.routes.begin(), a.routes.end(), b.routes.begin(), b.routes.end(),
                    [](const auto& x, const auto& y) { return *x == *y; });
}

}  // namespace hf::config
