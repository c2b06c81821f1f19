#include "client/coordctl/txn_text.h"

#include <fmt/format.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "client/coordctl/escape.h"
#include "client/coordctl/number.h"

namespace coord::ctl {

const char* const kTxnHelp =
    "The transaction is read from standard input, one condition or operation a line:\n"
    "\n"
    "  if                            then and else:\n"
    "    value KEY OP VALUE            put KEY VALUE [lease ID]\n"
    "    version KEY OP N              get KEY\n"
    "    create KEY OP REVISION        range PREFIX [limit N]\n"
    "    mod KEY OP REVISION           del KEY\n"
    "    lease KEY OP ID               del-prefix PREFIX\n"
    "    exists KEY                    increment KEY [BY]\n"
    "    absent KEY                    sequential PREFIX VALUE [lease ID]\n"
    "    count PREFIX OP N\n"
    "\n"
    "OP is one of = != < <= > >=. Blanks part words; a word with blanks goes in double quotes,\n"
    "where \\n \\t \\r \\\\ \\\" \\xHH are understood. A word that starts with # begins a "
    "comment.\n"
    "Each block may be left out. All operations of the chosen block are done, or none.\n"
    "\n"
    "  coordctl txn <<END\n"
    "  if\n"
    "    value config = \"old text\"\n"
    "    absent maintenance\n"
    "  then\n"
    "    put config \"new text\"\n"
    "    increment config-changes\n"
    "  else\n"
    "    get config\n"
    "  END\n"
    "\n"
    "Exit code 4 says that the conditions did not hold, whether or not there is an else block.";

namespace {

struct Word {
  std::string text;
  bool quoted = false;

  bool is(std::string_view keyword) const { return !quoted && text == keyword; }
};
using Words = std::vector<Word>;

Error wrong(std::string message) {
  Error error;
  error.code = ErrorCode::kInvalidArgument;
  error.message = std::move(message);
  return error;
}

constexpr bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\r';
}

// The end of a quoted word that starts at `begin`: the position of its closing quote.
std::optional<std::size_t> closing_quote(std::string_view line, std::size_t begin) {
  for (std::size_t i = begin + 1; i < line.size(); ++i) {
    if (line[i] == '\\') {
      ++i;
    } else if (line[i] == '"') {
      return i;
    }
  }
  return std::nullopt;
}

Result<Words> split(std::string_view line) {
  Words words;
  for (std::size_t i = 0; i < line.size();) {
    if (is_blank(line[i])) {
      ++i;
      continue;
    }
    if (line[i] == '#') break;
    if (line[i] == '"') {
      const std::optional<std::size_t> end = closing_quote(line, i);
      if (!end) return wrong("a quote is not closed");
      Result<std::string> text = unescape(line.substr(i + 1, *end - i - 1));
      if (!text) return text.error();
      words.push_back({std::move(*text), true});
      i = *end + 1;
      if (i < line.size() && !is_blank(line[i])) return wrong("a blank must follow a quoted word");
      continue;
    }
    const std::size_t begin = i;
    while (i < line.size() && !is_blank(line[i])) ++i;
    words.push_back({std::string(line.substr(begin, i - begin)), false});
    if (words.back().text.find('"') != std::string::npos) {
      return wrong(fmt::format("'{}': a quote can only begin a word", words.back().text));
    }
  }
  return words;
}

template <class Number>
Result<Number> number_in(const Word& word) {
  if (const auto number = parse_number<Number>(word.text)) return *number;
  return wrong(fmt::format("'{}' is not a number", word.text));
}

Result<Compare::Operator> parse_operator(const Word& word) {
  using Op = Compare::Operator;
  static constexpr std::array<std::pair<std::string_view, Op>, 6> kOperators = {{
      {"=", Op::kEqual},
      {"!=", Op::kNotEqual},
      {"<", Op::kLess},
      {"<=", Op::kLessOrEqual},
      {">", Op::kGreater},
      {">=", Op::kGreaterOrEqual},
  }};
  for (const auto& [name, op] : kOperators) {
    if (word.is(name)) return op;
  }
  return wrong(fmt::format("'{}' is not one of = != < <= > >=", word.text));
}

Status expect_words(const Words& words, std::size_t count, std::string_view form) {
  if (words.size() == count) return {};
  return wrong(fmt::format("it should read: {}", form));
}

Result<Compare> parse_condition(const Words& words) {
  const Word& subject = words[0];
  if (subject.is("exists") || subject.is("absent")) {
    if (Status status = expect_words(words, 2, subject.text + " KEY"); !status) {
      return status.error();
    }
    return subject.is("exists") ? txn::exists(words[1].text) : txn::absent(words[1].text);
  }
  static constexpr std::array<std::string_view, 6> kSubjects = {"value", "version", "create",
                                                                "mod",   "lease",   "count"};
  bool known = false;
  for (const std::string_view name : kSubjects) known = known || subject.is(name);
  if (!known) return wrong(fmt::format("'{}' is no condition", subject.text));
  if (Status status = expect_words(words, 4, subject.text + " KEY OP OPERAND"); !status) {
    return status.error();
  }
  const Result<Compare::Operator> op = parse_operator(words[2]);
  if (!op) return op.error();
  const std::string& key = words[1].text;
  if (subject.is("value")) return Compare{key, *op, Compare::Value{words[3].text}};
  const Result<std::uint64_t> number = number_in<std::uint64_t>(words[3]);
  if (!number) return number.error();
  if (subject.is("version")) return Compare{key, *op, Compare::Version{*number}};
  if (subject.is("create")) return Compare{key, *op, Compare::CreateRevision{Revision(*number)}};
  if (subject.is("mod")) return Compare{key, *op, Compare::ModRevision{Revision(*number)}};
  if (subject.is("lease")) return Compare{key, *op, Compare::Lease{LeaseId(*number)}};
  return txn::count(KeyRange::prefix(key), *op, *number);
}

// The number after `keyword` at the end of a line that has `plain` words without the two.
Result<std::uint64_t> parse_suffix(const Words& words, std::size_t plain, std::string_view keyword,
                                   std::string_view form) {
  if (words.size() == plain) return std::uint64_t{0};
  if (words.size() != plain + 2 || !words[plain].is(keyword)) {
    return wrong(fmt::format("it should read: {}", form));
  }
  return number_in<std::uint64_t>(words[plain + 1]);
}

Result<TxnOperation> parse_put(const Words& words) {
  const Result<std::uint64_t> lease = parse_suffix(words, 3, "lease", "put KEY VALUE [lease ID]");
  if (!lease) return lease.error();
  return txn::put(words[1].text, words[2].text, {.lease = LeaseId(*lease)});
}

Result<TxnOperation> parse_sequential(const Words& words) {
  const Result<std::uint64_t> lease =
      parse_suffix(words, 3, "lease", "sequential PREFIX VALUE [lease ID]");
  if (!lease) return lease.error();
  return txn::sequential_put(words[1].text, words[2].text, LeaseId(*lease));
}

Result<TxnOperation> parse_range(const Words& words) {
  const Result<std::uint64_t> limit = parse_suffix(words, 2, "limit", "range PREFIX [limit N]");
  if (!limit) return limit.error();
  return txn::range(KeyRange::prefix(words[1].text), {.limit = *limit});
}

Result<TxnOperation> parse_increment(const Words& words) {
  if (words.size() != 2 && words.size() != 3) return wrong("it should read: increment KEY [BY]");
  if (words.size() == 2) return txn::increment(words[1].text);
  const Result<std::int64_t> by = number_in<std::int64_t>(words[2]);
  if (!by) return by.error();
  return txn::increment(words[1].text, *by);
}

Result<TxnOperation> parse_with_key(const Words& words) {
  const Word& name = words[0];
  if (Status status =
          expect_words(words, 2, name.text + (name.is("del-prefix") ? " PREFIX" : " KEY"));
      !status) {
    return status.error();
  }
  if (name.is("get")) return txn::get(words[1].text);
  if (name.is("del")) return txn::del(words[1].text);
  return txn::del_range(KeyRange::prefix(words[1].text));
}

Result<TxnOperation> parse_operation(const Words& words) {
  const Word& name = words[0];
  if (name.is("put")) return parse_put(words);
  if (name.is("sequential")) return parse_sequential(words);
  if (name.is("range")) return parse_range(words);
  if (name.is("increment")) return parse_increment(words);
  if (name.is("get") || name.is("del") || name.is("del-prefix")) return parse_with_key(words);
  return wrong(fmt::format("'{}' is no operation", name.text));
}

std::string_view trimmed(std::string_view line) {
  while (!line.empty() && is_blank(line.front())) line.remove_prefix(1);
  while (!line.empty() && is_blank(line.back())) line.remove_suffix(1);
  return line;
}

// Reads line after line; `block_` says what the next one has to be.
class TxnParser {
 public:
  Status take_line(std::string_view line) {
    const Result<Words> words = split(line);
    if (!words) return words.error();
    if (words->empty()) return {};
    if (words->size() == 1) {
      if (const std::optional<Block> heading = heading_of(words->front())) return enter(*heading);
    }
    if (block_ == Block::kNone) return wrong("the first line has to be 'if' or 'then'");
    if (block_ == Block::kIf) return take_condition(*words, line);
    Result<TxnOperation> operation = parse_operation(*words);
    if (!operation) return operation.error();
    if (block_ == Block::kThen) {
      text_.txn.then(std::move(*operation));
    } else {
      text_.txn.otherwise(std::move(*operation));
    }
    return {};
  }

  Result<TxnText> finish() && {
    if (block_ == Block::kNone) return wrong("there is no transaction on standard input");
    return std::move(text_);
  }

 private:
  enum class Block { kNone, kIf, kThen, kElse };

  static std::optional<Block> heading_of(const Word& word) {
    if (word.is("if")) return Block::kIf;
    if (word.is("then")) return Block::kThen;
    if (word.is("else")) return Block::kElse;
    return std::nullopt;
  }

  Status enter(Block next) {
    if (next <= block_) return wrong("the blocks are if, then, else, in that order, once each");
    block_ = next;
    return {};
  }

  Status take_condition(const Words& words, std::string_view line) {
    Result<Compare> compare = parse_condition(words);
    if (!compare) return compare.error();
    text_.txn.when(std::move(*compare));
    text_.conditions.emplace_back(trimmed(line));
    return {};
  }

  Block block_ = Block::kNone;
  TxnText text_;
};

}  // namespace

Result<TxnText> parse_txn(std::string_view text) {
  TxnParser parser;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (Status status = parser.take_line(line); !status) {
      return wrong(fmt::format("line {}: {}", number, status.error().message));
    }
  }
  return std::move(parser).finish();
}

}  // namespace coord::ctl
