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

std::string to_text(const std::map<MemberId, Incarnation>& known) {
  std::string text = fmt::format("{}\n", kFirstLine);
  for (const auto& [member, incarnation] : known) {
    text += fmt::format("{:016x} {:016x}\n", member.value(), incarnation.value());
  }
  return with_checksum(text);
}

Result<std::map<MemberId, Incarnation>> parse_incarnations(const std::string& text) {
  const auto bare = without_checksum(text);
  if (!bare) return bare.error();
  std::istringstream in(*bare);
  std::string first;
  if (!std::getline(in, first) || first != kFirstLine) {
    return make_error(ErrorCode::kUnsupported, "it has a format that this coordd does not know");
  }
  std::map<MemberId, Incarnation> known;
  std::uint64_t member = 0;
  std::uint64_t incarnation = 0;
  while (in >> std::hex >> member >> incarnation) {
    known.emplace(MemberId(member), Incarnation(incarnation));
  }
  return known;
}

Result<Incarnations> Incarnations::open(std::filesystem::path file) {
  Incarnations incarnations(std::move(file));
  const auto text = read_file(incarnations.file_);
  if (!text) return text.error();
  if (*text) {
    auto known = parse_incarnations(**text);
    if (!known) {
      return make_error(known.error().code, "{}: {}", incarnations.file_.string(),
                        known.error().message);
    }
    incarnations.known_ = std::move(*known);
  }
  return incarnations;
}

Status Incarnations::meet(MemberId member, Incarnation incarnation) {
  if (const auto known = known_.find(member); known != known_.end()) {
    if (known->second == incarnation) return {};
    return make_error(ErrorCode::kWrongIncarnation,
                      "member {} comes with a new disk under its old identity; remove it from "
                      "the cluster and add it again",
                      member);
  }
  if (configuration_.contains(member)) return remember(member, incarnation);
  // What a stranger says binds nobody: nothing of it counts until it is a member.
  if (strangers_.size() >= kStrangersMax) strangers_.erase(strangers_.begin());
  strangers_[member] = incarnation;
  return {};
}

Status Incarnations::members_are(const raft::Configuration& configuration) {
  configuration_ = configuration;
  for (const MemberId member : configuration.members()) {
    const auto stranger = strangers_.extract(member);
    if (stranger.empty() || known_.contains(member)) continue;
    if (Status status = remember(member, stranger.mapped()); !status.ok()) return status;
  }
  return {};
}

Status Incarnations::remember(MemberId member, Incarnation incarnation) {
  auto known = known_;
  known.emplace(member, incarnation);
  if (Status status = replace_file(file_, to_text(known)); !status.ok()) return status;
  known_ = std::move(known);
  return {};
}

}  // namespace coord::service
