// The bytes of records and the digest are the same on every machine and in every version: members
// compare digests, and data directories outlive the program that wrote them. A change that makes
// one of these tests fail needs a new record version, or a new version of the command.
#include "service/state/records.h"

#include <gtest/gtest.h>

#include "raft/base/hash.h"
#include "service/state/reply_codec.h"
#include "tests/service/state/machine.h"

namespace coord::service {
namespace {

using namespace commands;  // NOLINT: the language of these tests

std::string hex(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) fmt::format_to(std::back_inserter(text), "{:02x}", c & 0xff);
  return text;
}

template <class Record>
std::string round_trip(const Record& record) {
  std::string bytes;
  encode(record, bytes);
  Record decoded;
  EXPECT_TRUE(decode(bytes, decoded));
  std::string again;
  encode(decoded, again);
  EXPECT_EQ(hex(again), hex(bytes));
  // A record that is cut anywhere is not read as something else: only a key's value may be shorter.
  EXPECT_FALSE(decode(bytes.substr(0, 1), decoded));
  bytes[0] = 9;
  EXPECT_FALSE(decode(bytes, decoded)) << "a version that is not known";
  return hex(again);
}

TEST(Records, KeyRecord) {
  EXPECT_EQ(round_trip(KeyRecord{.create_revision = Revision(1),
                                 .modified = {Revision(2), 3},
                                 .offset = 6,
                                 .version = 4,
                                 .lease = LeaseId(5),
                                 .value = "v"}),
            "0100010000000000000002000000000000000300000006000000000000000400000000000000"
            "050000000000000076");
  EXPECT_EQ(round_trip(KeyRecord{.deleted = true, .modified = {Revision(2), 3}}),
            "0101000000000000000002000000000000000300000000000000000000000000000000000000"
            "0000000000000000");
}

TEST(Records, ChangeRecord) {
  EXPECT_EQ(round_trip(ChangeRecord{.existed = true,
                                    .offset = 6,
                                    .create_revision = Revision(1),
                                    .previous = {Revision(2), 3},
                                    .version = 4,
                                    .lease = LeaseId(5),
                                    .key = "k",
                                    .value = "v"}),
            "0102060000000000000001000000000000000200000000000000030000000400000000000000"
            "0500000000000000010000006b76");
}

TEST(Records, ChangeRecord_ThatHasWhatItReplacedNear) {
  EXPECT_EQ(round_trip(ChangeRecord{.deleted = true,
                                    .existed = true,
                                    .near = true,
                                    .previous = {Revision(2), 3},
                                    .key = "k"}),
            "0107000000000000000000000000000000000200000000000000030000000000000000000000"
            "0000000000000000010000006b");
}

TEST(Records, LeaseRecord) {
  LeaseRecord record;
  record.ttl = milliseconds(1);
  record.session = true;
  record.name = "n";
  record.host = "h";
  record.pid = 2;
  record.nonce = 3;
  record.granted_at_ms = 4;
  record.renewed_at = Index(5);
  record.attached_keys = 6;
  EXPECT_EQ(round_trip(record),
            "0101010000000000000003000000000000000400000000000000050000000000000006000000"
            "0000000002000000010000006e0100000068");
}

TEST(Records, StoredLock) {
  EXPECT_EQ(
      round_trip(StoredLock{.mode = LockMode::kShared,
                            .revision = Revision(1),
                            .value = "v",
                            .holders = {{LeaseId(2), LockToken(3), 4, LockMode::kShared, ""}},
                            .waiters = {{LeaseId(5), LockToken(), 6, LockMode::kExclusive, "w"}}}),
      "01010100000000000000010000007601000000020000000000000003000000000000000400000000000000"
      "0100000000010000000500000000000000000000000000000006000000000000000001000000"
      "77");
}

TEST(Records, ConfigurationRecord) {
  EXPECT_EQ(round_trip(ConfigurationRecord{.at = {Term(1), Index(2)}, .payload = "abc"}),
            "01"
            "0100000000000000"
            "0200000000000000"
            "616263");
}

TEST(Records, MemberAndMeta) {
  EXPECT_EQ(round_trip(MemberRecord{MemberId(1), "n", "p", "c"}),
            "01010000006e01000000700100000063");
  EXPECT_EQ(round_trip(Meta{.applied = {Term(1), Index(2)},
                            .digest = 3,
                            .revision = Revision(4),
                            .compacted = Revision(5),
                            .epoch = 6,
                            .last_sequential = 7,
                            .last_lease = LeaseId(8),
                            .leases = 9,
                            .change_bytes = 10}),
            "01010000000000000002000000000000000300000000000000040000000000000005000000000000000600"
            "000000000000070000000000000008000000000000000900000000000000"
            "0a00000000000000");
}

TEST(Records, TableKeys_AreOrderedAsWhatTheyName) {
  EXPECT_EQ(hex(ChangeKey({Revision(258), 3})), "000000000000010200000003");
  EXPECT_EQ(change_id(ChangeKey({Revision(258), 3})), (ChangeId{Revision(258), 3}));
  EXPECT_LT(std::string_view(ChangeKey({Revision(255), 9})),
            std::string_view(ChangeKey({Revision(256), 0})));
  EXPECT_EQ(hex(holding_key(LeaseId(258), HoldingKind::kElection, "n")), "0000000000000102026e");
  EXPECT_EQ(holding_name(holding_key(LeaseId(258), HoldingKind::kElection, "n")), "n");
  EXPECT_EQ(hex(lock_key(election("n"))), "016e");
  EXPECT_EQ(lock_of_key(lock_key(election("n"))), election("n"));
  EXPECT_EQ(number_of_key(number_key(258)), 258u);
}

TEST(Replies, EveryKindOfResult_SurvivesAsItWas) {
  const KeyValue item{"k", "v", Revision(1), Revision(2), 3, LeaseId(4)};
  TxnResult inner;
  inner.succeeded = true;
  inner.results = {{std::int64_t{-5}}, {std::string("key")}};
  TxnResult outer;
  outer.failed_compare = 1;
  outer.met = item;
  outer.met_count = 2;
  outer.results = {{RangeResult{{item}, 5, true, "cursor", Revision(6)}},
                   {PutResult{item}},
                   {DeleteResult{1, {item, item}}},
                   {std::vector<TxnResult>{inner}}};
  Error error = make_error(ErrorCode::kCompacted, "message");
  error.outcome = Outcome::kUnknown;
  error.revision = Revision(7);
  const std::vector<WriteResult> results = {
      {Revision(1), error},
      {Revision(2), PutResult{item}},
      {Revision(2), PutResult{}},
      {Revision(3), DeleteResult{7, {item}}},
      {Revision(4), CompareAndSwapResult{false, item}},
      {Revision(5), outer},
      {Revision(6), LeaseGrantResult{LeaseId(1), milliseconds(2)}},
      {Revision(7), LeaseRevokeResult{}},
      {Revision(8), LockAcquireResult{Granted{LockToken(1)}}},
      {Revision(9), LockReleaseResult{}},
      {Revision(10), LockCancelResult{Queued{3}}},
      {Revision(11), LockCancelResult{NotQueued{}}},
      {Revision(12), ProclaimResult{}},
      {Revision(13), LockBreakResult{}}};
  std::string all;
  for (const WriteResult& result : results) {
    std::string bytes;
    encode_result(result, bytes);
    all += bytes;
    Decoder in(bytes);
    WriteResult decoded;
    ASSERT_TRUE(decode_result(in, decoded));
    EXPECT_TRUE(in.complete());
    EXPECT_EQ(show(decoded), show(result));
    EXPECT_EQ(weight(decoded), weight(result));
    EXPECT_EQ(decoded.value.index(), result.value.index());
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      Decoder cut(std::string_view(bytes).substr(0, size));
      EXPECT_FALSE(decode_result(cut, decoded)) << size << " of " << bytes.size();
    }
  }
  EXPECT_EQ(hash64(all), 5990762902435198516u);
}

// What changes one of these changes what logs mean.
TEST(Digest, OfAFixedScript_IsAlwaysTheSame) {
  EXPECT_EQ(HistoryOptions().near_bytes, 16u << 20);
  EXPECT_EQ(limits::kChangeBytesMin, 512u);
  // Some changes of the script are near, and some are dropped.
  Machine m({.near_bytes = 512});
  m.set_now(1000);
  m.write_all({put("a", "1"), put("a", "2", {.want_previous = true}),
               grant(7, {.session = true, .name = "n"}), put("b", "1", {.lease = 7}),
               txn({.compares = {exists("a")},
                    .then = {op_increment("a", 5), op_sequential_put("s/", "x")}}),
               acquire(lock("l"), 7), in_session(7, 1, guarded(lock("l"), 5, put("c", "1"))),
               in_session(7, 2, 2, put("d", "1")), erase(prefix("a"))});
  m.apply(renew({7}));
  m.apply(publish_member({MemberId(1), "n1", "p", "c"}));
  m.apply(compact(3));
  m.apply(expire({m.expiry(7)}));
  EXPECT_EQ(m.state().revision(), Revision(10));
  EXPECT_EQ(m.state().position().digest, 7278157834412503212u);
}

TEST(Digest, TellsDifferentLogsAndDifferentStatesApart) {
  Machine a;
  Machine b;
  EXPECT_EQ(a.state().position().digest, b.state().position().digest);
  a.write(put("a", "1"));
  b.write(put("a", "2"));
  EXPECT_NE(a.state().position().digest, b.state().position().digest);
  // The same entries from here on do not bring them together.
  a.write(put("a", "3"));
  b.write(put("a", "3"));
  EXPECT_NE(a.state().position().digest, b.state().position().digest);
}

TEST(Digest, ShowsARecordThatWasChangedBehindItsBack) {
  Machine a;
  Machine b;
  a.write(put("a", "1"));
  b.write(put("a", "1"));
  std::string record(*b.tables().get(Table::kKeys, "a"));
  record[2] = 9;  // its create revision
  b.tables().put(Table::kKeys, "a", record);
  EXPECT_EQ(a.state().position().digest, b.state().position().digest);
  a.write(put("a", "2"));
  b.write(put("a", "2"));
  EXPECT_NE(a.state().position().digest, b.state().position().digest);
}

}  // namespace
}  // namespace coord::service
