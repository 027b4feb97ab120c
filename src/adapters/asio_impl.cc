// The one unit that compiles Asio's own code (BOOST_ASIO_SEPARATE_COMPILATION): every other unit of
// the program only declares it, which keeps their builds short.
#include <boost/asio/impl/src.hpp>
#include <boost/asio/ssl/impl/src.hpp>
