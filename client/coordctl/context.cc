#include "client/coordctl/context.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <string>

#include "client/coordctl/escape.h"

namespace coord::ctl {

void Printer::line(std::string_view text) const {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fputc('\n', stdout);
  std::fflush(stdout);
}

void Printer::raw(std::string_view bytes) const {
  std::fwrite(bytes.data(), 1, bytes.size(), stdout);
  std::fflush(stdout);
}

namespace {

// One line of text, whatever a server, a name or a file name has put into it.
std::string one_line(std::string_view message) {
  std::string line;
  while (!message.empty()) {
    const std::size_t backslash = std::min(message.find('\\'), message.size());
    line += escape(message.substr(0, backslash));
    message.remove_prefix(backslash);
    if (!message.empty()) line += '\\';
    message.remove_prefix(std::min<std::size_t>(1, message.size()));
  }
  return line;
}

}  // namespace

void Printer::error_line(std::string_view name, std::string_view bytes, Outcome outcome) const {
  const std::string message = one_line(bytes);
  if (json_) {
    const Json line =
        Json::object({{"error", name}, {"message", message}, {"outcome", to_string(outcome)}});
    fmt::print(stderr, "{}\n", line.text());
    return;
  }
  fmt::print(stderr, "coordctl: {}", message);
  if (outcome != Outcome::kNotApplied) fmt::print(stderr, " (outcome: {})", to_string(outcome));
  fmt::print(stderr, "\n");
}

ExitCode Printer::fail(const Error& error) const {
  error_line(to_string(error.code), error.message, error.outcome);
  return exit_code_of(error);
}

ExitCode Printer::fail(ExitCode code, std::string_view name, std::string_view message,
                       Outcome outcome) const {
  error_line(name, message, outcome);
  return code;
}

bool Printer::finish() const {
  return std::fflush(stdout) == 0 && std::ferror(stdout) == 0;
}

Client& Context::client(milliseconds session_ttl) {
  if (!client_) {
    client_.emplace(ClientOptions{.endpoints = globals_.endpoints,
                                  .timeout = globals_.timeout,
                                  .name = "coordctl",
                                  .session_ttl = session_ttl});
  }
  return *client_;
}

Json::Object json_of(const KeyValue& record) {
  return {{"key", Json::bytes(record.key)},
          {"value", Json::bytes(record.value)},
          {"create_revision", Json::number(record.create_revision)},
          {"mod_revision", Json::number(record.mod_revision)},
          {"version", Json::number(record.version)},
          {"lease", Json::number(record.lease)}};
}

}  // namespace coord::ctl
