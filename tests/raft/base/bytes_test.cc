#include "raft/base/bytes.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace coord {
namespace {

TEST(Bytes, DefaultAndEmpty_AreTheSame) {
  EXPECT_TRUE(Bytes().empty());
  EXPECT_EQ(Bytes(), Bytes::copy_of(""));
  EXPECT_EQ(Bytes().slice(0, 0), Bytes());
}

TEST(Bytes, Copies_ShareTheBuffer_AndOutliveTheOriginal) {
  Bytes copy;
  {
    const Bytes original = Bytes::copy_of("abcdef");
    copy = original;
    EXPECT_EQ(copy.data(), original.data());
  }
  EXPECT_EQ(copy.view(), "abcdef");
}

TEST(Bytes, Slice_KeepsItsBufferAlive) {
  Bytes part = Bytes::copy_of("abcdef").slice(2, 3);
  EXPECT_EQ(part.view(), "cde");
  EXPECT_EQ(part.slice(1, 1).view(), "d");
  EXPECT_EQ(part.slice(3, 0).view(), "");
}

TEST(Bytes, MovedFrom_IsEmpty) {
  Bytes from = Bytes::copy_of("abc");
  const Bytes to = std::move(from);
  EXPECT_EQ(to.view(), "abc");
  EXPECT_TRUE(from.empty());  // NOLINT: that is what is tested
}

TEST(Bytes, SelfAssignment_ChangesNothing) {
  Bytes bytes = Bytes::copy_of("abc");
  const Bytes& same = bytes;
  bytes = same;
  EXPECT_EQ(bytes.view(), "abc");
}

TEST(Bytes, Buffers_AreAlignedTo16) {
  for (std::size_t size = 1; size < 100; ++size) {
    const Bytes bytes = Bytes::make(size, [](std::span<std::byte> all) {
      for (std::byte& byte : all) byte = std::byte{1};
    });
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(bytes.data()) % 16, 0u);
    EXPECT_EQ(bytes.size(), size);
  }
}

TEST(BytesDeathTest, SliceBeyondTheEnd_Aborts) {
  const Bytes bytes = Bytes::copy_of("abc");
  EXPECT_DEATH(static_cast<void>(bytes.slice(2, 2)), "CHECK failed");
  EXPECT_DEATH(static_cast<void>(bytes.slice(4, 0)), "CHECK failed");
  EXPECT_DEATH(static_cast<void>(bytes.slice(1, SIZE_MAX)), "CHECK failed");
}

// Worth running under ThreadSanitizer: the last reference can go on any thread.
TEST(Bytes, ManyThreads_CopyAndDropTheSameBuffer) {
  Bytes shared = Bytes::copy_of(std::string(1000, 'x'));
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([mine = shared] {
      for (int n = 0; n < 2000; ++n) {
        std::vector<Bytes> parts(10, mine);
        for (const Bytes& part : parts) ASSERT_EQ(part.slice(990, 10).view(), "xxxxxxxxxx");
      }
    });
  }
  shared = {};
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace coord
