#include "client/coordctl/txn_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace coord::ctl {
namespace {

std::string error_of(std::string_view text) {
  const Result<TxnText> parsed = parse_txn(text);
  return parsed ? "" : parsed.error().message;
}

TEST(TxnText, EveryCondition_IsUnderstood) {
  const Result<TxnText> parsed = parse_txn(
      "if\n"
      "  value config = \"old text\"   # as it was\n"
      "  version config >= 3\n"
      "  create config != 0\n"
      "  mod config < 12\n"
      "  lease config = 5\n"
      "  exists a\n"
      "  absent b\n"
      "  count jobs/ <= 10\n");
  ASSERT_TRUE(parsed.ok()) << parsed.error().message;
  const std::vector<Compare>& compares = parsed->txn.compares();
  ASSERT_EQ(compares.size(), 8u);
  EXPECT_EQ(compares[0].key, "config");
  EXPECT_EQ(std::get<Compare::Value>(compares[0].what).value, "old text");
  EXPECT_EQ(compares[1].op, Compare::Operator::kGreaterOrEqual);
  EXPECT_EQ(std::get<Compare::Version>(compares[1].what).version, 3u);
  EXPECT_EQ(std::get<Compare::CreateRevision>(compares[2].what).revision, Revision(0));
  EXPECT_EQ(std::get<Compare::ModRevision>(compares[3].what).revision, Revision(12));
  EXPECT_EQ(std::get<Compare::Lease>(compares[4].what).lease, LeaseId(5));
  EXPECT_TRUE(std::get<Compare::Exists>(compares[5].what).exists);
  EXPECT_FALSE(std::get<Compare::Exists>(compares[6].what).exists);
  EXPECT_EQ(std::get<Compare::Count>(compares[7].what).range, KeyRange::prefix("jobs/"));
  EXPECT_EQ(parsed->conditions[5], "exists a");
}

TEST(TxnText, EveryOperation_IsUnderstood) {
  const Result<TxnText> parsed = parse_txn(
      "then\n"
      "put k \"a \\\"b\\\" \\x00\" lease 7\n"
      "get k\n"
      "range p/ limit 3\n"
      "del k\n"
      "del-prefix p/\n"
      "increment n -5\n"
      "increment n\n"
      "sequential q/ v\n"
      "else\n"
      "get k\n");
  ASSERT_TRUE(parsed.ok()) << parsed.error().message;
  const auto& operations = parsed->txn.then_operations();
  ASSERT_EQ(operations.size(), 8u);
  const auto& put = std::get<TxnOperation::Put>(operations[0].what);
  EXPECT_EQ(put.value, std::string("a \"b\" \0", 7));
  EXPECT_EQ(put.lease, LeaseId(7));
  EXPECT_EQ(std::get<TxnOperation::Get>(operations[1].what).range, KeyRange::key("k"));
  EXPECT_EQ(std::get<TxnOperation::Get>(operations[2].what).limit, 3u);
  EXPECT_EQ(std::get<TxnOperation::Delete>(operations[3].what).range, KeyRange::key("k"));
  EXPECT_EQ(std::get<TxnOperation::Delete>(operations[4].what).range, KeyRange::prefix("p/"));
  EXPECT_EQ(std::get<TxnOperation::Increment>(operations[5].what).by, -5);
  EXPECT_EQ(std::get<TxnOperation::Increment>(operations[6].what).by, 1);
  EXPECT_EQ(std::get<TxnOperation::SequentialPut>(operations[7].what).prefix, "q/");
  EXPECT_EQ(parsed->txn.else_operations().size(), 1u);
}

TEST(TxnText, QuotedKeyword_IsAnOrdinaryWord) {
  const Result<TxnText> parsed = parse_txn("then\nput \"then\" \"#\"\n");
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(std::get<TxnOperation::Put>(parsed->txn.then_operations()[0].what).key, "then");
}

TEST(TxnText, WhatIsWrong_IsToldWithItsLine) {
  using ::testing::HasSubstr;
  EXPECT_THAT(error_of(""), HasSubstr("no transaction"));
  EXPECT_THAT(error_of("put k v\n"), HasSubstr("line 1: the first line"));
  EXPECT_THAT(error_of("then\nput k\n"), HasSubstr("line 2: it should read: put KEY VALUE"));
  EXPECT_THAT(error_of("then\nfly k\n"), HasSubstr("'fly' is no operation"));
  EXPECT_THAT(error_of("if\nvalue k ~ x\n"), HasSubstr("'~' is not one of"));
  EXPECT_THAT(error_of("if\nversion k = x\n"), HasSubstr("'x' is not a number"));
  EXPECT_THAT(error_of("if\nversion k = -1\n"), HasSubstr("not a number"));
  EXPECT_THAT(error_of("then\nput k \"v\n"), HasSubstr("a quote is not closed"));
  EXPECT_THAT(error_of("then\nput k v\"w\n"), HasSubstr("a quote can only begin a word"));
  EXPECT_THAT(error_of("then\nput k \"\\q\"\n"), HasSubstr("is no escape"));
  EXPECT_THAT(error_of("else\nthen\n"), HasSubstr("in that order"));
  EXPECT_THAT(error_of("if\nif\n"), HasSubstr("in that order"));
}

}  // namespace
}  // namespace coord::ctl
