// Damage at rest: what a disk does to bytes that were on it, durably.
//
// The atlas. Damage meets only members of a set that is a minority of every set of voters that
// decides, chosen once for a run: so each committed entry keeps a good copy within a quorum's
// reach, whatever happens to that set. And it spares the newest group of records: when that is
// lost, it looks like a write that never returned (raft/storage/recovery.md), and no member can
// tell. All other damage a member has to find before it relies on it, and halt.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "raft/base/prng.h"
#include "raft/core/core.h"
#include "tests/raft/storage/fault_file_system.h"

namespace coord::sim {

// Whose disks may be damaged.
std::vector<MemberId> draw_atlas(Prng& dice, const raft::Configuration& configuration);

// Damages a segment of the log somewhere; says how, or nothing if there was nothing to damage.
std::optional<std::string> damage(raft::testing::FaultFileSystem& files, Prng& dice);

}  // namespace coord::sim
