#include "client/lib/handles.h"

#include "client/lib/engine.h"
#include "coord/client.h"

namespace coord {
namespace internal {

SessionState::~SessionState() {
  if (!closes || engine == nullptr) return;
  engine->submit(errand([live = live](Core& core) { core.spawn(core.close_quietly(live)); }));
}

HoldState::~HoldState() {
  if (engine == nullptr || live->gone.load()) return;
  engine->submit(errand([live = live](Core& core) { core.spawn(core.release_quietly(live)); }));
}

WatchState::~WatchState() {
  cancel();
}

void WatchState::cancel() {
  if (engine == nullptr) return;
  engine->submit(errand([live = live](Core& core) { core.watches().cancel(*live); }));
}

EnginePtr engine_of(const std::shared_ptr<SessionState>& state) {
  return state == nullptr ? nullptr : state->engine;
}
EnginePtr engine_of(const std::shared_ptr<HoldState>& state) {
  return state == nullptr ? nullptr : state->engine;
}
EnginePtr engine_of(const std::shared_ptr<WatchState>& state) {
  return state == nullptr ? nullptr : state->engine;
}
EnginePtr engine_of(const std::shared_ptr<ObserverState>& state) {
  return state == nullptr ? nullptr : state->engine;
}

namespace {

const std::string kNoName;

LockToken token_of(const std::shared_ptr<HoldState>& state) {
  return state == nullptr ? LockToken() : state->live->token;
}
const std::string& name_of(const std::shared_ptr<HoldState>& state) {
  return state == nullptr ? kNoName : state->live->lock.name;
}
Guard guard_of(const std::shared_ptr<HoldState>& state) {
  return state == nullptr ? Guard() : Guard{state->live->lock, state->live->token};
}
bool held(const std::shared_ptr<HoldState>& state) {
  return state != nullptr && state->live->held(state->engine->now());
}
std::stop_token stop_token_of(const std::shared_ptr<HoldState>& state) {
  return state == nullptr ? std::stop_token() : state->live->stop.get_token();
}

}  // namespace
}  // namespace internal

// ------------------------------------------------------------------------------------------------

Session::Session(std::shared_ptr<internal::SessionState> state) : state_(std::move(state)) {}
LeaseId Session::id() const {
  return state_ == nullptr ? LeaseId() : state_->live->id;
}
milliseconds Session::ttl() const {
  return state_ == nullptr ? milliseconds(0) : state_->live->ttl;
}
bool Session::alive() const {
  return state_ != nullptr && state_->live->alive(state_->engine->now());
}
std::stop_token Session::stop_token() const {
  return state_ == nullptr ? std::stop_token() : state_->live->stop.get_token();
}
Status Session::close() {
  return internal::call(internal::engine_of(state_), op::CloseSession{state_});
}

// ------------------------------------------------------------------------------------------------

Lock::Lock(std::shared_ptr<internal::HoldState> state) : state_(std::move(state)) {}
Lock& Lock::operator=(Lock&& other) noexcept = default;
Lock::~Lock() = default;
const std::string& Lock::name() const {
  return internal::name_of(state_);
}
LockToken Lock::token() const {
  return internal::token_of(state_);
}
Guard Lock::guard() const {
  return internal::guard_of(state_);
}
Session Lock::session() const {
  return state_ == nullptr ? Session() : state_->session;
}
bool Lock::held() const {
  return internal::held(state_);
}
std::stop_token Lock::stop_token() const {
  return internal::stop_token_of(state_);
}
Status Lock::release() {
  return internal::call(internal::engine_of(state_), op::Release{state_});
}

Leadership::Leadership(std::shared_ptr<internal::HoldState> state) : state_(std::move(state)) {}
Leadership& Leadership::operator=(Leadership&& other) noexcept = default;
Leadership::~Leadership() = default;
const std::string& Leadership::election() const {
  return internal::name_of(state_);
}
LockToken Leadership::token() const {
  return internal::token_of(state_);
}
Guard Leadership::guard() const {
  return internal::guard_of(state_);
}
Session Leadership::session() const {
  return state_ == nullptr ? Session() : state_->session;
}
bool Leadership::held() const {
  return internal::held(state_);
}
std::stop_token Leadership::stop_token() const {
  return internal::stop_token_of(state_);
}
Status Leadership::proclaim(std::string value) {
  return internal::call(internal::engine_of(state_), op::Proclaim{state_, std::move(value)});
}
Status Leadership::resign() {
  return internal::call(internal::engine_of(state_), op::Release{state_});
}

// ------------------------------------------------------------------------------------------------

Watcher::Watcher(std::shared_ptr<internal::WatchState> state) : state_(std::move(state)) {}
Watcher& Watcher::operator=(Watcher&& other) noexcept = default;
Watcher::~Watcher() = default;
Result<WatchUpdate> Watcher::next(std::optional<milliseconds> timeout) {
  return internal::call(internal::engine_of(state_), op::WatchNext{state_, timeout});
}
void Watcher::cancel() {
  if (state_ != nullptr) state_->cancel();
}

ElectionObserver::ElectionObserver(std::shared_ptr<internal::ObserverState> state)
    : state_(std::move(state)) {}
ElectionObserver& ElectionObserver::operator=(ElectionObserver&& other) noexcept = default;
ElectionObserver::~ElectionObserver() = default;
Result<std::optional<LeaderInfo>> ElectionObserver::next(std::optional<milliseconds> timeout) {
  return internal::call(internal::engine_of(state_), op::ObserverNext{state_, timeout});
}
void ElectionObserver::cancel() {
  if (state_ != nullptr) state_->watcher.cancel();
}

// ------------------------------------------------------------------------------------------------

Client::Client(ClientOptions options) : engine_(internal::Engine::start(std::move(options))) {}
Client::Client(internal::EnginePtr engine) : engine_(std::move(engine)) {}

Client& Client::operator=(Client&& other) noexcept {
  if (engine_ != nullptr && engine_ != other.engine_) engine_->stop();
  engine_ = std::move(other.engine_);
  return *this;
}

Client::~Client() {
  if (engine_ != nullptr) engine_->stop();
}

Watcher Client::watch(KeyRange range, WatchOptions options) {
  std::vector<KeyRange> ranges;
  ranges.push_back(std::move(range));
  return watch(std::move(ranges), std::move(options));
}

Watcher Client::watch(std::vector<KeyRange> ranges, WatchOptions options) {
  return watch(std::move(ranges), std::move(options), nullptr);
}

Watcher Client::watch(std::vector<KeyRange> ranges, WatchOptions options, WatchCallback callback) {
  auto live = std::make_shared<internal::LiveWatch>(std::move(ranges), std::move(options),
                                                    std::move(callback));
  engine_->submit(internal::errand([live](internal::Core& core) { core.watches().open(live); }));
  return internal::Access::watcher(
      std::make_shared<internal::WatchState>(engine_, std::move(live)));
}

ElectionObserver Client::observe(std::string election) {
  // The leader's record is mirrored there.
  auto watcher = watch(KeyRange::key("_coord/election/" + election), {.list = true});
  auto live = std::make_shared<internal::LiveObserver>(internal::LiveObserver{
      .election = std::move(election), .watch = internal::Access::state(watcher)->live});
  return internal::Access::observer(
      std::make_shared<internal::ObserverState>(engine_, std::move(live), std::move(watcher)));
}

}  // namespace coord
