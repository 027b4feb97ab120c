// `holdfast health`: what /readyz of a running Holdfast says.
#pragma once

#include <string>

namespace hf::app {

struct HealthOptions {
  std::string config;   // -c FILE
  std::string address;  // --health HOST:PORT
};
// Prints what it hears. 0: ready; 1: not ready, or no answer.
int health(const HealthOptions& options);

}  // namespace hf::app
