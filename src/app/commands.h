// The command line: subcommands, their options and help.
#pragma once

namespace hf::app {

// The exit code: 0 done, 1 it failed or findings were errors, 2 the command line is wrong.
int run_commands(int argc, char** argv);

}  // namespace hf::app
