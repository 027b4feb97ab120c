// holdfast: the one binary. Each subcommand is a file of its own; here they are only named.
#include <CLI/CLI.hpp>

#include "app/commands.h"

int main(int argc, char** argv) {
  return hf::app::run_commands(argc, argv);
}
