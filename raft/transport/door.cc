#include "raft/transport/door.h"

#include <kj/debug.h>

#include <algorithm>
#include <utility>

#include "raft/transport/bounds.h"
#include "raft/transport/codec.h"
#include "raft/transport/receive.h"

namespace coord::raft {

namespace {
// A reply that waits for the disk comes within this time, as a rule.
constexpr kj::Duration kCallOpenMax = 10 * kj::MILLISECONDS;
constexpr std::size_t kOpenCallsMax = limits::kInflightAppendsMax;

Error stopping() {
  return make_error(ErrorCode::kShuttingDown, "this member is stopping");
}
}  // namespace

void DoorState::close() {
  open_ = false;
  reports_ = nullptr;
  for (Session* session : sessions_) session->stop();
}

void DoorState::entered(Session& session) {
  sessions_.push_back(&session);
}

void DoorState::left(Session& session) {
  std::erase(sessions_, &session);
}

bool DoorState::reply(MemberId member, std::span<const Message> replies) {
  const auto newest = std::find_if(sessions_.rbegin(), sessions_.rend(),
                                   [&](const Session* each) { return each->member() == member; });
  return newest != sessions_.rend() && (*newest)->reply(replies);
}

void DoorState::drop(MemberId member) {
  for (const Session* session : sessions_) {
    if (session->member() == member) session->connection().drop();
  }
}

void DoorState::report_closed(MemberId member) {
  if (!open_) return;
  reports_->add(kj::evalLater([this, member] {
    if (handlers.closed) handlers.closed(member);
  }));
}

kj::Promise<void> Door::greet(GreetContext context) {
  return answer(context);
}

rpc::Task<void> Door::answer(GreetContext context) {
  context.allowCancellation();
  auto admitting = admit(context.getParams().getGreeting());
  const Status admitted = co_await std::move(admitting);
  auto results = context.getResults();
  if (admitted.ok()) {
    connection_.greeted();
    const MemberId from(context.getParams().getGreeting().getFrom());
    results.setSession(kj::heap<Session>(state_, connection_, from));
    results.setIncarnation(state_->options.incarnation.value());
  } else {
    results.setFailure(admitted.error().message.c_str());
    results.setCode(static_cast<std::uint16_t>(admitted.error().code));
  }
}

rpc::Task<Status> Door::admit(schema::Greeting::Reader greeting) {
  if (Status checked = check(greeting); !checked.ok()) co_return checked;
  const MemberId from(greeting.getFrom());
  if (state_->handlers.meet) {
    auto meeting = state_->handlers.meet({from, Incarnation(greeting.getIncarnation())});
    Status met = co_await kj::mv(meeting);
    if (!met.ok()) co_return met;
    if (!state_->open()) co_return stopping();
  }
  co_return state_->admission.admit(from, greeting.getAddress().cStr());
}

// A message for another cluster or another member must never be taken for one of ours: addresses
// are reused, and configurations are copied.
Status Door::check(schema::Greeting::Reader greeting) const {
  if (!state_->open()) return stopping();
  const TransportOptions& options = state_->options;
  const MemberId from(greeting.getFrom());
  if (greeting.getProtocol() != kProtocol) {
    return make_error(ErrorCode::kUnsupported, "the peers' protocol {} is unknown here",
                      greeting.getProtocol());
  }
  if (greeting.getCluster() != options.cluster.value()) {
    if (greeting.getTo() == options.self.value() && state_->handlers.claimed) {
      state_->handlers.claimed(ClusterId(greeting.getCluster()));
    }
    return make_error(ErrorCode::kWrongCluster, "this is cluster {:016x}, not {:016x}",
                      options.cluster.value(), greeting.getCluster());
  }
  if (greeting.getTo() != options.self.value()) {
    return make_error(ErrorCode::kWrongMember, "this is member {}, not {}", options.self,
                      MemberId(greeting.getTo()));
  }
  if (from.is_zero() || from == options.self) {
    return make_error(ErrorCode::kWrongMember, "nobody else can be member {}", from);
  }
  return {};
}

kj::Promise<void> Door::identify(IdentifyContext context) {
  if (!state_->open() || !state_->handlers.identify) {
    return KJ_EXCEPTION(DISCONNECTED, "this member is stopping");
  }
  const Identification self = state_->handlers.identify();
  auto out = context.getResults().initIdentity();
  out.setCluster(self.cluster.value());
  out.setMember(self.member.value());
  out.setName(self.name.c_str());
  out.setIncarnation(self.incarnation.value());
  out.setEmpty(self.empty);
  out.setVersion(self.version.c_str());
  out.setClientAddress(self.client_address.c_str());
  return kj::READY_NOW;
}

Session::~Session() noexcept {
  state_->left(*this);
  state_->report_closed(member_);
}

kj::Promise<void> Session::deliver(DeliverContext context) {
  if (!state_->open()) return KJ_EXCEPTION(DISCONNECTED, "this member is stopping");
  const Status received =
      receive_all(context.getParams().getMessages(), member_, state_->options, state_->handlers);
  if (!received.ok()) {
    if (state_->handlers.trouble) state_->handlers.trouble(member_, received.error());
    return KJ_EXCEPTION(FAILED, received.error().message.c_str());
  }
  context.releaseParams();
  context.allowCancellation();

  auto paf = kj::newPromiseAndFulfiller<void>();
  const std::uint64_t number = ++calls_begun_;
  calls_.emplace(number, OpenCall{context, state_->timer.now(), kj::mv(paf.fulfiller)});
  if (calls_.size() > kOpenCallsMax) reply({});
  if (!closing_overdue_) {
    closing_overdue_ = true;
    closer_ = close_overdue();
  }
  return paf.promise.attach(kj::defer([this, number] { calls_.erase(number); }));
}

bool Session::reply(std::span<const Message> replies) {
  if (calls_.empty()) return false;
  OpenCall call = std::move(calls_.extract(calls_.begin()).mapped());
  if (!replies.empty()) {
    std::size_t bytes = 0;
    for (const Message& message : replies) bytes += encoded_bytes(message);
    auto results = call.context.getResults(capnp::MessageSize{bytes / sizeof(capnp::word) + 16, 0});
    encode(replies, results.initReplies(static_cast<unsigned>(replies.size())));
  }
  call.done->fulfill();
  return true;
}

// Not every message has a reply, and the sender counts what was not answered. Looked after now and
// then: in a row of appends, where each reply answers the oldest call, a timer for the oldest one
// would fire all the time.
rpc::Task<void> Session::close_overdue() {
  while (!calls_.empty()) {
    co_await state_->timer.afterDelay(call_open_max());
    const kj::TimePoint overdue = state_->timer.now() - call_open_max();
    while (!calls_.empty() && calls_.begin()->second.since <= overdue) reply({});
  }
  closing_overdue_ = false;
}

kj::Duration Session::call_open_max() const {
  if (!state_->open() || state_->admission.reaches(member_)) return kCallOpenMax;
  return state_->options.silence_timeout.count() / 4 * kj::NANOSECONDS;
}

kj::Promise<void> Session::service(ServiceContext context) {
  if (!state_->open() || !state_->handlers.service) {
    return KJ_EXCEPTION(UNIMPLEMENTED, "this member offers no service to others");
  }
  context.getResults().setService(state_->handlers.service());
  return kj::READY_NOW;
}

}  // namespace coord::raft
