// Configurations as bytes, and as a sequence that grows and is truncated, beside naive twins.
#include "raft/core/configuration.h"

#include <algorithm>
#include <map>
#include <set>

#include "raft/base/limits.h"
#include "raft/core/configurations.h"
#include "tests/raft/core/property.h"

namespace coord::raft {
namespace {

std::vector<MemberId> any_members() {
  std::set<MemberId> members;
  for (const auto id :
       *rc::gen::container<std::vector<std::uint64_t>>(rc::gen::inRange<std::uint64_t>(1, 40))) {
    members.insert(MemberId(id));
  }
  return {members.begin(), members.end()};
}

Configuration any_sound_configuration() {
  Configuration configuration;
  configuration.voters = any_members();
  if (configuration.voters.empty()) return {};
  if (*rc::gen::inRange(0, 2) == 0) configuration.outgoing = any_members();
  for (const MemberId id : any_members()) {
    if (!configuration.is_voter(id) || std::ranges::count(configuration.outgoing, id) > 0) {
      if (std::ranges::count(configuration.voters, id) == 0) configuration.learners.push_back(id);
    }
  }
  for (const MemberId id : configuration.members()) {
    if (*rc::gen::inRange(0, 2) == 0) {
      configuration.addresses[id] = *rc::gen::string<std::string>();
    }
  }
  for (auto* ids : {&configuration.voters, &configuration.outgoing, &configuration.learners}) {
    if (ids->size() > limits::kVotersMax) ids->resize(limits::kVotersMax);
  }
  std::erase_if(configuration.addresses,
                [&](const auto& entry) { return !configuration.contains(entry.first); });
  return configuration;
}

COORD_PROPERTY(Configuration, IsReadBackAsItWasWritten, kCases) {
  const Configuration configuration = any_sound_configuration();
  RC_ASSERT(is_sound(configuration));
  const Bytes bytes = encode(configuration);
  RC_ASSERT(bytes.size() % 8 == 0u);
  RC_ASSERT(decode_configuration(bytes.span()) == configuration);
}

COORD_PROPERTY(Configuration, NoBytes_TripACheck, 10 * kCases) {
  const auto bytes = *rc::gen::arbitrary<std::vector<std::uint8_t>>();
  const auto decoded = decode_configuration(std::as_bytes(std::span(bytes)));
  if (decoded) RC_ASSERT(is_sound(*decoded));
}

COORD_PROPERTY(Configuration, DamagedBytes_AreRefused_OrAnotherSoundConfigurationWrittenAsItWouldBe,
               10 * kCases) {
  const Bytes written = encode(any_sound_configuration());
  std::vector<std::byte> bytes(written.span().begin(), written.span().end());
  const int damages = *rc::gen::inRange(1, 4);
  for (int i = 0; i < damages; ++i) {
    const auto at = *rc::gen::inRange<std::size_t>(0, bytes.size());
    switch (*rc::gen::inRange(0, 3)) {
      case 0:
        bytes[at] = static_cast<std::byte>(*rc::gen::element(0, 1, 2, 128, 255));
        break;
      case 1:
        bytes.resize(at + 1);
        break;
      case 2:
        bytes.insert(bytes.end(), at % 9, std::byte{});
        break;
    }
  }
  if (const auto decoded = decode_configuration(bytes)) {
    RC_ASSERT(is_sound(*decoded));
    RC_ASSERT(std::ranges::equal(encode(*decoded).span(), bytes));
  }
}

TEST(Configuration, BytesBehindItsEndOrAddressesOutOfOrder_AreRefused) {
  Configuration configuration;
  configuration.voters = {MemberId(1), MemberId(2)};
  configuration.addresses = {{MemberId(1), "a:1"}, {MemberId(2), "b:22"}};
  const Bytes written = encode(configuration);
  std::vector<std::byte> bytes(written.span().begin(), written.span().end());
  ASSERT_TRUE(decode_configuration(bytes));
  std::vector<std::byte> padded = bytes;
  padded.back() = std::byte{1};
  EXPECT_FALSE(decode_configuration(padded));
  // version and four counts, two voters; then a member, a length of 3 or 4, and a text.
  const auto first = bytes.begin() + 20 + 16;
  std::rotate(first, first + 15, first + 31);
  EXPECT_FALSE(decode_configuration(bytes)) << "there is one way to write it";
}

TEST(Configuration, BoundsOfWhatIsSound) {
  Configuration configuration;
  EXPECT_TRUE(is_sound(configuration)) << "of a member that was told nothing";
  configuration.learners = {MemberId(1)};
  EXPECT_FALSE(is_sound(configuration)) << "nobody decides";
  configuration = {};
  for (std::uint64_t i = 1; i <= limits::kVotersMax; ++i) configuration.voters.emplace_back(i);
  EXPECT_TRUE(is_sound(configuration));
  configuration.voters.emplace_back(limits::kVotersMax + 1);
  EXPECT_FALSE(is_sound(configuration));
  configuration.voters = {MemberId(1)};
  configuration.addresses[MemberId(1)] = std::string(limits::kAddressBytesMax, 'x');
  EXPECT_TRUE(is_sound(configuration));
  configuration.addresses[MemberId(1)] += 'x';
  EXPECT_FALSE(is_sound(configuration));
}

// --- The configurations in the log beside a map of all of them -----------------------------------

Configuration of(std::uint64_t number) {
  Configuration configuration;
  configuration.voters = {MemberId(number + 1)};
  return configuration;
}

COORD_PROPERTY(ConfigurationsTwin, NewestIsInForce_AndTheOneBeforeItComesBack, kCases) {
  Configurations configurations(Index(0), of(0));
  std::map<Index, Configuration> all{{Index(0), of(0)}};
  Index last;
  Index committed;
  std::uint64_t number = 0;
  const int steps = *rc::gen::inRange(1, 80);
  for (int i = 0; i < steps; ++i) {
    switch (*rc::gen::inRange(0, 6)) {
      case 0:
      case 1:
        last = last + *rc::gen::inRange<std::uint64_t>(1, 4);
        configurations.append(last, of(++number));
        all[last] = of(number);
        break;
      case 2:
        last = last + *rc::gen::inRange<std::uint64_t>(1, 4);
        break;
      case 3:
        if (last > committed) {
          const Index from(
              *rc::gen::inRange<std::uint64_t>(committed.value() + 1, last.value() + 1));
          const bool any = all.lower_bound(from) != all.end();
          RC_ASSERT(configurations.truncate_from(from) == any);
          all.erase(all.lower_bound(from), all.end());
          last = from.prev();
        }
        break;
      case 4:
        committed = Index(*rc::gen::inRange<std::uint64_t>(committed.value(), last.value() + 1));
        if (*rc::gen::inRange(0, 2) == 0) configurations.forget_before(committed);
        break;
      case 5: {
        // A snapshot: of something in the log, or beyond it.
        const bool keeps = *rc::gen::inRange(0, 2) == 0 && last > committed;
        const Index index =
            keeps ? Index(*rc::gen::inRange<std::uint64_t>(committed.value() + 1, last.value() + 1))
                  : last.next();
        const Configuration then = keeps ? std::prev(all.upper_bound(index))->second : of(++number);
        configurations.rebase(index, then, keeps);
        std::erase_if(all, [&](const auto& entry) { return entry.first <= index; });
        if (!keeps) all.clear();
        all[index] = then;
        committed = index;
        last = std::max(last, index);
        break;
      }
    }
    RC_ASSERT(configurations.latest() == all.rbegin()->second);
    RC_ASSERT(configurations.latest_index() == all.rbegin()->first);
    const Index probe(*rc::gen::inRange<std::uint64_t>(committed.value(), last.value() + 2));
    const auto as_of = all.upper_bound(probe);
    if (as_of != all.begin()) {
      RC_ASSERT(configurations.as_of(probe) == std::prev(as_of)->second);
    }
    const auto between = all.upper_bound(committed);
    const bool any = between != all.end() && between->first <= probe;
    RC_ASSERT(configurations.any_between(committed, probe) == any);
    const MemberId member(*rc::gen::inRange<std::uint64_t>(1, number + 3));
    const bool had = std::ranges::any_of(all, [&](const auto& entry) {
      return entry.first > committed && entry.first <= probe && entry.second.contains(member);
    });
    RC_ASSERT(configurations.had_member(member, committed, probe) == had);
    // The newest at or before the probe, or the oldest there is, and all behind it.
    std::set<MemberId> members;
    bool votes = false;
    for (auto entry = as_of == all.begin() ? as_of : std::prev(as_of); entry != all.end();
         ++entry) {
      votes = votes || entry->second.is_voter(member);
      for (const MemberId id : entry->second.members()) members.insert(id);
    }
    RC_ASSERT(configurations.may_be_voter(member, probe) == votes);
    RC_ASSERT(configurations.members_since(probe) ==
              std::vector<MemberId>(members.begin(), members.end()));
  }
}

}  // namespace
}  // namespace coord::raft
