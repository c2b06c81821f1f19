#include "service/server/incarnations.h"

#include <fmt/format.h>

#include <sstream>
#include <utility>

#include "service/server/durable_file.h"

namespace coord::service {

namespace {

constexpr const char* kFirstLine = "coord-met 1";
constexpr std::size_t kStrangersMax = 64;

}  // namespace

std::string to_text(const Incarnations::Known& known) {
  std::string text = fmt::format("{}\n", kFirstLine);
  for (const auto& [member, incarnation] : known) {
    text += fmt::format("{:016x} {:016x}\n", member.value(), incarnation.value());
  }
  return with_checksum(text);
}

Result<Incarnations::Known> parse_incarnations(const std::string& text) {
  const auto bare = without_checksum(text);
  if (!bare) return bare.error();
  std::istringstream in(*bare);
  std::string first;
  if (!std::getline(in, first) || first != kFirstLine) {
    return make_error(ErrorCode::kUnsupported, "it has a format that this coordd does not know");
  }
  Incarnations::Known known;
  std::uint64_t member = 0;
  std::uint64_t incarnation = 0;
  while (in >> std::hex >> member >> incarnation) {
    known.emplace(MemberId(member), Incarnation(incarnation));
  }
  return known;
}

Result<Incarnations::Known> Incarnations::read(const std::filesystem::path& file) {
  const auto text = read_file(file);
  if (!text) return text.error();
  if (!*text) return Known();
  auto known = parse_incarnations(**text);
  if (!known) {
    return make_error(known.error().code, "{}: {}", file.string(), known.error().message);
  }
  return known;
}

Incarnations::Incarnations(std::filesystem::path file, const Known& known, Worker& disk,
                           std::function<void(const Error&)> failed)
    : file_(std::move(file)), disk_(disk), failed_(std::move(failed)) {
  for (const auto& [member, incarnation] : known) known_.emplace(member, Met{incarnation});
}

rpc::Task<Status> Incarnations::meet(MemberId member, Incarnation incarnation) {
  std::uint64_t note = 0;
  if (const auto known = known_.find(member); known != known_.end()) {
    if (known->second.incarnation != incarnation) {
      co_return make_error(ErrorCode::kWrongIncarnation,
                           "member {} comes with a new disk under its old identity; remove it "
                           "from the cluster and add it again",
                           member);
    }
    note = known->second.note;
  } else if (configuration_.contains(member)) {
    note = note_down(member, incarnation);
  } else {
    // What a stranger says binds nobody: nothing of it counts until it is a member.
    const bool full = strangers_.size() >= kStrangersMax && !strangers_.contains(member);
    if (full) strangers_.erase(strangers_.begin());
    strangers_[member] = incarnation;
  }
  if (note <= notes_written_) co_return Status::success();
  co_return co_await written(note);
}

void Incarnations::members_are(const raft::Configuration& configuration) {
  configuration_ = configuration;
  for (const MemberId member : configuration.members()) {
    const auto stranger = strangers_.extract(member);
    if (!stranger.empty() && !known_.contains(member)) note_down(member, stranger.mapped());
  }
  if (notes_ > notes_written_ && !writing_) write();
}

bool Incarnations::hears(MemberId member) const {
  if (!configuration_.contains(member)) return true;
  const auto known = known_.find(member);
  return known != known_.end() && known->second.note <= notes_written_;
}

std::uint64_t Incarnations::note_down(MemberId member, Incarnation incarnation) {
  known_.emplace(member, Met{incarnation, ++notes_});
  return notes_;
}

kj::Promise<Status> Incarnations::written(std::uint64_t note) {
  auto waiter = kj::newPromiseAndFulfiller<Status>();
  waiting_.emplace_back(note, kj::mv(waiter.fulfiller));
  if (!writing_) write();
  return kj::mv(waiter.promise);
}

// All of them, also those that are noted while it is being written: they come next.
void Incarnations::write() {
  writing_ = true;
  Known known;
  for (const auto& [member, met] : known_) known.emplace(member, met.incarnation);
  disk_.run([file = file_, text = to_text(known)] { return replace_file(file, text); },
            [this, notes = notes_](const Status& status) { wrote(notes, status); });
}

void Incarnations::wrote(std::uint64_t notes, const Status& status) {
  writing_ = false;
  if (status.ok()) notes_written_ = notes;
  std::erase_if(waiting_, [&](auto& waiting) {
    if (waiting.first > notes) return false;
    waiting.second->fulfill(Status(status));
    return true;
  });
  if (!status.ok()) return failed_(status.error());
  if (notes_ > notes_written_) write();
}

}  // namespace coord::service
