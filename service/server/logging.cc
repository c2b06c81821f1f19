#include "service/server/logging.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <memory>
#include <string>

namespace coord::service {

namespace {

// The message as the inside of a JSON string.
class JsonMessage final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& line, const std::tm&,
              spdlog::memory_buf_t& out) override {
    for (const char c : line.payload) append(c, out);
  }
  std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<JsonMessage>();
  }

 private:
  static void append(char c, spdlog::memory_buf_t& out) {
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else if (static_cast<unsigned char>(c) < 0x20) {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out.push_back(c);
    }
  }
};

// A member's name has no character that JSON would have to escape.
std::string json_pattern(const std::string& name) {
  return R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l","member":")" + name +
         R"(","message":"%*"})";
}

}  // namespace

void set_up_logging(const ServerConfig& config) {
  std::shared_ptr<spdlog::logger> logger;
  if (config.log_format == LogFormat::kJson) {
    logger = std::make_shared<spdlog::logger>("coordd",
                                              std::make_shared<spdlog::sinks::stderr_sink_mt>());
    auto formatter = std::make_unique<spdlog::pattern_formatter>(spdlog::pattern_time_type::utc);
    formatter->add_flag<JsonMessage>('*').set_pattern(json_pattern(config.name));
    logger->set_formatter(std::move(formatter));
  } else {
    logger = std::make_shared<spdlog::logger>(
        "coordd", std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
    logger->set_pattern("%Y-%m-%d %H:%M:%S.%e %^%-5l%$ " + config.name + "  %v");
  }
  logger->set_level(spdlog::level::from_str(config.log_level));
  logger->flush_on(spdlog::level::info);
  spdlog::set_default_logger(std::move(logger));
}

void die(const Error& error) {
  spdlog::critical("{}; this process ends now, and {}", error.message,
                   error.code == ErrorCode::kCorrupt ? "its data must not be used any more"
                                                     : "can be started again");
  spdlog::default_logger()->flush();
  ::_exit(1);
}

}  // namespace coord::service
