// Asio is compiled apart (BOOST_ASIO_SEPARATE_COMPILATION). In the program the adapters do it; this
// test program links no adapter, hence its own copy.
#include <boost/asio/impl/src.hpp>
