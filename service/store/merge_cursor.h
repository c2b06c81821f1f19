// The cursor over a whole table: the active overlay over the frozen one over LMDB. Of records with
// the same key the uppermost counts, and a tombstone there means that there is none.
//
// Of a queue nothing before its front is sought.
//
// Loop thread. Any write to the store makes it unusable, which it checks.
#pragma once

#include <functional>
#include <optional>

#include "service/state/tables.h"
#include "service/store/disk_cursor.h"
#include "service/store/overlay.h"

namespace coord::service {

class MergeCursor final : public Cursor {
 public:
  struct Sources {
    const Overlay& active;
    const Overlay* frozen;  // null: none
    MDB_txn* txn;           // null: LMDB has nothing in this table
    const Databases& databases;
    // Counts the writes to the store.
    const std::uint64_t& generation;
    // Does not return.
    const std::function<void(const LmdbFailure&)>& failed;
  };

  MergeCursor(const Sources& sources, Table table, std::string_view from);

  bool valid() const override { return source_ != Source::kNone; }
  std::string_view key() const override;
  std::string_view value() const override;
  void next() override;

 private:
  enum class Source : std::uint8_t { kNone, kActive, kFrozen, kDisk };
  // One overlay's records from a place on.
  struct Walk {
    Overlay::Iterator at;
    Overlay::Iterator end;

    bool valid() const { return at != end; }
    const Overlay::Record& record() const { return *at->record; }
    std::string_view key() const { return at->key(); }
    // Past `key`, if that is where it stands.
    void skip(std::string_view key) {
      if (valid() && this->key() == key) ++at;
    }
  };

  void next_on_disk();
  void settle();
  void require_usable() const;

  Walk active_;
  Walk frozen_;
  std::optional<DiskCursor> disk_;
  Source source_ = Source::kNone;
  const std::function<void(const LmdbFailure&)>& failed_;
  const std::uint64_t& generation_;
  const std::uint64_t generation_then_;
};

}  // namespace coord::service
