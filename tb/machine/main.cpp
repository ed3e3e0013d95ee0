#include <gtest/gtest.h>
#include <verilated.h>

#include "tb/common/seed.hpp"
#include "tb/machine/on_mismatch.hpp"

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  pimllm::tb::init_seed(&argc, argv);
  pimllm::tb::init_on_mismatch(&argc, argv);
  Verilated::commandArgs(argc, argv);
  return RUN_ALL_TESTS();
}

// Time stamps of $error messages; the benches count cycles themselves.
double sc_time_stamp() { return 0; }
