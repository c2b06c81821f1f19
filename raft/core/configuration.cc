#include "raft/core/configuration.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <string_view>

#include "raft/base/check.h"
#include "raft/base/limits.h"

namespace coord::raft {

namespace {

// version, number of voters, of outgoing, of learners, of addresses: 4 bytes each
// voters, outgoing, learners:                                      8 bytes each
// addresses: member (8 bytes), length (4 bytes), text
// zeroes up to a multiple of 8
constexpr std::uint32_t kVersion = 1;

bool has(const std::vector<MemberId>& ids, MemberId id) {
  return std::binary_search(ids.begin(), ids.end(), id);
}

// Sorted, without duplicates, and without nobody.
bool is_set(const std::vector<MemberId>& ids) {
  return std::adjacent_find(ids.begin(), ids.end(), std::greater_equal<>()) == ids.end() &&
         (ids.empty() || !ids.front().is_zero());
}

template <class Number>
void put(std::vector<std::byte>& out, Number number) {
  for (std::size_t i = 0; i < sizeof(Number); ++i) {
    out.push_back(static_cast<std::byte>(number >> (8 * i)));
  }
}

class Reader {
 public:
  explicit Reader(std::span<const std::byte> bytes) : left_(bytes) {}

  template <class Number>
  Number number() {
    Number value = 0;
    const std::span<const std::byte> bytes = take(sizeof(Number));
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      value |= static_cast<Number>(std::to_integer<Number>(bytes[i]) << (8 * i));
    }
    return value;
  }
  std::span<const std::byte> take(std::size_t size) {
    if (size > left_.size()) {
      failed_ = true;
      left_ = {};
      return {};
    }
    const auto taken = left_.first(size);
    left_ = left_.subspan(size);
    return taken;
  }
  std::vector<MemberId> ids(std::uint32_t count) {
    std::vector<MemberId> ids;
    for (std::uint32_t i = 0; i < count && !failed_; ++i) {
      ids.emplace_back(number<std::uint64_t>());
    }
    return ids;
  }
  bool failed() const { return failed_; }
  std::span<const std::byte> left() const { return left_; }

 private:
  std::span<const std::byte> left_;
  bool failed_ = false;
};

}  // namespace

bool Configuration::is_voter(MemberId id) const {
  return has(voters, id) || has(outgoing, id);
}

bool Configuration::contains(MemberId id) const {
  return is_voter(id) || has(learners, id);
}

std::vector<MemberId> Configuration::members() const {
  std::vector<MemberId> all;
  all.reserve(voters.size() + outgoing.size() + learners.size());
  all.insert(all.end(), voters.begin(), voters.end());
  all.insert(all.end(), outgoing.begin(), outgoing.end());
  all.insert(all.end(), learners.begin(), learners.end());
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}

bool is_sound(const Configuration& configuration) {
  if (configuration.voters.empty()) return configuration == Configuration{};
  if (configuration.voters.size() > limits::kVotersMax ||
      configuration.outgoing.size() > limits::kVotersMax ||
      configuration.learners.size() > limits::kLearnersMax) {
    return false;
  }
  const auto& [voters, outgoing, learners, addresses] = configuration;
  return is_set(voters) && is_set(outgoing) && is_set(learners) &&
         std::none_of(learners.begin(), learners.end(),
                      [&](MemberId id) { return has(configuration.voters, id); }) &&
         std::all_of(addresses.begin(), addresses.end(), [&](const auto& entry) {
           return configuration.contains(entry.first) &&
                  entry.second.size() <= limits::kAddressBytesMax;
         });
}

Bytes encode(const Configuration& configuration) {
  CHECK(is_sound(configuration));
  std::vector<std::byte> out;
  put(out, kVersion);
  for (const auto* ids :
       {&configuration.voters, &configuration.outgoing, &configuration.learners}) {
    put(out, static_cast<std::uint32_t>(ids->size()));
  }
  put(out, static_cast<std::uint32_t>(configuration.addresses.size()));
  for (const auto* ids :
       {&configuration.voters, &configuration.outgoing, &configuration.learners}) {
    for (const MemberId id : *ids) put(out, id.value());
  }
  for (const auto& [id, address] : configuration.addresses) {
    put(out, id.value());
    put(out, static_cast<std::uint32_t>(address.size()));
    const auto bytes = std::as_bytes(std::span(address));
    out.insert(out.end(), bytes.begin(), bytes.end());
  }
  out.resize((out.size() + 7) / 8 * 8);
  return Bytes::copy_of(out);
}

std::optional<Configuration> decode_configuration(std::span<const std::byte> bytes) {
  Reader in(bytes);
  if (in.number<std::uint32_t>() != kVersion) return std::nullopt;
  const auto voters = in.number<std::uint32_t>();
  const auto outgoing = in.number<std::uint32_t>();
  const auto learners = in.number<std::uint32_t>();
  const auto addresses = in.number<std::uint32_t>();
  Configuration configuration;
  configuration.voters = in.ids(voters);
  configuration.outgoing = in.ids(outgoing);
  configuration.learners = in.ids(learners);
  for (std::uint32_t i = 0; i < addresses && !in.failed(); ++i) {
    const MemberId id(in.number<std::uint64_t>());
    const auto text = in.take(in.number<std::uint32_t>());
    configuration.addresses.emplace(
        id, std::string(reinterpret_cast<const char*>(text.data()), text.size()));
  }
  // One way to write it: what is read and written again is the same.
  if (in.failed() || !is_sound(configuration) ||
      !std::ranges::equal(encode(configuration).span(), bytes)) {
    return std::nullopt;
  }
  return configuration;
}

}  // namespace coord::raft
