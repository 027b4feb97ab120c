// Stands between who asks and the real door, and reckons each decision anew (sim/shares.h): who is
// refused, by what, what it is told, and whether waiting as it was told helps.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "ports/door.h"
#include "runtime/limits_door.h"
#include "sim/shares.h"

namespace hf::sim {

class DoorWitness final : public ports::Door {
 public:
  struct World {
    std::function<Instant()> now;  // true time: what anybody sets a clock to changes nothing
    std::function<void(std::string)> violation;
    std::function<void(const std::string&)> trace;  // empty: nobody listens
  };
  explicit DoorWitness(World world) : world_(std::move(world)) {}

  // A process begins with this door before it, which lives as long as that process.
  void attach(runtime::LimitsDoor& door, std::shared_ptr<const call::Settings> settings);

  Word on_head(const call::IncomingHead& head) override;
  std::optional<call::Reply> on_body(const call::IncomingHead& head, std::string_view body,
                                     Stay& stay) override;
  void on_answer(Stay& stay, int status, Fields& fields) override;

  [[nodiscard]] std::uint64_t refused() const { return refused_; }
  // Those that waited for as long as they were told, and came in.
  [[nodiscard]] std::uint64_t waited() const { return waited_; }

 private:
  struct Watched;
  // One that was refused: from when on it must be let in, if nothing but time has passed.
  struct Waiting {
    Instant until;
    std::uint64_t changes = 0;
  };
  using Said = std::vector<std::pair<std::string, bool>>;  // limit, whether it acted

  void judge(const call::IncomingHead& head, Shares::Findings& findings,
             const std::optional<call::Reply>& refused);
  [[nodiscard]] Shares::Said told_to_wait(const call::Reply& reply) const;
  void judge_refusal(const std::string& who, const Shares::Findings& findings,
                     const call::Reply& reply);
  void judge_wait(const std::string& who, const Shares::Findings& findings, std::uint64_t changes,
                  const std::optional<call::Reply>& refused);
  void judge_said(const std::string& who, const Shares::Findings& findings);
  void note_rare(const Shares::Findings& findings, bool refused);
  void wrong(const std::string& who, const std::string& what);

  World world_;
  runtime::LimitsDoor* door_ = nullptr;
  std::shared_ptr<const call::Settings> settings_;
  Shares shares_;
  Said said_;  // to its owner, of the request that is being judged
  std::map<std::string, Waiting> waiting_;
  std::set<std::pair<std::size_t, std::string>> banned_;
  std::uint64_t refused_ = 0;
  std::uint64_t waited_ = 0;
};

}  // namespace hf::sim
