#include "schema/rpc/system_error.h"

#include <kj/string.h>

#include <cerrno>
#include <system_error>

namespace coord::rpc {

namespace {
kj::Exception::Type type_of(int error) {
  switch (error) {
    case ECONNREFUSED:
    case ECONNRESET:
    case ECONNABORTED:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENETDOWN:
    case ENETRESET:
    case ENETUNREACH:
    case ENOTCONN:
    case EPIPE:
    case ESHUTDOWN:
    case ETIMEDOUT:
      return kj::Exception::Type::DISCONNECTED;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
    case EADDRNOTAVAIL:
      return kj::Exception::Type::OVERLOADED;
    default:
      return kj::Exception::Type::FAILED;
  }
}
}  // namespace

kj::Exception system_error(const char* operation, int error) {
  return kj::Exception(type_of(error), __FILE__, __LINE__,
                       kj::str(operation, ": ", std::generic_category().message(error).c_str()));
}

void require_success(const char* operation, int result) {
  if (result < 0) kj::throwFatalException(system_error(operation, errno));
}

}  // namespace coord::rpc
