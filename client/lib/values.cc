#include "coord/values.h"

#include <charconv>

namespace coord {
namespace {

bool is_endpoint(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return false;
  const std::string_view host = text.substr(0, colon);
  const bool bracketed = host.starts_with('[') && host.ends_with(']');
  if (host.find_first_of(" /\t") != std::string_view::npos) return false;
  if (!bracketed && host.find(':') != std::string_view::npos) return false;
  const std::string_view port = text.substr(colon + 1);
  std::uint16_t number = 0;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  return error == std::errc() && end == port.data() + port.size() && number != 0;
}

}  // namespace

std::string_view to_string(Replication replication) {
  switch (replication) {
    case Replication::kProbe:
      return "probe";
    case Replication::kReplicate:
      return "replicate";
    case Replication::kSnapshot:
      return "snapshot";
  }
  return "probe";
}

std::string_view to_string(MemberRole role) {
  switch (role) {
    case MemberRole::kFollower:
      return "follower";
    case MemberRole::kPreCandidate:
      return "precandidate";
    case MemberRole::kCandidate:
      return "candidate";
    case MemberRole::kLeader:
      return "leader";
    case MemberRole::kLearner:
      return "learner";
  }
  return "follower";
}

Result<std::vector<std::string>> parse_endpoints(std::string_view list) {
  std::vector<std::string> endpoints;
  while (!list.empty()) {
    const std::size_t comma = std::min(list.find(','), list.size());
    std::string_view one = list.substr(0, comma);
    list.remove_prefix(std::min(comma + 1, list.size()));
    const std::size_t first = one.find_first_not_of(' ');
    if (first == std::string_view::npos) continue;
    one = one.substr(first, one.find_last_not_of(' ') - first + 1);
    if (!is_endpoint(one)) {
      return make_error(ErrorCode::kInvalidArgument, "{} is not HOST:PORT", one);
    }
    endpoints.emplace_back(one);
  }
  if (endpoints.empty()) return make_error(ErrorCode::kInvalidArgument, "no endpoint is given");
  return endpoints;
}

}  // namespace coord
