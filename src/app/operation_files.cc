#include "app/operation_files.h"

#include <algorithm>
#include <filesystem>

#include "adapters/seal/key_file.h"
#include "adapters/system/small_file.h"
#include "call/sealed_text.h"

namespace hf::app {
namespace {

// A page of calls in flight, tallies and a selection, with room to spare.
constexpr std::size_t kFileMax = std::size_t{1} << 20;

std::string path_of(const std::string& folder, const CallId& id) {
  return folder + "/" + id.text();
}
std::string name_of(const CallId& id) {
  return "operation " + id.text();
}

}  // namespace

control::OperationStore operation_files(const std::string& folder, const call::Sealer& sealer,
                                        ports::Clock& clock) {
  control::OperationStore out;
  out.save = [folder, sealer, &clock](const CallId& id, const std::string& text) -> Result<void> {
    HF_TRY_VOID(adapters::make_private_dir(folder));
    return adapters::replace_small_file(
        path_of(folder, id),
        call::seal_text(sealer, call::RecordKind::operation, name_of(id), text, clock.read().wall));
  };
  out.load = [folder, sealer](const CallId& id) -> Result<std::string> {
    HF_TRY(const std::string sealed, adapters::read_small_file(path_of(folder, id), kFileMax));
    if (sealed.empty() && std::filesystem::exists(path_of(folder, id))) {
      return fail(ErrorKind::corrupt, "its file is empty, as after a loss of power");
    }
    if (sealed.empty()) return sealed;
    return call::open_text(sealer, call::RecordKind::operation, name_of(id), sealed);
  };
  out.all = [folder] {
    std::vector<CallId> ids;
    std::error_code error;
    for (std::filesystem::directory_iterator at(folder, error), end; !error && at != end;
         at.increment(error)) {
      const auto id = CallId::parse(at->path().filename().string());
      if (id.ok()) ids.push_back(*id);
    }
    std::sort(ids.begin(), ids.end());
    return ids;
  };
  out.remove = [folder](const CallId& id) {
    std::error_code ignored;
    std::filesystem::remove(path_of(folder, id), ignored);
  };
  return out;
}

}  // namespace hf::app
