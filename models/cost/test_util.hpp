// Shared by the tests of the cost models.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <string>

#include "golden/error.hpp"
#include "models/cost/designs.hpp"
#include "models/io/atomic_file.hpp"

namespace pimllm::cost {

// The message of the Error that f throws; fails the test if it throws none.
inline std::string error_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& error) {
    return error.what();
  }
  ADD_FAILURE() << "expected an Error";
  return {};
}

// A folder of the test's own, gone at its end.
class TemporaryFolder {
 public:
  TemporaryFolder()
      : path_(std::filesystem::temp_directory_path() /
              fmt::format("pimllm_cost_{}_{}", ::getpid(),
                          ::testing::UnitTest::GetInstance()->current_test_info()->name())) {
    std::filesystem::create_directories(path_);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }

  std::string file(const std::string& name) const { return (path_ / name).string(); }
  std::string path() const { return path_.string(); }
  std::string write(const std::string& name, const std::string& text) const {
    write_file_atomically(file(name), text);
    return file(name);
  }

 private:
  std::filesystem::path path_;
};

inline const std::vector<Workload>& all_workloads() {
  static const std::vector<Workload> workloads = load_workloads(default_workload_folder());
  return workloads;
}

inline const Workload& workload(const std::string& name) { return find_workload(all_workloads(), name); }

}  // namespace pimllm::cost
