#include "base/checksum.hpp"

#include <catch2/catch.hpp>

using namespace dash;

TEST_CASE("the SHA-2 family, by FIPS 180-4's example") {
  const auto hex = [](const char* algorithm) {
    MemorySource source(as_bytes("abc"));
    return checksum_hex(algorithm, source);
  };
  CHECK(hex("sha256") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(hex("sha384") ==
        "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7");
  CHECK(hex("sha512") ==
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd"
        "454d4423643ce80e2a9ac94fa54ca49f");
}
