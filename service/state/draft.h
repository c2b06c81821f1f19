// A write that may still fail: what it has done so far, laid over the keyspace. Reads through it
// see its own effects; nothing else does before it is committed.
//
// However often it touches a key, the key changes once, to what it is in the end; a key that was
// not there before and is not there in the end does not change at all.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "service/state/keyspace.h"

namespace coord::service {

class Draft {
 public:
  explicit Draft(const Keyspace& keys) : keys_(keys) {}

  // Values are valid until the next change.
  std::optional<KeyRecord> find(std::string_view key) const;
  // Calls `visit` for the live keys of a range in order until it returns false. It must not change
  // anything.
  using Visit = std::function<bool(std::string_view key, const KeyRecord& record)>;
  void scan(const KeyRange& range, const Visit& visit) const;

  void put(std::string_view key, std::string_view value, LeaseId lease);
  void erase(std::string_view key);

  // Makes the changes in `keys`, the keyspace that it was drafted over, in the order in which they
  // were first touched. The draft must live until keys.finish().
  void commit(Keyspace& keys) const;

 private:
  struct Entry {
    std::uint32_t order = 0;
    KeyRecord record;  // its value is `value`
    std::string value;
  };

  Entry& touch(std::string_view key);

  const Keyspace& keys_;
  std::map<std::string, Entry, std::less<>> entries_;
};

}  // namespace coord::service
