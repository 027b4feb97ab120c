// Who has been told what: one notice per cause, upstream and hour while it lasts, and one when it
// is over. Pure; times are handed in.
//
// What comes and goes is no news: a cause that is back before it has been gone for `over_after`
// never went, and one that is back within the hour of its last notice waits for the next.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "control/alert.h"

namespace hf::control {

class AlertBook {
 public:
  AlertBook(Duration every, Duration over_after) : every_(every), over_after_(over_after) {}

  // What is the case at `now` (each cause and upstream at most once), and what is to be told of it.
  // A clock that went back counts as standing still.
  std::vector<Notice> look(const std::vector<AlertFinding>& findings, WallTime now);
  // What the last look found, by cause and upstream.
  [[nodiscard]] std::vector<Alert> active() const;

  // What has been told, as text for the next process, and back. Lines that make no sense are left
  // out. Who was told of something is told when it is over, also by the next process.
  [[nodiscard]] std::string memory() const;
  void restore(std::string_view memory, WallTime now);

 private:
  struct Entry {
    AlertFinding finding;
    WallTime since;
    std::optional<WallTime> told;  // of its being the case, last
    bool owed = false;             // whoever was told must be told the end
    std::optional<WallTime> gone;  // not found any more, since
  };
  using Key = std::pair<AlertCause, std::string>;

  std::optional<Notice> tell(Entry& entry, WallTime now) const;

  Duration every_;
  Duration over_after_;
  std::map<Key, Entry> entries_;
};

}  // namespace hf::control
