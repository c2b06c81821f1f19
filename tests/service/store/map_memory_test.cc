// What of a mapped file counts as memory of the process.
#include "service/store/map_memory.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/syscall.h>
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
  explicit Mapped(std::size_t bytes = kBytes) : bytes_(bytes) {
    const auto path = directory_.path() / "file";
    std::ofstream file(path, std::ios::binary);
    const std::string part(kMiB, 'x');
    for (std::size_t i = 0; i < bytes / kMiB; ++i) file << part;
    file.close();
    file_ = FileDescriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    map_ = ::mmap(nullptr, bytes, PROT_READ, MAP_SHARED, file_.get(), 0);
  }
  ~Mapped() { ::munmap(map_, bytes_); }
  int file() const { return file_.get(); }
  // Reads all of it.
  bool all_there() const {
    const char* bytes = static_cast<const char*>(map_);
    for (std::size_t i = 0; i < bytes_; i += 4096) {
      if (bytes[i] != 'x') return false;
    }
    return true;
  }

 private:
  const std::size_t bytes_;
  TemporaryDirectory directory_;
  FileDescriptor file_;
  void* map_;
};

// Memory of the process's own that is there, and nothing else that a sanitizer keeps beside it: it
// knows nothing of this.
class Own {
 public:
  explicit Own(std::size_t bytes)
      : bytes_(bytes),
        at_(::syscall(SYS_mmap, nullptr, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0)) {
    EXPECT_NE(at_, -1);
  }
  ~Own() { ::syscall(SYS_munmap, at_, bytes_); }
  Own(const Own&) = delete;
  Own& operator=(const Own&) = delete;

 private:
  const std::size_t bytes_;
  const long at_;
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
  // Neither is a multiple of what goes at a time, so that a page more or less is not a part of it.
  const MapMemory::Limit limit{.resident_bytes = memory.usage().resident_bytes + kBytes / 8 * 3,
                               .mapped_bytes_min = before + kBytes / 8 * 3};
  EXPECT_FALSE(memory.look(limit));
  const Own own(kBytes / 2);
  EXPECT_TRUE(memory.look(limit));
  EXPECT_LE(memory.usage().resident_bytes, limit.resident_bytes);
  EXPECT_GE(mapped_bytes(memory), before + kBytes / 2);
  const Own more(4 * kBytes);
  EXPECT_TRUE(memory.look(limit));
  EXPECT_LE(mapped_bytes(memory), limit.mapped_bytes_min);
  EXPECT_GE(mapped_bytes(memory), before + kBytes / 8);
  EXPECT_FALSE(memory.look(limit)) << "the least that there may be";
}

TEST(MapMemory, HasToGo_WhatIsMoreThanTheRestLeaves_OrThanTheLeast) {
  const MapMemory::Limit limit{.resident_bytes = 100, .mapped_bytes_min = 30};
  const auto excess = [&limit](std::size_t resident, std::size_t mapped) {
    return MapMemory::excess_of({.resident_bytes = resident, .mapped_bytes = mapped}, limit);
  };
  EXPECT_EQ(excess(0, 0), 0u);
  EXPECT_EQ(excess(100, 80), 0u);
  EXPECT_EQ(excess(101, 80), 1u);
  EXPECT_EQ(excess(150, 80), 50u);
  EXPECT_EQ(excess(151, 80), 50u) << "the least";
  EXPECT_EQ(excess(1000, 30), 0u);
  EXPECT_EQ(excess(1000, 31), 1u);
  // The two are counted at different moments.
  EXPECT_EQ(excess(120, 150), 50u);
}

// What a large file holds here goes in several looks, none of which takes long.
TEST(MapMemory, OneLook_TakesAPartOfIt) {
  const Mapped mapped(4 * kBytes);
  MapMemory memory(mapped.file(), 4 * kBytes);
  const std::size_t before = mapped_bytes(memory);
  ASSERT_TRUE(mapped.all_there());
  EXPECT_TRUE(memory.look(mapped_limit(0)));
  EXPECT_GE(mapped_bytes(memory), before + kBytes);
  EXPECT_TRUE(memory.look(mapped_limit(0)));
  EXPECT_LE(mapped_bytes(memory), before + kMiB);
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
