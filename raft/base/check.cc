#include "raft/base/check.h"

#include <cstdio>
#include <cstdlib>

namespace coord {

void check_failed(const char* file, int line, std::string_view what, std::string_view details) {
  std::fprintf(stderr, "%s:%d: CHECK failed: %.*s%s%.*s%s\n", file, line,
               static_cast<int>(what.size()), what.data(), details.empty() ? "" : " (",
               static_cast<int>(details.size()), details.data(), details.empty() ? "" : ")");
  std::fflush(stderr);
  std::abort();
}

}  // namespace coord
