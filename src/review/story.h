// A rehearsal told as a short sequence of events.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "review/scene.h"

namespace hf::review {

struct StoryOptions {
  // What the client's n-th request is, where "it sends the same again" says too little.
  std::map<int, std::string> asks;
  std::size_t steps_max = 9;
};
// Sentences without numbers and full stops at their end. What repeats itself is one of them.
std::vector<std::string> story_of(const Scene& scene, const StoryOptions& options = {});

// "502 `connection-lost`, effect unknown, not to be repeated"; "the upstream's 200".
std::string words_of(const Told& told);
// "10 s", "23 h": rounded, because what was rehearsed had its jitter.
std::string about(Duration duration);

}  // namespace hf::review
