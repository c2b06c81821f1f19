#include "service/api/command.h"

#include <capnp/serialize.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace coord::service {
namespace {

schema::Command::Reader parse(capnp::FlatArrayMessageReader& reader) {
  return reader.getRoot<schema::Command>();
}

kj::ArrayPtr<const capnp::word> words(const Bytes& bytes) {
  return {reinterpret_cast<const capnp::word*>(bytes.data()), bytes.size() / sizeof(capnp::word)};
}

TEST(Command, OfAnySize_ReadsBackAsItWasWritten) {
  // From one segment to several: the hint is wrong on purpose.
  for (const std::size_t size : {0u, 1u, 100u, 10'000u, 300'000u}) {
    capnp::MallocMessageBuilder message;
    auto write = message.initRoot<schema::Write>();
    const std::string value(size, 'v');
    write.initPut().setValue(
        capnp::Data::Reader(reinterpret_cast<const kj::byte*>(value.data()), value.size()));
    const std::vector<schema::Write::Reader> writes(3, write.asReader());
    const Bytes bytes = encode_writes(writes, 42, 0, [] { return 1; });

    ASSERT_EQ(bytes.size() % sizeof(capnp::word), 0u);
    capnp::FlatArrayMessageReader reader(words(bytes));
    EXPECT_EQ(reader.getEnd(), words(bytes).end());
    EXPECT_EQ(parse(reader).getVersion(), kCommandVersion);
    EXPECT_EQ(parse(reader).getStampMs(), 42u);
    ASSERT_EQ(parse(reader).getWrites().size(), 3u);
    EXPECT_EQ(parse(reader).getWrites()[2].getPut().getValue().size(), size);
  }
}

TEST(Command, WithAGrantThatLeavesItsIdOpen_GetsOneFromTheServer) {
  capnp::MallocMessageBuilder message;
  auto list = message.initRoot<schema::Command>().initWrites(2);
  list[0].initLeaseGrant().setTtlMs(5);
  list[1].initLeaseGrant().setId(77);
  const std::vector<schema::Write::Reader> writes{list[0].asReader(), list[1].asReader()};
  const Bytes bytes = encode_writes(writes, 0, 100, [] { return 1234; });
  capnp::FlatArrayMessageReader reader(words(bytes));
  EXPECT_EQ(parse(reader).getWrites()[0].getLeaseGrant().getId(), 1234u);
  EXPECT_EQ(parse(reader).getWrites()[0].getLeaseGrant().getTtlMs(), 5u);
  EXPECT_EQ(parse(reader).getWrites()[1].getLeaseGrant().getId(), 77u);
}

}  // namespace
}  // namespace coord::service
