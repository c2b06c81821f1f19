#include "service/server/descriptors.h"

#include <sys/resource.h>

namespace coord::service {

namespace {
constexpr std::uint64_t kUsualLimit = 1024;
}

std::uint64_t descriptor_limit() {
  rlimit limit{};
  return ::getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : kUsualLimit;
}

void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  // Where it is refused, fewer connections are taken.
  static_cast<void>(::setrlimit(RLIMIT_NOFILE, &limit));
}

}  // namespace coord::service
