// The codec: what is encoded is decoded, and nothing that a peer may send gets past the door or
// brings it down.
#include "raft/transport/codec.h"

#include <capnp/message.h>
#include <capnp/serialize.h>
#include <gtest/gtest.h>
#include <kj/exception.h>

#include <rapidcheck/gtest.h>
#include <optional>

#include "raft/base/prng.h"

namespace coord::raft {
namespace {

std::uint64_t number(Prng& random) {
  switch (random.below(4)) {
    case 0:
      return 1 + random.below(10);
    case 1:
      return (std::uint64_t{1} << 32) + random.below(10);
    case 2:
      return kNumberEnd - 1'000'000 - random.below(10);
    default:
      return 1 + random.below(kNumberEnd - 2'000'000);
  }
}

LogId log_id(Prng& random, std::uint64_t term_max) {
  if (random.chance(1, 5)) return {};
  return {.term = Term(1 + random.below(term_max)), .index = Index(number(random))};
}

std::vector<Entry> entries(Prng& random, LogId previous, Term term) {
  std::vector<Entry> result;
  const std::uint64_t count = random.below(6);
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::uint64_t low = std::max<std::uint64_t>(previous.term.value(), 1);
    previous = {.term = Term(random.between(low, term.value())), .index = previous.index.next()};
    Bytes payload = Bytes::make(random.chance(1, 3) ? 0 : random.below(100), [&](auto target) {
      for (auto& byte : target) byte = static_cast<std::byte>(random.next());
    });
    result.push_back({.id = previous,
                      .type = static_cast<EntryType>(random.below(3)),
                      .payload = std::move(payload)});
  }
  return result;
}

Message message(std::uint64_t seed) {
  Prng random(seed);
  Message made{.cluster = ClusterId(random.next()),
               .from = MemberId(1 + random.below(5)),
               .to = MemberId(6 + random.below(5)),
               .term = Term(number(random)),
               .body = {}};
  const auto term = made.term.value();
  switch (random.below(11)) {
    case 0:
      made.body = VoteRequest{.pre_vote = random.chance(1, 2),
                              .transfer = random.chance(1, 2),
                              .last = log_id(random, term)};
      break;
    case 1:
      made.body = VoteReply{.pre_vote = random.chance(1, 2), .granted = random.chance(1, 2)};
      break;
    case 2: {
      const LogId previous = log_id(random, term);
      made.body = AppendRequest{.previous = previous,
                                .commit = Index(number(random)),
                                .round = Round(number(random)),
                                .entries = entries(random, previous, made.term)};
      break;
    }
    case 3:
      made.body = AppendReply{.accepted = random.chance(1, 2),
                              .match = Index(number(random)),
                              .rejected = Index(number(random)),
                              .hint = log_id(random, term),
                              .round = Round(number(random))};
      break;
    case 4:
      made.body = Heartbeat{.commit = Index(number(random)),
                            .round = Round(number(random)),
                            .held_by_all = Index(number(random))};
      break;
    case 5:
      made.body = HeartbeatReply{.round = Round(number(random))};
      break;
    case 6:
      made.body = TimeoutNow{};
      break;
    case 7:
      made.body = ReadIndexRequest{.id = ReadId(random.next())};
      break;
    case 8: {
      const std::string data(random.below(2000), 's');
      const std::uint64_t offset = random.below(1'000'000);
      made.body = SnapshotChunk{.last = {.term = Term(1 + random.below(term)),
                                         .index = Index(1 + random.below(1'000'000))},
                                .size = offset + data.size() + random.below(1'000'000),
                                .checksum = random.next(),
                                .offset = offset,
                                .data = Bytes::copy_of(data)};
      break;
    }
    case 9:
      made.body = SnapshotReply{.last = log_id(random, term), .received = random.next()};
      break;
    default:
      made.body = ReadIndexReply{.id = ReadId(random.next()),
                                 .granted = random.chance(1, 2),
                                 .index = Index(number(random))};
  }
  return made;
}

// What a message says, field by field, so that two can be compared.
std::string told(const Message& message) {
  struct Teller {
    std::string operator()(const VoteRequest& b) {
      return fmt::format("vote? {} {} {}", b.pre_vote, b.transfer, b.last);
    }
    std::string operator()(const VoteReply& b) {
      return fmt::format("vote! {} {}", b.pre_vote, b.granted);
    }
    std::string operator()(const AppendRequest& b) {
      std::string text = fmt::format("append? {} {} {}", b.previous, b.commit, b.round);
      for (const Entry& entry : b.entries) {
        text += fmt::format(" [{} {} {}]", entry.id, static_cast<int>(entry.type),
                            entry.payload.view());
      }
      return text;
    }
    std::string operator()(const AppendReply& b) {
      return fmt::format("append! {} {} {} {} {}", b.accepted, b.match, b.rejected, b.hint,
                         b.round);
    }
    std::string operator()(const Heartbeat& b) {
      return fmt::format("beat {} {} {}", b.commit, b.round, b.held_by_all);
    }
    std::string operator()(const HeartbeatReply& b) { return fmt::format("beat! {}", b.round); }
    std::string operator()(const TimeoutNow&) { return "now"; }
    std::string operator()(const ReadIndexRequest& b) { return fmt::format("read? {}", b.id); }
    std::string operator()(const ReadIndexReply& b) {
      return fmt::format("read! {} {} {}", b.id, b.granted, b.index);
    }
    std::string operator()(const SnapshotChunk& b) {
      return fmt::format("snapshot? {} {} {} {} {}", b.last, b.size, b.checksum, b.offset,
                         b.data.view());
    }
    std::string operator()(const SnapshotReply& b) {
      return fmt::format("snapshot! {} {}", b.last, b.received);
    }
  };
  return fmt::format("{} {} {} {} {}", message.cluster, message.from, message.to, message.term,
                     std::visit(Teller(), message.body));
}

kj::Array<capnp::word> encoded(const Message& message) {
  capnp::MallocMessageBuilder builder;
  encode(message, builder.initRoot<schema::Message>());
  return capnp::messageToFlatArray(builder);
}

RC_GTEST_PROP(CodecTest, Message_ComesOutAsItWentIn, (std::uint64_t seed)) {
  const Message original = message(seed);
  const auto words = encoded(original);
  RC_ASSERT(words.size() * sizeof(capnp::word) <= encoded_bytes(original) + 32);
  capnp::FlatArrayMessageReader reader(words);
  const auto decoded = decode(reader.getRoot<schema::Message>());
  RC_ASSERT(decoded.ok());
  RC_ASSERT(told(*decoded) == told(original));
  if (const auto* append = std::get_if<AppendRequest>(&decoded->body)) {
    for (const Entry& entry : append->entries) {
      RC_ASSERT(reinterpret_cast<std::uintptr_t>(entry.payload.data()) % 8 == 0);
    }
  }
}

RC_GTEST_PROP(CodecTest, MutatedMessage_IsRefusedOrSound_NeverFatal, (std::uint64_t seed)) {
  Prng random(seed);
  auto words = encoded(message(random.next()));
  auto bytes = words.asBytes();
  const std::uint64_t mutations = random.between(1, 8);
  for (std::uint64_t i = 0; i < mutations; ++i) {
    auto& byte = bytes[random.below(bytes.size())];
    byte = static_cast<kj::byte>(random.chance(1, 3) ? 0xff : random.next());
  }
  std::optional<Message> sound;
  // Malformed pointers throw, which the RPC system turns into a failed call.
  kj::runCatchingExceptions([&] {
    capnp::ReaderOptions options;
    options.traversalLimitInWords = 1 << 20;
    capnp::FlatArrayMessageReader reader(words, options);
    auto decoded = decode(reader.getRoot<schema::Message>());
    if (decoded.ok()) sound = std::move(decoded).value();
  });
  if (!sound) return;
  // What was let through can be used without wrapping anything, and be sent on.
  RC_ASSERT(sound->term.value() < kNumberEnd);
  if (const auto* append = std::get_if<AppendRequest>(&sound->body)) {
    Index expected = append->previous.index;
    Term last = append->previous.term;
    for (const Entry& entry : append->entries) {
      RC_ASSERT(entry.id.index == ++expected);
      RC_ASSERT(entry.id.term >= last);
      last = entry.id.term;
    }
    RC_ASSERT(append->entries.empty() || last <= sound->term);
  }
  if (const auto* chunk = std::get_if<SnapshotChunk>(&sound->body)) {
    RC_ASSERT(!chunk->last.index.is_zero());
    RC_ASSERT(chunk->data.size() <= limits::kSnapshotChunkBytes);
    RC_ASSERT(chunk->offset <= chunk->size && chunk->data.size() <= chunk->size - chunk->offset);
  }
  RC_ASSERT(encoded(*sound).size() > 0u);
}

// A sound append that single fields are broken in.
class DoorTest : public testing::Test {
 protected:
  ~DoorTest() noexcept override {}
  DoorTest() {
    root_.setCluster(1);
    root_.setFrom(1);
    root_.setTo(2);
    root_.setTerm(5);
    append_ = root_.initAppendRequest();
    append_.initPrevious().setTerm(3);
    append_.getPrevious().setIndex(7);
    append_.setCommit(6);
    append_.setRound(1);
    auto entries = append_.initEntries(2);
    entries[0].setTerm(3);
    entries[1].setTerm(5);
    entries[1].setType(1);
    entries[1].setPayload(kj::arrayPtr(reinterpret_cast<const kj::byte*>("12345"), 5));
  }
  bool refused(std::size_t entry_bytes_max = 100) {
    return !decode(root_.asReader(), entry_bytes_max).ok();
  }

  capnp::MallocMessageBuilder builder_;
  schema::Message::Builder root_ = builder_.initRoot<schema::Message>();
  schema::AppendRequest::Builder append_ = nullptr;
};

TEST_F(DoorTest, SoundAppend_IsLetThrough) {
  EXPECT_FALSE(refused());
}
TEST_F(DoorTest, NobodyOrOneself_IsRefused) {
  root_.setFrom(0);
  EXPECT_TRUE(refused());
  root_.setFrom(2);
  EXPECT_TRUE(refused());
}
TEST_F(DoorTest, TermsThatAreMissingOrGoBack_AreRefused) {
  append_.getEntries()[0].setTerm(0);
  EXPECT_TRUE(refused());
  append_.getEntries()[0].setTerm(2);
  EXPECT_TRUE(refused());
  append_.getEntries()[0].setTerm(4);
  EXPECT_FALSE(refused());
  append_.getEntries()[1].setTerm(6);
  EXPECT_TRUE(refused());
  append_.getEntries()[1].setTerm(5);
  root_.setTerm(0);
  EXPECT_TRUE(refused());
}
TEST_F(DoorTest, NumbersThatCouldWrap_AreRefused) {
  for (const std::uint64_t number : {kNumberEnd, UINT64_MAX}) {
    append_.getPrevious().setIndex(number);
    EXPECT_TRUE(refused());
    append_.getPrevious().setIndex(7);
    append_.setCommit(number);
    EXPECT_TRUE(refused());
    append_.setCommit(6);
    append_.setRound(number);
    EXPECT_TRUE(refused());
    append_.setRound(1);
    root_.setTerm(number);
    EXPECT_TRUE(refused());
    root_.setTerm(5);
  }
  append_.getPrevious().setIndex(kNumberEnd - 2);
  EXPECT_TRUE(refused());
  append_.getPrevious().setIndex(kNumberEnd - 3);
  EXPECT_FALSE(refused());
}
TEST_F(DoorTest, PositionWithATermAndNoIndex_IsRefused) {
  append_.getPrevious().setIndex(0);
  EXPECT_TRUE(refused());
  append_.getPrevious().setTerm(0);
  EXPECT_FALSE(refused());
}
TEST_F(DoorTest, UnknownTypeOfEntry_IsRefused) {
  append_.getEntries()[0].setType(3);
  EXPECT_TRUE(refused());
}
TEST_F(DoorTest, LargeEntry_IsRefused) {
  EXPECT_FALSE(refused(5));
  EXPECT_TRUE(refused(4));
}

}  // namespace
}  // namespace coord::raft
