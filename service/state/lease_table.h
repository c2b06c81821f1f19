// Leases as they are in the tables: their terms, the keys attached to them, and the locks that they
// hold or wait for. What granting and ending one means is in leases.h.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "service/state/records.h"
#include "service/state/table_writer.h"

namespace coord::service {

class LeaseTable {
 public:
  LeaseTable(TableWriter& writer, const Meta& meta) : writer_(writer), count_(meta.leases) {}

  bool exists(LeaseId id) const;
  // `held` is left empty.
  std::optional<LeaseRecord> find(LeaseId id) const;
  std::vector<LeaseRecord> all() const;

  std::uint64_t count() const { return count_; }

  void add(const LeaseRecord& record);
  void update(const LeaseRecord& record);
  void erase(LeaseId id);

  // Keep LeaseRecord.attached_keys right, as long as the lease exists. Zero is no lease.
  void attach(LeaseId id, std::string_view key);
  void detach(LeaseId id, std::string_view key);
  std::vector<std::string> keys(LeaseId id) const;

  // That the lease holds this lock or waits for it.
  void add_place(LeaseId id, const LockName& name);
  void remove_place(LeaseId id, const LockName& name);
  std::vector<LockName> places(LeaseId id) const;

 private:
  void count_attached(LeaseId id, int difference);
  std::vector<std::string> holdings(LeaseId id, HoldingKind kind) const;

  TableWriter& writer_;
  std::uint64_t count_;
  std::string buffer_;
};

}  // namespace coord::service
