// holdfast: the one binary. Each subcommand is a file of its own; here they are only named.
#include <CLI/CLI.hpp>

#include "app/commands.h"

// Read by jemalloc before main() (its manual page, TUNING); what MALLOC_CONF says comes after it.
// Calls come and go in crowds, and are handled by two threads: with room for 200 of a size, which
// is what it gives, a thread's cache ran empty and over with each crowd. A fourteenth of a held
// call's processor time.
extern "C" {
extern const char* malloc_conf;
const char* malloc_conf =
    "lg_tcache_nslots_mul:6,tcache_nslots_small_max:1000,tcache_gc_incr_bytes:4194304";
}

int main(int argc, char** argv) {
  return hf::app::run_commands(argc, argv);
}
