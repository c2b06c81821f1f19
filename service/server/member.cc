#include "service/server/member.h"

#include <kj/debug.h>
#include <spdlog/spdlog.h>

#include <utility>

#include "raft/transport/identify.h"
#include "service/server/descriptors.h"
#include "service/server/logging.h"
#include "service/server/random.h"

namespace coord::service {

namespace {

constexpr milliseconds kHouseInterval{200};
constexpr milliseconds kPublishAgain{1000};
// Within that time reads can map some megabytes of the state, and no more.
constexpr milliseconds kMemoryInterval{5};
// While the disk is too slow for what is written, so many proposals may wait for it: half a
// second's worth.
constexpr std::size_t kWritesWaitingMax = 8192;
// A turn of the loop that took so long is worth a line.
constexpr milliseconds kStallToReport{100};

std::uint64_t wall_ms() {
  const auto since = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(std::chrono::duration_cast<milliseconds>(since).count());
}

std::uint64_t bytes_in(const std::filesystem::path& directory) {
  std::uint64_t bytes = 0;
  std::error_code error;
  for (const auto& file : std::filesystem::directory_iterator(directory, error)) {
    const auto size = file.file_size(error);
    if (!error) bytes += size;
  }
  return bytes;
}

// What any client may send, so that what is too large here is answered by an error that says so.
rpc::ServerOptions client_options() {
  rpc::ServerOptions options;
  options.connections_max = share_out(descriptor_limit()).clients;
  options.connection.messages.message_bytes_max =
      limits::kConfigurableRequestBytesMax + limits::kMiB;
  return options;
}

kj::Promise<void> keep_listening(kj::Promise<void> listening, const char* to_whom) {
  return listening.eagerlyEvaluate([to_whom](kj::Exception&& error) {
    spdlog::error("nothing listens for {} any more: {}", to_whom, error.getDescription().cStr());
  });
}

}  // namespace

Member::Member(rpc::Loop& loop, const ServerConfig& config, DataDirectory& data, Identity identity,
               MemberParts parts, std::function<void(const Error&)> ended)
    : loop_(loop),
      config_(config),
      started_(loop.now()),
      log_directory_(std::move(parts.log_directory)),
      files_(std::move(parts.files)),
      store_(std::move(parts.store)),
      observers_(std::move(parts.observers)),
      state_(std::move(parts.state)),
      disk_([&loop](std::function<void()> work) { loop.post(std::move(work)); }),
      place_(data, identity, parts.met, Probation(identity, parts.restored, data.begun()), *state_,
             loop.timer(), disk_, place_handlers(std::move(ended))),
      applier_(std::make_unique<Applier>(*state_, clock())),
      links_([this] { return place_.takes_part(); }),
      alarm_(loop.timer()),
      peers_listening_(kj::READY_NOW),
      clients_listening_(kj::READY_NOW),
      publishing_task_(kj::READY_NOW),
      house_(kj::READY_NOW) {
  snapshots_ = std::make_unique<StateSnapshots>(
      *store_, *state_, [&loop](std::function<void()> work) { loop.post(std::move(work)); },
      StateSnapshots::Options{.directory = std::move(parts.snapshot_directory),
                              .initial = std::move(parts.configuration)});
  log_ = std::make_unique<raft::WriterLog>(
      std::move(parts.log), [&loop](std::function<void()> work) { loop.post(std::move(work)); },
      [](Error error) { die(error); });
  node_ = std::make_unique<raft::Node>(
      raft::NodeOptions{.core = core_options(), .log_bytes_kept = config_.log_bytes_kept},
      std::move(parts.restored),
      raft::Node::Dependencies{.log = *log_,
                               .peers = links_,
                               .state_machine = *applier_,
                               .observer = *observers_,
                               .snapshots = *snapshots_,
                               .clock = [] { return rpc::Loop::clock(); }},
      loop_.now());
  log_->attach(*node_);
  applier_->attach(*node_);
  flushes_ = std::make_unique<FlushSchedule>(*state_, *store_, *node_);
  applier_->after_apply([this] { flushes_->look(loop_.now()); });
  applier_->wait_while([this] { return flushes_->too_fast(); });

  lease_source_ = std::make_unique<StateLeaseSource>(*state_);
  leases_ = std::make_unique<LeaseKeeper>(*lease_source_, *applier_, loop_.timer(), wall_ms);
  watch_source_ = std::make_unique<StateWatchSource>(*state_);
  watches_ = std::make_unique<WatchHub>(
      *watch_source_, loop_.timer(), [this](schema::Header::Builder header) { api_->fill(header); },
      WatchOptions{.key_bytes_max = config_.limits.key_bytes_max});
  compactor_ = std::make_unique<Compactor>(
      *state_, *applier_, clock(), [this] { return !flushes_->behind(); },
      CompactorOptions{.keep = config_.history_keep, .revisions_kept = config_.history_revisions});
  api_ = std::make_unique<Api>(api_options(), api_dependencies());
  observers_->attach(place_, *api_, *compactor_, *leases_, *watches_);

  transport_ = std::make_unique<raft::Transport>(loop_, loop_.network(), loop_.timer(),
                                                 transport_options(), transport_handlers());
  links_.attach(transport_.get());
  peers_listening_ = keep_listening(transport_->listen(kj::mv(parts.peers)), "members");
  digests_ = std::make_unique<DigestWatch>(
      applier_->digests(), loop_.timer(),
      [this](MemberId other) { return transport_->service_of(other); },
      DigestWatch::Handlers{.differs = [](const Error& error) { spdlog::error(error.message); },
                            .outvoted = [](const Error& error) { die(error); }});
  clients_ = std::make_unique<rpc::Server>(
      loop_.timer(),
      [this](rpc::Server::Peer peer) {
        return api_->client_door([peer = std::move(peer)] { peer.greeted(); });
      },
      client_options());
  clients_listening_ = keep_listening(clients_->listen(kj::mv(parts.clients)), "clients");
  place_.begin(node_->status().configuration);
  hook_ = loop_.on_turn_end([this] { end_turn(); });
  house_ = keep_house();
}

Member::~Member() {
  hook_.reset();
  links_.attach(nullptr);
  log_->stop();
}

void Member::shut_down() {
  clients_listening_ = kj::READY_NOW;
  watches_->shut_down();
  leases_->shut_down();
  compactor_->shut_down();
  api_->shut_down();
}

Clock Member::clock() const {
  return {loop_.timer(), [&loop = loop_] { return loop.now(); }, wall_ms};
}

raft::CoreOptions Member::core_options() const {
  raft::CoreOptions options;
  options.cluster = place_.identity().cluster;
  options.self = place_.identity().member;
  options.heartbeat_interval = config_.heartbeat;
  options.election_timeout_min = config_.election;
  options.election_timeout_max = 2 * config_.election;
  options.seed = random_seed();
  return options;
}

raft::TransportOptions Member::transport_options() const {
  raft::TransportOptions options;
  options.cluster = place_.identity().cluster;
  options.self = place_.identity().member;
  options.incarnation = place_.identity().incarnation;
  options.address = config_.advertise_peer;
  options.silence_timeout = 2 * config_.election;
  // Longer than a leader takes to tell whoever was removed that it was.
  options.linger = 8 * config_.election;
  options.connections_max = share_out(descriptor_limit()).members;
  options.seed = random_seed();
  return options;
}

raft::Transport::Handlers Member::transport_handlers() {
  return {.receive = [this](raft::Message message) { receive(std::move(message)); },
          .closed = [this](MemberId peer) { node_->peer_closed(peer); },
          .unreachable = [this](MemberId peer) { node_->peer_unreachable(peer); },
          .service = [this] { return api_->member_door(); },
          .trouble = [this](MemberId peer,
                            const Error& error) { trouble_.report(loop_.now(), peer, error); },
          .meet = [this](const raft::Introduction& other) { return place_.meet(other); },
          .greeted = [this](MemberId peer) { place_.greeted(peer); },
          .refused =
              [this](MemberId peer, const Error& error) {
                trouble_.report(loop_.now(), peer, error);
                place_.refused(peer, error);
              },
          .claimed = [this](ClusterId cluster) { place_.claimed(cluster); },
          .identify = [this] { return identify(); }};
}

Place::Handlers Member::place_handlers(std::function<void(const Error&)> ended) {
  return {.peers = [this](const auto& addresses) { transport_->set_peers(addresses); },
          .other_voters = [this](const auto& voters) { digests_->set_others(voters); },
          .ended = std::move(ended),
          .failed = [](const Error& error) { die(error); }};
}

raft::Identification Member::identify() const {
  return {.cluster = place_.identity().cluster,
          .member = place_.identity().member,
          .name = config_.name,
          .incarnation = place_.identity().incarnation,
          .empty = node_->status().configuration.members().empty(),
          .version = version_text(),
          .client_address = config_.advertise_client};
}

ApiOptions Member::api_options() const {
  ApiOptions options;
  options.cluster = place_.identity().cluster;
  options.self = place_.identity().member;
  options.limits = config_.limits;
  // An election that succeeds does so within a few timeouts; without one by then there is no
  // quorum.
  options.leader_patience = 4 * config_.election + seconds(1);
  options.seed = random_seed();
  for (const auto& [id, member] : place_.identity().initial) {
    options.names.emplace(id, member.name);
  }
  return options;
}

ApiDependencies Member::api_dependencies() {
  return {.node = *node_,
          .state = *state_,
          .applier = *applier_,
          .leases = *leases_,
          .watches = *watches_,
          .compactor = *compactor_,
          .clock = clock(),
          .peer_service = [this](MemberId peer) { return transport_->service_of(peer); },
          .refuse_writes = [this]() -> std::optional<Error> {
            if (!flushes_->too_fast() || applier_->pending() < kWritesWaitingMax)
              return std::nullopt;
            Error error = make_error(ErrorCode::kOverloaded,
                                     "the disk is too slow: too much waits to be written to it");
            error.retry_after = milliseconds(100);
            return error;
          },
          .stats = [this] { return stats(); },
          .identify = [this](std::string address,
                             Duration timeout) { return find_at(std::move(address), timeout); },
          .why_it_does_not_serve = [this] { return place_.why_it_does_not_serve(); }};
}

rpc::Task<Result<FoundMember>> Member::find_at(std::string address, Duration timeout) {
  auto asking = raft::identify(loop_.network(), loop_.timer(), std::move(address), timeout);
  auto found = co_await std::move(asking);
  if (!found) co_return found.error();
  co_return FoundMember{.cluster = found->cluster,
                        .id = found->member,
                        .name = std::move(found->name),
                        .client_address = std::move(found->client_address),
                        .version = std::move(found->version),
                        .empty = found->empty};
}

void Member::receive(raft::Message message) {
  if (place_.hears(message.from)) node_->receive(std::move(message));
}

void Member::end_turn() {
  const Instant now = loop_.now();
  node_->pump(now);
  if (now - memory_looked_at_ >= kMemoryInterval) {
    memory_looked_at_ = now;
    store_->look_after_memory();
  }
  alarm_.set(now, node_->deadline());
}

rpc::Task<void> Member::keep_house() {
  for (;;) {
    co_await loop_.timer().afterDelay(kHouseInterval.count() * kj::MILLISECONDS);
    const Duration longest = loop_.take_stats().longest_turn;
    stalls_.note(loop_.now(), longest);
    if (longest >= kStallToReport) {
      spdlog::warn("the loop stood still for {} ms",
                   std::chrono::duration_cast<milliseconds>(longest).count());
    }
    log_bytes_ = bytes_in(log_directory_);
    flushes_->look(loop_.now());
    if (!publishing_) publishing_task_ = publish_self();
  }
}

MemberRecord Member::own_record() const {
  MemberRecord record;
  record.id = place_.identity().member;
  record.name = config_.name;
  const auto addresses = node_->status().configuration.addresses;
  const auto address = addresses.find(record.id);
  record.peer_address = address == addresses.end() ? config_.advertise_peer : address->second;
  record.client_address = config_.advertise_client;
  return record;
}

rpc::Task<void> Member::publish_self() {
  if (node_->leader().is_zero()) co_return;
  publishing_ = true;
  auto publishing = api_->publish_self(own_record());
  const Status status = co_await kj::mv(publishing);
  if (!status.ok()) {
    spdlog::debug("could not publish this member's addresses: {}", status.error().message);
    co_await loop_.timer().afterDelay(kPublishAgain.count() * kj::MILLISECONDS);
  }
  publishing_ = false;
}

ServerStats Member::stats() const {
  ServerStats stats;
  stats.version = version_text();
  stats.uptime = std::chrono::duration_cast<milliseconds>(loop_.now() - started_);
  stats.log_bytes = log_bytes_;
  stats.state_bytes = store_->stats().disk_bytes;
  stats.connections = clients_->connections();
  stats.watches = watches_->stats().watches;
  stats.loop_stall_max = stalls_.longest();
  return stats;
}

}  // namespace coord::service
