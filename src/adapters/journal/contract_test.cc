// The contract of the journals that ship or stand in for them in tests; the simulated one has its
// own in sim/.
#include "adapters/journal/contract.h"

#include "adapters/journal/contract_crash.h"
#include "adapters/rocksdb/rocksdb_fixture.h"

namespace hf::adapters::testing {
namespace {

INSTANTIATE_TYPED_TEST_SUITE_P(Memory, JournalContract, MemoryHarness);
INSTANTIATE_TYPED_TEST_SUITE_P(Memory, JournalCrash, MemoryHarness);
INSTANTIATE_TYPED_TEST_SUITE_P(Rocksdb, JournalContract, RocksdbHarness);
INSTANTIATE_TYPED_TEST_SUITE_P(Rocksdb, JournalCrash, RocksdbHarness);

}  // namespace
}  // namespace hf::adapters::testing
