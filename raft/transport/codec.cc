#include "raft/transport/codec.h"

#include <cstring>
#include <optional>
#include <type_traits>
#include <utility>

namespace coord::raft {

namespace {

constexpr std::size_t kWord = 8;

std::size_t aligned(std::size_t bytes) {
  return (bytes + kWord - 1) / kWord * kWord;
}

capnp::Data::Reader to_data(const Bytes& bytes) {
  return {reinterpret_cast<const kj::byte*>(bytes.data()), bytes.size()};
}

// ---------------------------------------------------------------------------------------------
// Encoding: one overload for each body, so that a new one does not compile until it has its own.

void encode_log_id(const LogId& id, schema::LogId::Builder builder) {
  builder.setTerm(id.term.value());
  builder.setIndex(id.index.value());
}

void encode_body(const VoteRequest& body, schema::Message::Builder message) {
  auto builder = message.initVoteRequest();
  builder.setPreVote(body.pre_vote);
  builder.setTransfer(body.transfer);
  encode_log_id(body.last, builder.initLast());
}
void encode_body(const VoteReply& body, schema::Message::Builder message) {
  auto builder = message.initVoteReply();
  builder.setPreVote(body.pre_vote);
  builder.setGranted(body.granted);
}
void encode_body(const AppendRequest& body, schema::Message::Builder message) {
  auto builder = message.initAppendRequest();
  encode_log_id(body.previous, builder.initPrevious());
  builder.setCommit(body.commit.value());
  builder.setRound(body.round.value());
  auto entries = builder.initEntries(static_cast<unsigned>(body.entries.size()));
  Index expected = body.previous.index;
  unsigned i = 0;
  for (const Entry& entry : body.entries) {
    // The wire does not carry indexes: they follow from `previous`.
    CHECK_EQ(entry.id.index, ++expected);
    auto target = entries[i++];
    target.setTerm(entry.id.term.value());
    target.setType(static_cast<std::uint8_t>(entry.type));
    target.setPayload(to_data(entry.payload));
  }
}
void encode_body(const AppendReply& body, schema::Message::Builder message) {
  auto builder = message.initAppendReply();
  builder.setAccepted(body.accepted);
  builder.setMatch(body.match.value());
  builder.setRejected(body.rejected.value());
  encode_log_id(body.hint, builder.initHint());
  builder.setRound(body.round.value());
}
void encode_body(const Heartbeat& body, schema::Message::Builder message) {
  auto builder = message.initHeartbeat();
  builder.setCommit(body.commit.value());
  builder.setRound(body.round.value());
  builder.setHeldByAll(body.held_by_all.value());
}
void encode_body(const HeartbeatReply& body, schema::Message::Builder message) {
  message.setHeartbeatReply(body.round.value());
}
void encode_body(const TimeoutNow&, schema::Message::Builder message) {
  message.setTimeoutNow();
}
void encode_body(const ReadIndexRequest& body, schema::Message::Builder message) {
  message.setReadIndexRequest(body.id.value());
}
void encode_body(const ReadIndexReply& body, schema::Message::Builder message) {
  auto builder = message.initReadIndexReply();
  builder.setId(body.id.value());
  builder.setGranted(body.granted);
  builder.setIndex(body.index.value());
}
void encode_body(const SnapshotChunk& body, schema::Message::Builder message) {
  auto builder = message.initSnapshotChunk();
  encode_log_id(body.last, builder.initLast());
  builder.setSize(body.size);
  builder.setChecksum(body.checksum);
  builder.setOffset(body.offset);
  builder.setData(to_data(body.data));
}
void encode_body(const SnapshotReply& body, schema::Message::Builder message) {
  auto builder = message.initSnapshotReply();
  encode_log_id(body.last, builder.initLast());
  builder.setReceived(body.received);
}

// ---------------------------------------------------------------------------------------------
// Decoding

using Body = decltype(Message::body);

Error invalid(const char* what) {
  return make_error(ErrorCode::kInvalidArgument, "a peer's message is invalid: {}", what);
}

bool sound(std::uint64_t number) {
  return number < kNumberEnd;
}
bool sound(schema::LogId::Reader id) {
  // The position before the first entry has no term, every other has one.
  return sound(id.getTerm()) && sound(id.getIndex()) && (id.getTerm() == 0) == (id.getIndex() == 0);
}

LogId decode_log_id(schema::LogId::Reader reader) {
  return {.term = Term(reader.getTerm()), .index = Index(reader.getIndex())};
}

Result<Body> decode_vote_request(schema::VoteRequest::Reader reader) {
  if (!sound(reader.getLast())) return invalid("the candidate's last entry");
  return Body(VoteRequest{.pre_vote = reader.getPreVote(),
                          .transfer = reader.getTransfer(),
                          .last = decode_log_id(reader.getLast())});
}

// The entries' shape; no payload is copied before all of it has been found sound. Gives the bytes
// that the payloads take, each aligned.
Result<std::size_t> check_entries(schema::AppendRequest::Reader reader, std::uint64_t term,
                                  std::size_t entry_bytes_max) {
  std::uint64_t last_term = reader.getPrevious().getTerm();
  std::size_t bytes = 0;
  for (const auto entry : reader.getEntries()) {
    if (entry.getTerm() == 0 || entry.getTerm() < last_term) return invalid("terms that go back");
    last_term = entry.getTerm();
    if (entry.getType() > static_cast<std::uint8_t>(EntryType::kConfiguration)) {
      return invalid("an unknown type of entry");
    }
    if (entry.getPayload().size() > entry_bytes_max) return invalid("an entry that is too large");
    bytes += aligned(entry.getPayload().size());
  }
  if (last_term > term) return invalid("an entry of a later term than its leader's");
  return bytes;
}

std::vector<Entry> copy_entries(schema::AppendRequest::Reader reader, std::size_t bytes) {
  std::vector<Entry> entries;
  entries.reserve(reader.getEntries().size());
  const Bytes block = Bytes::make(bytes, [&](std::span<std::byte> target) {
    std::size_t at = 0;
    for (const auto entry : reader.getEntries()) {
      const auto payload = entry.getPayload();
      if (payload.size() > 0) std::memcpy(&target[at], payload.begin(), payload.size());
      // Padding belongs to no slice, but the block is bytes that somebody may compare or write.
      for (std::size_t i = payload.size(); i < aligned(payload.size()); ++i) target[at + i] = {};
      at += aligned(payload.size());
    }
  });
  Index index(reader.getPrevious().getIndex());
  std::size_t at = 0;
  for (const auto entry : reader.getEntries()) {
    const std::size_t size = entry.getPayload().size();
    entries.push_back({.id = {.term = Term(entry.getTerm()), .index = ++index},
                       .type = static_cast<EntryType>(entry.getType()),
                       .payload = size == 0 ? Bytes() : block.slice(at, size)});
    at += aligned(size);
  }
  return entries;
}

Result<Body> decode_append_request(schema::AppendRequest::Reader reader, std::uint64_t term,
                                   std::size_t entry_bytes_max) {
  if (!sound(reader.getPrevious())) return invalid("the entry before");
  if (!sound(reader.getCommit()) || !sound(reader.getRound())) return invalid("commit or round");
  if (!sound(reader.getPrevious().getIndex() + reader.getEntries().size())) {
    return invalid("an index out of range");
  }
  auto bytes = check_entries(reader, term, entry_bytes_max);
  if (!bytes.ok()) return std::move(bytes).error();
  return Body(AppendRequest{.previous = decode_log_id(reader.getPrevious()),
                            .commit = Index(reader.getCommit()),
                            .round = Round(reader.getRound()),
                            .entries = copy_entries(reader, *bytes)});
}

Result<Body> decode_append_reply(schema::AppendReply::Reader reader) {
  if (!sound(reader.getMatch()) || !sound(reader.getRejected()) || !sound(reader.getHint()) ||
      !sound(reader.getRound())) {
    return invalid("a position out of range");
  }
  return Body(AppendReply{.accepted = reader.getAccepted(),
                          .match = Index(reader.getMatch()),
                          .rejected = Index(reader.getRejected()),
                          .hint = decode_log_id(reader.getHint()),
                          .round = Round(reader.getRound())});
}

Result<Body> decode_heartbeat(schema::Heartbeat::Reader reader) {
  if (!sound(reader.getCommit()) || !sound(reader.getRound()) || !sound(reader.getHeldByAll())) {
    return invalid("a position out of range");
  }
  return Body(Heartbeat{.commit = Index(reader.getCommit()),
                        .round = Round(reader.getRound()),
                        .held_by_all = Index(reader.getHeldByAll())});
}

Result<Body> decode_snapshot_chunk(schema::SnapshotChunk::Reader reader) {
  const auto data = reader.getData();
  if (!sound(reader.getLast()) || reader.getLast().getIndex() == 0) return invalid("a snapshot");
  if (data.size() > limits::kSnapshotChunkBytes || reader.getOffset() > reader.getSize() ||
      data.size() > reader.getSize() - reader.getOffset()) {
    return invalid("a piece of a snapshot");
  }
  return Body(
      SnapshotChunk{.last = decode_log_id(reader.getLast()),
                    .size = reader.getSize(),
                    .checksum = reader.getChecksum(),
                    .offset = reader.getOffset(),
                    .data = Bytes::copy_of(std::as_bytes(std::span(data.begin(), data.size())))});
}

Result<Body> decode_body(schema::Message::Reader reader, std::size_t entry_bytes_max) {
  switch (reader.which()) {
    case schema::Message::VOTE_REQUEST:
      return decode_vote_request(reader.getVoteRequest());
    case schema::Message::VOTE_REPLY:
      return Body(VoteReply{.pre_vote = reader.getVoteReply().getPreVote(),
                            .granted = reader.getVoteReply().getGranted()});
    case schema::Message::APPEND_REQUEST:
      return decode_append_request(reader.getAppendRequest(), reader.getTerm(), entry_bytes_max);
    case schema::Message::APPEND_REPLY:
      return decode_append_reply(reader.getAppendReply());
    case schema::Message::HEARTBEAT:
      return decode_heartbeat(reader.getHeartbeat());
    case schema::Message::HEARTBEAT_REPLY:
      if (!sound(reader.getHeartbeatReply())) return invalid("a round out of range");
      return Body(HeartbeatReply{.round = Round(reader.getHeartbeatReply())});
    case schema::Message::TIMEOUT_NOW:
      return Body(TimeoutNow{});
    case schema::Message::READ_INDEX_REQUEST:
      return Body(ReadIndexRequest{.id = ReadId(reader.getReadIndexRequest())});
    case schema::Message::READ_INDEX_REPLY:
      if (!sound(reader.getReadIndexReply().getIndex())) return invalid("an index out of range");
      return Body(ReadIndexReply{.id = ReadId(reader.getReadIndexReply().getId()),
                                 .granted = reader.getReadIndexReply().getGranted(),
                                 .index = Index(reader.getReadIndexReply().getIndex())});
    case schema::Message::SNAPSHOT_CHUNK:
      return decode_snapshot_chunk(reader.getSnapshotChunk());
    case schema::Message::SNAPSHOT_REPLY:
      if (!sound(reader.getSnapshotReply().getLast())) return invalid("a snapshot");
      return Body(SnapshotReply{.last = decode_log_id(reader.getSnapshotReply().getLast()),
                                .received = reader.getSnapshotReply().getReceived()});
  }
  return invalid("an unknown kind of message");
}

// Only a member that has never heard of an election has term 0, and it has nothing to say but
// answers, and to ask where it may read.
bool needs_term(const Body& body) {
  return std::visit(
      [](const auto& each) {
        using T = std::decay_t<decltype(each)>;
        return std::is_same_v<T, VoteRequest> || std::is_same_v<T, AppendRequest> ||
               std::is_same_v<T, Heartbeat> || std::is_same_v<T, TimeoutNow> ||
               std::is_same_v<T, SnapshotChunk>;
      },
      body);
}

}  // namespace

std::size_t encoded_bytes(const Message& message) {
  // Message, the largest body, its parts, and the pointers and tags between them.
  constexpr std::size_t kFixed = 24 * kWord;
  constexpr std::size_t kPerEntry = 3 * kWord;
  std::size_t bytes = kFixed;
  if (const auto* append = std::get_if<AppendRequest>(&message.body)) {
    for (const Entry& entry : append->entries) bytes += kPerEntry + aligned(entry.payload.size());
  } else if (const auto* chunk = std::get_if<SnapshotChunk>(&message.body)) {
    bytes += aligned(chunk->data.size());
  }
  return bytes;
}

void encode(const Message& message, schema::Message::Builder builder) {
  builder.setCluster(message.cluster.value());
  builder.setFrom(message.from.value());
  builder.setTo(message.to.value());
  builder.setTerm(message.term.value());
  std::visit([&](const auto& body) { encode_body(body, builder); }, message.body);
}

void encode(std::span<const Message> messages, capnp::List<schema::Message>::Builder builder) {
  for (unsigned i = 0; i < messages.size(); ++i) encode(messages[i], builder[i]);
}

Result<Message> decode(schema::Message::Reader reader, std::size_t entry_bytes_max) {
  if (reader.getFrom() == 0 || reader.getTo() == 0 || reader.getFrom() == reader.getTo()) {
    return invalid("from or to");
  }
  if (!sound(reader.getTerm())) return invalid("a term out of range");
  auto body = decode_body(reader, entry_bytes_max);
  if (!body.ok()) return std::move(body).error();
  if (reader.getTerm() == 0 && needs_term(*body)) return invalid("no term");
  return Message{.cluster = ClusterId(reader.getCluster()),
                 .from = MemberId(reader.getFrom()),
                 .to = MemberId(reader.getTo()),
                 .term = Term(reader.getTerm()),
                 .body = std::move(*body)};
}

}  // namespace coord::raft
