#include "raft/transport/link.h"

#include <kj/debug.h>

#include <algorithm>
#include <utility>

#include "raft/transport/bounds.h"
#include "raft/transport/codec.h"
#include "raft/transport/receive.h"

namespace coord::raft {

namespace {

// News of the commit index waits that long for something that it can travel with: in a row of
// writes the next append has it too.
constexpr kj::Duration kNewsDelay = 1 * kj::MILLISECONDS;

kj::Duration to_kj(Duration duration) {
  return duration.count() * kj::NANOSECONDS;
}

bool is_news(const Message& message) {
  const auto* heartbeat = std::get_if<Heartbeat>(&message.body);
  return heartbeat != nullptr && heartbeat->round == Round{};
}

}  // namespace

Link::Link(kj::Network& network, kj::Timer& timer, const TransportOptions& options,
           const Transport::Handlers& handlers, MemberId peer, std::string address, Prng random)
    : network_(network),
      timer_(timer),
      options_(options),
      handlers_(handlers),
      peer_(peer),
      address_(std::move(address)),
      random_(random),
      heard_(timer.now()),
      calls_under_way_(kj::heap<kj::TaskSet>(static_cast<kj::TaskSet::ErrorHandler&>(*this))),
      reports_(*this),
      dialling_(nullptr) {
  dialling_ = keep_up();
}

Link::~Link() noexcept {}

// ---------------------------------------------------------------------------------------------
// Keeping a connection

rpc::Task<void> Link::keep_up() {
  while (true) {
    try {
      co_await connect_once();
    } catch (const kj::Exception&) {
      ++failures_;
    }
    auto hurried = kj::newPromiseAndFulfiller<void>();
    hurried_ = kj::mv(hurried.fulfiller);
    auto pause = timer_.afterDelay(next_pause()).exclusiveJoin(kj::mv(hurried.promise));
    co_await kj::mv(pause);
  }
}

void Link::hurry() {
  failures_ = 0;
  if (hurried_.get() != nullptr) hurried_->fulfill();
}

// Doubled with each failure, and spread so that members that lost each other together do not dial
// together.
kj::Duration Link::next_pause() {
  Duration pause = options_.redial_min;
  for (unsigned i = 1; i < failures_ && pause < options_.redial_max; ++i) pause *= 2;
  pause = std::min(pause, options_.redial_max);
  const auto whole = static_cast<std::uint64_t>(std::max<Duration::rep>(pause.count(), 1));
  return to_kj(Duration(random_.between(whole / 2, whole)));
}

rpc::Task<void> Link::connect_once() {
  const auto timeout = to_kj(options_.silence_timeout);
  auto address = co_await timer_.timeoutAfter(
      timeout, network_.parseAddress(kj::StringPtr(address_.c_str(), address_.size())));
  auto stream = co_await timer_.timeoutAfter(timeout, address->connect());
  auto connection = rpc::Connection::client(kj::mv(stream), timer_, connection_options(options_));
  up(*connection, co_await timer_.timeoutAfter(timeout, greet(*connection).promise()));
  if (handlers_.greeted) handlers_.greeted(peer_);

  bool closed_by_peer = false;
  {
    KJ_DEFER(down());
    co_await connection->on_disconnect()
        .then([&closed_by_peer] { closed_by_peer = true; })
        .exclusiveJoin(until_silent());
  }
  if (closed_by_peer && handlers_.closed) handlers_.closed(peer_);
}

rpc::Task<schema::PeerSession::Client> Link::greet(rpc::Connection& connection) {
  auto request = connection.bootstrap().castAs<schema::Peer>().greetRequest();
  auto greeting = request.initGreeting();
  greeting.setCluster(options_.cluster.value());
  greeting.setFrom(options_.self.value());
  greeting.setTo(peer_.value());
  greeting.setProtocol(kProtocol);
  greeting.setIncarnation(options_.incarnation.value());
  greeting.setAddress(options_.address.c_str());
  auto response = co_await request.send();
  if (!response.hasSession()) {
    Error error;
    error.code = static_cast<ErrorCode>(response.getCode());
    error.message = response.getFailure().cStr();
    if (handlers_.refused) handlers_.refused(peer_, error);
    kj::throwFatalException(KJ_EXCEPTION(FAILED, "the greeting was refused"));
  }
  if (handlers_.meet) {
    auto meeting = handlers_.meet({peer_, Incarnation(response.getIncarnation())});
    const Status met = co_await kj::mv(meeting);
    if (!met.ok()) {
      if (handlers_.trouble) handlers_.trouble(peer_, met.error());
      kj::throwFatalException(KJ_EXCEPTION(FAILED, "it is not the member that it ought to be"));
    }
  }
  co_return response.getSession();
}

rpc::Task<void> Link::until_silent() {
  const auto timeout = to_kj(options_.silence_timeout);
  while (true) {
    co_await timer_.afterDelay(timeout / 4);
    // If this process was held up itself, the answers are there by now: let them be seen first.
    co_await kj::evalLast([] {});
    const kj::Duration silence = timer_.now() - heard_;
    if (calls_ > 0 && silence > timeout) co_return;
    // To a follower's leader go replies, on the leader's own calls, and what others ask the
    // service, which may wait for long. A call without messages finds out whether it is still
    // there.
    if (calls_ == 0 && silence > timeout / 2) {
      KJ_IF_MAYBE (session, session_) deliver(*session, {}, 0);
    }
  }
}

void Link::up(rpc::Connection& connection, schema::PeerSession::Client session) {
  failures_ = 0;
  connection_ = &connection;
  service_ = session.serviceRequest().send().getService();
  session_ = kj::mv(session);
}

void Link::down() {
  connection_ = nullptr;
  session_ = nullptr;
  service_ = nullptr;
  calls_under_way_ = kj::heap<kj::TaskSet>(static_cast<kj::TaskSet::ErrorHandler&>(*this));
  if (calls_ > 0) report_loss();
  calls_ = bytes_ = 0;
}

kj::Maybe<capnp::Capability::Client> Link::service() {
  KJ_IF_MAYBE (service, service_) return *service;
  return nullptr;
}

// ---------------------------------------------------------------------------------------------
// Sending

void Link::send_gathered() {
  if (gathered_.empty()) return;
  if (!std::all_of(gathered_.begin(), gathered_.end(), is_news)) {
    news_due_ = nullptr;
    news_waits_ = false;
    return send_now();
  }
  // The newest has it all.
  gathered_.erase(gathered_.begin(), gathered_.end() - 1);
  if (news_waits_) return;
  news_waits_ = true;
  news_due_ = timer_.afterDelay(kNewsDelay)
                  .then([this] {
                    news_waits_ = false;
                    if (!gathered_.empty()) send_now();
                  })
                  .eagerlyEvaluate(nullptr);
}

void Link::send_now() {
  const std::vector<Message> messages = std::exchange(gathered_, {});
  KJ_IF_MAYBE (session, session_) {
    std::size_t begin = 0;
    while (begin < messages.size()) {
      std::size_t bytes = encoded_bytes(messages[begin]);
      std::size_t end = begin + 1;
      for (; end < messages.size(); ++end) {
        const std::size_t more = encoded_bytes(messages[end]);
        if (bytes + more > kCallBytes) break;
        bytes += more;
      }
      if (!has_room_for(bytes)) return report_loss();
      deliver(*session, std::span(messages).subspan(begin, end - begin), bytes);
      begin = end;
    }
    // The peer can begin while the next one's messages are encoded.
    connection_->flush();
  } else {
    report_loss();
  }
}

bool Link::has_room_for(std::size_t bytes) const {
  if (bytes > message_bytes_max(options_)) return false;
  if (calls_ == 0) return true;
  return calls_ < options_.outstanding_calls_max &&
         bytes_ + bytes <= options_.outstanding_bytes_max;
}

void Link::deliver(schema::PeerSession::Client& session, std::span<const Message> messages,
                   std::size_t bytes) {
  auto request = session.deliverRequest(capnp::MessageSize{bytes / sizeof(capnp::word) + 32, 0});
  auto list = request.initMessages(static_cast<unsigned>(messages.size()));
  encode(messages, list);

  if (calls_ == 0) heard_ = timer_.now();
  ++calls_;
  bytes_ += bytes;
  calls_under_way_->add(request.send().then(
      [this, bytes](capnp::Response<schema::PeerSession::DeliverResults>&& response) {
        answered(bytes);
        receive_replies(response.getReplies());
      },
      [this, bytes](kj::Exception&& exception) {
        // A lost connection is dealt with where its end is noticed.
        if (exception.getType() == kj::Exception::Type::DISCONNECTED) return;
        answered(bytes);
        report_loss();
        if (handlers_.trouble) {
          handlers_.trouble(peer_, make_error(ErrorCode::kInvalidArgument, "{}",
                                              exception.getDescription().cStr()));
        }
      }));
}

void Link::answered(std::size_t bytes) {
  CHECK_GT(calls_, 0u);
  --calls_;
  bytes_ -= bytes;
  heard_ = timer_.now();
}

void Link::receive_replies(capnp::List<schema::Message>::Reader replies) {
  const Status received = receive_all(replies, peer_, options_, handlers_);
  if (!received.ok() && handlers_.trouble) handlers_.trouble(peer_, received.error());
}

void Link::report_loss() {
  if (loss_reported_ || !handlers_.unreachable) return;
  loss_reported_ = true;
  reports_.add(kj::evalLater([this] {
    loss_reported_ = false;
    handlers_.unreachable(peer_);
  }));
}

}  // namespace coord::raft
