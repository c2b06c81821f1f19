#include "client/lib/engine.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <random>

#include "schema/rpc/network.h"

namespace coord::internal {
namespace {

std::uint64_t random_number() {
  thread_local std::mt19937_64 generator = [] {
    std::random_device device;
    std::seed_seq seed{device(), device(), device(), device()};
    return std::mt19937_64(seed);
  }();
  return generator();
}

std::string host_name() {
  char name[256] = {};
  return ::gethostname(name, sizeof(name) - 1) == 0 ? name : "";
}

std::string program_name() {
  char path[4096] = {};
  const ssize_t size = ::readlink("/proc/self/exe", path, sizeof(path) - 1);
  if (size <= 0) return "client";
  const std::string_view whole(path, static_cast<std::size_t>(size));
  return std::string(whole.substr(whole.rfind('/') + 1));
}

// Signals are for the threads of the program.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_;
};

}  // namespace

EnginePtr Engine::start(ClientOptions options) {
  if (options.name.empty()) options.name = program_name();
  auto engine = std::make_shared<Engine>();
  engine->clock_ = rpc::Loop::clock;
  engine->random_ = random_number;
  SignalsBlocked blocked;
  // The thread keeps the engine alive for as long as it needs it.
  engine->thread_ = std::thread([engine, options = std::move(options)]() mutable {
    engine->io_thread_ = std::this_thread::get_id();
    engine->run(std::move(options));
  });
  return engine;
}

EnginePtr Engine::attach(Environment environment, ClientOptions options) {
  auto engine = std::make_shared<Engine>();
  engine->clock_ = environment.clock;
  engine->random_ = environment.random;
  engine->attached_ = true;
  engine->core_.emplace(std::move(environment), std::move(options), std::weak_ptr<Engine>(engine));
  return engine;
}

Engine::~Engine() {
  // Only its own thread can be the last to let go of a running engine.
  if (thread_.joinable()) thread_.detach();
}

void Engine::run(ClientOptions options) {
  rpc::Loop loop;
  core_.emplace(Environment{.network = loop.network(),
                            .timer = loop.timer(),
                            .clock = clock_,
                            .random = random_,
                            .host = host_name(),
                            .pid = static_cast<std::uint32_t>(::getpid())},
                std::move(options), weak_from_this());
  {
    std::lock_guard lock(mutex_);
    loop_ = &loop;
    if (woken_) wake();
  }
  loop.run();
  {
    std::lock_guard lock(mutex_);
    loop_ = nullptr;
  }
  core_.reset();
}

void Engine::submit(std::unique_ptr<Job> job) {
  // A handler that starts the next operation: it leaves in this very turn.
  if (attached_ || (on_io_thread() && loop_ != nullptr)) return core_->submit(std::move(job));
  {
    std::lock_guard lock(mutex_);
    if (!stopped_) {
      inbox_.push(std::move(job));
      if (!woken_) {
        woken_ = true;
        wake();
      }
      return;
    }
  }
  job->abandon();
}

// Under the mutex.
void Engine::wake() {
  if (loop_ != nullptr) loop_->post([this] { fetch(); });
}

void Engine::fetch() {
  std::unique_lock lock(mutex_);
  JobList jobs = std::move(inbox_);
  woken_ = false;
  const bool stopping = stopped_;
  lock.unlock();
  core_->submit(std::move(jobs));
  // Nobody else touches loop_ before run() has ended.
  if (stopping) core_->close([this] { loop_->stop(); });
}

bool Engine::on_io_thread() const {
  return std::this_thread::get_id() == io_thread_.load();
}

void Engine::stop() {
  if (attached_) return core_->close([] {});
  {
    std::lock_guard lock(mutex_);
    if (stopped_) return;
    stopped_ = true;
    if (!woken_) {
      woken_ = true;
      wake();
    }
  }
  if (!thread_.joinable()) return;
  if (on_io_thread()) {
    thread_.detach();
  } else {
    thread_.join();
  }
}

bool on_io_thread(const Engine& engine) {
  return engine.on_io_thread();
}

}  // namespace coord::internal
