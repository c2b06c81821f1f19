#include "service/lease/commands.h"

#include <capnp/message.h>
#include <capnp/serialize.h>

#include <cstring>

#include "schema/log.capnp.h"

namespace coord::service {

namespace {

// Renewing and expiring mean what they have meant since then.
constexpr std::uint16_t kVersion = 1;

Bytes to_bytes(capnp::MessageBuilder& message) {
  const auto words = capnp::messageToFlatArray(message);
  const auto bytes = words.asBytes();
  return Bytes::copy_of(std::as_bytes(std::span(bytes.begin(), bytes.size())));
}

schema::Command::Builder begin(capnp::MessageBuilder& message, std::uint64_t stamp_ms) {
  auto command = message.initRoot<schema::Command>();
  command.setVersion(kVersion);
  command.setStampMs(stamp_ms);
  return command;
}

}  // namespace

Bytes encode_renew(std::span<const LeaseId> leases, std::uint64_t stamp_ms) {
  capnp::MallocMessageBuilder message;
  auto renew = begin(message, stamp_ms).initRenew(static_cast<unsigned>(leases.size()));
  for (unsigned i = 0; i < renew.size(); ++i) renew.set(i, leases[i].value());
  return to_bytes(message);
}

Bytes encode_expire(std::span<const LeaseExpiry> leases, std::uint64_t stamp_ms) {
  capnp::MallocMessageBuilder message;
  auto expire = begin(message, stamp_ms).initExpire(static_cast<unsigned>(leases.size()));
  for (unsigned i = 0; i < expire.size(); ++i) {
    expire[i].setLease(leases[i].lease.value());
    expire[i].setRenewedAt(leases[i].renewed_at.value());
  }
  return to_bytes(message);
}

}  // namespace coord::service
