// What is wrong with the files that a configuration names for TLS.
#pragma once

#include <optional>
#include <string>

#include "adapters/tls/client_files.h"
#include "base/time.h"
#include "config/load.h"

namespace hf::app {

struct CertificateTrouble {
  config::Rule rule = config::Rule::tls_expires;
  std::string text;
};

// Over, not yet good, or over within 14 days of `now`; otherwise nothing.
std::optional<CertificateTrouble> certificate_trouble(const adapters::OwnCertificate& certificate,
                                                      WallTime now);

// Reads the files, and adds what is to be said of them to the findings; an error takes the settings
// away. `file_name` stands in the findings. Blocks on the disk.
void judge_files(config::Loaded& loaded, const std::string& file_name, WallTime now);

}  // namespace hf::app
