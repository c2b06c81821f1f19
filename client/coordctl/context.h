// What every command has at hand: the flags that all of them share, the client, and the output.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "client/coordctl/exit_code.h"
#include "client/coordctl/json.h"
#include "coord/client.h"
#include "raft/base/error.h"

namespace coord::ctl {

struct Globals {
  std::vector<std::string> endpoints = {"127.0.0.1:4701"};
  milliseconds timeout{5000};
  bool json = false;
};

// Standard output and standard error, in the format that was asked for. Each line leaves at once:
// what reads a watch wants to know now.
class Printer final {
 public:
  explicit Printer(bool json) : json_(json) {}

  bool json() const { return json_; }
  void object(const Json& json) const { line(json.text()); }
  void line(std::string_view text) const;
  // Exactly these bytes.
  void raw(std::string_view bytes) const;

  // An error line, and the exit code that goes with it.
  ExitCode fail(const Error& error) const;
  // The same for what is not an error of the service: `name` stands in the JSON.
  ExitCode fail(ExitCode code, std::string_view name, std::string_view message,
                Outcome outcome = Outcome::kNotApplied) const;
  // False when standard output could not be written, e.g. because the disk is full.
  bool finish() const;

 private:
  void error_line(std::string_view name, std::string_view message, Outcome outcome) const;

  bool json_;
};

class Context final {
 public:
  explicit Context(Globals globals) : globals_(std::move(globals)), out_(globals_.json) {}

  const Globals& globals() const { return globals_; }
  const Printer& out() const { return out_; }
  // Made when it is first asked for; `session_ttl` counts only then.
  Client& client(milliseconds session_ttl = milliseconds(10'000));
  // Cancels what is outstanding; nothing of the client runs any more when this returns.
  void close_client() { client_.reset(); }

 private:
  Globals globals_;
  Printer out_;
  std::optional<Client> client_;
};

// The fields that `get` and `watch` print.
Json::Object json_of(const KeyValue& record);

}  // namespace coord::ctl
