// What of a mapped file counts as memory of the process.
#include "service/store/map_memory.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <fstream>

#include "service/store/environment.h"
#include "tests/service/store/fixture.h"

namespace coord::service {
namespace {

constexpr std::size_t kMiB = std::size_t{1} << 20;
constexpr std::size_t kBytes = 64 * kMiB;

class Mapped {
 public:
  Mapped() {
    const auto path = directory_.path() / "file";
    std::ofstream(path, std::ios::binary) << std::string(kBytes, 'x');
    file_ = FileDescriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    map_ = ::mmap(nullptr, kBytes, PROT_READ, MAP_SHARED, file_.get(), 0);
  }
  ~Mapped() { ::munmap(map_, kBytes); }
  int file() const { return file_.get(); }
  // Reads all of it.
  bool all_there() const {
    const char* bytes = static_cast<const char*>(map_);
    for (std::size_t i = 0; i < kBytes; i += 4096) {
      if (bytes[i] != 'x') return false;
    }
    return true;
  }

 private:
  TemporaryDirectory directory_;
  FileDescriptor file_;
  void* map_;
};

std::size_t mapped_bytes(const MapMemory& memory) {
  return memory.usage().mapped_bytes;
}

MapMemory::Limit mapped_limit(std::size_t bytes) {
  return {.resident_bytes = 0, .mapped_bytes_min = bytes};
}

TEST(MapMemory, PastTheLimit_IsLetGo_AndIsReadAgain) {
  const Mapped mapped;
  MapMemory memory(mapped.file(), kBytes);
  const std::size_t before = mapped_bytes(memory);
  ASSERT_TRUE(mapped.all_there());
  EXPECT_GE(mapped_bytes(memory), before + kBytes - kMiB);
  EXPECT_FALSE(memory.is_past(mapped_limit(before + 2 * kBytes)));
  EXPECT_FALSE(memory.look(mapped_limit(before + 2 * kBytes)));
  EXPECT_GE(mapped_bytes(memory), before + kBytes - kMiB) << "below the limit it stays";
  EXPECT_TRUE(memory.is_past(mapped_limit(before + kBytes / 2)));
  EXPECT_TRUE(memory.look(mapped_limit(before + kBytes / 2)));
  EXPECT_LE(mapped_bytes(memory), before + kBytes / 2);
  EXPECT_GE(mapped_bytes(memory), before + kBytes / 4) << "no more than was needed";
  EXPECT_TRUE(mapped.all_there());
}

// Not always the same part, while others stay for good.
TEST(MapMemory, IsLetGo_EachPartInItsTurn) {
  const Mapped mapped;
  MapMemory memory(mapped.file(), kBytes);
  const std::size_t before = mapped_bytes(memory);
  ASSERT_TRUE(mapped.all_there());
  for (std::size_t left = kBytes - kMiB; left > kMiB; left -= kMiB) {
    memory.look(mapped_limit(before + left));
    ASSERT_LE(mapped_bytes(memory), before + left);
  }
}

// The more a process has of its own, the less may be mapped, down to a least.
TEST(MapMemory, WhatThereIsBesideTheFiles_CountsToo) {
  const Mapped mapped;
  MapMemory memory(mapped.file(), kBytes);
  const std::size_t before = mapped_bytes(memory);
  ASSERT_TRUE(mapped.all_there());
  const MapMemory::Limit limit{.resident_bytes = memory.usage().resident_bytes + kBytes / 4,
                               .mapped_bytes_min = before + kBytes / 4};
  EXPECT_FALSE(memory.look(limit));
  const std::string own(kBytes / 2, 'x');
  EXPECT_TRUE(memory.look(limit));
  EXPECT_LE(memory.usage().resident_bytes, limit.resident_bytes);
  EXPECT_GE(mapped_bytes(memory), before + kBytes / 2);
  const std::string more(4 * kBytes, 'x');
  EXPECT_TRUE(memory.look(limit));
  EXPECT_LE(mapped_bytes(memory), limit.mapped_bytes_min);
  EXPECT_GE(mapped_bytes(memory), before + kBytes / 8);
  EXPECT_FALSE(memory.look(limit)) << "the least that there may be";
}

TEST(MapMemory, ThatIsNotFound_IsLeftAlone) {
  const Mapped mapped;
  MapMemory memory(mapped.file(), 2 * kBytes);
  ASSERT_TRUE(mapped.all_there());
  EXPECT_FALSE(memory.look(mapped_limit(0)));
}

// The store's own map is found.
TEST(MapMemory, OfAnEnvironment_IsItsMap) {
  Fixture f;
  auto environment = Environment::open(f.directory.path(), std::size_t{1} << 30);
  ASSERT_TRUE(environment.ok());
  mdb_filehandle_t file;
  ASSERT_EQ(mdb_env_get_fd((*environment)->env(), &file), MDB_SUCCESS);
  EXPECT_TRUE(MapMemory(file, std::size_t{1} << 30).look(mapped_limit(0)));
}

TEST(FlushPages, AreAtMostThoseThatTheTablesHave) {
  Fixture f;
  f.open();
  for (int i = 0; i < 5000; ++i)
    f.store->put(kTable, fmt::format("{:05}", i), std::string(200, 'x'));
  const std::size_t at_first = f.store->flush_pages();
  EXPECT_GT(at_first, 0u);
  EXPECT_LT(at_first, 500u) << "new pages are filled one after the other";
  f.flush();
  EXPECT_EQ(f.store->flush_pages(), 0u);
  for (int i = 0; i < 50; ++i) f.store->put(kTable, fmt::format("{:05}", i * 100), "y");
  EXPECT_GE(f.store->flush_pages(), 50u) << "each in a page of its own";
  EXPECT_LT(f.store->flush_pages(), 60u);
  for (int i = 0; i < 5000; ++i) f.store->put(kTable, fmt::format("{:05}", i), "y");
  EXPECT_LT(f.store->flush_pages(), 1000u) << "there are no more than that";
}

TEST(FlushPages, CountLess_WhereTheyAreWrittenInARow) {
  Fixture f;
  f.open();
  constexpr std::size_t kPages = 2000;
  for (std::size_t i = 0; i < kPages; ++i) {
    f.store->append(Table::kChanges, fmt::format("{:08}", i), std::string(4000, 'x'));
  }
  EXPECT_GT(f.store->flush_pages(), kPages / 10);
  EXPECT_LT(f.store->flush_pages(), kPages / 3);
}

}  // namespace
}  // namespace coord::service
