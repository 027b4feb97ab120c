// The one unit that compiles Boost.JSON (Debian ships no library of it). It defines nothing else,
// so that a linker takes it from the archive only when nobody else has brought these symbols.
#include <boost/json/src.hpp>
