#include "client/coordctl/input.h"

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "raft/base/limits.h"

namespace coord::ctl {

Result<std::string> read_standard_input() {
  std::string bytes;
  std::array<char, 65536> buffer;
  while (const std::size_t size = std::fread(buffer.data(), 1, buffer.size(), stdin)) {
    bytes.append(buffer.data(), size);
    if (bytes.size() > limits::kConfigurableRequestBytesMax) {
      return make_error(ErrorCode::kRequestTooLarge,
                        "standard input has more than {} bytes, which no server accepts",
                        limits::kConfigurableRequestBytesMax);
    }
  }
  if (std::ferror(stdin) != 0) {
    return make_error(ErrorCode::kIo, "cannot read standard input: {}", std::strerror(errno));
  }
  return bytes;
}

Result<std::string> value_of(const std::string& argument) {
  if (argument == "-") return read_standard_input();
  return argument;
}

}  // namespace coord::ctl
