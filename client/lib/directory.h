// Which members there are, which of them can be reached, and who leads: where a request should go.
//
// The endpoints are those of the options and those that members told of. Connections are made when
// somebody asks for one: first to one endpoint, soon after to the next, and at once to all of them
// when a connection was lost, so that the crash of a leader costs no timeout. The leader is learned
// from every new connection and from every refusal; while it is unknown, any member will do (it
// forwards), and those that are connected are asked again and again.
//
// A learner may know nothing yet. Where every member would do, it is asked only if none that votes
// can be reached.
//
// Members come and go. Every answer says whether its member knows of newer ones, which are asked
// for at once; and for those who do nothing for a long time, a member is asked now and then: in the
// end all that a client began with may be gone. I/O thread.
#pragma once

#include <kj/async.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "client/lib/connection.h"
#include "client/lib/environment.h"

namespace coord::internal {

// Who can answer a request.
enum class Route : std::uint8_t {
  kLeader,  // the leader, or who forwards to it
  kAny,     // every member as well as another: balanced
};

class Directory final : private kj::TaskSet::ErrorHandler {
 public:
  // `changed` is called when a request that found no connection should be tried again.
  Directory(Environment& environment, std::vector<std::string> endpoints, std::string client_name,
            std::function<void()> changed);
  ~Directory();

  // Null: none yet, one is being made, and changed() will be called.
  std::shared_ptr<Connection> pick(Route route);
  // The same, for a coroutine.
  rpc::Task<std::shared_ptr<Connection>> wait_for(Route route);

  // A call on it failed, or it cannot be trusted any more.
  void lost(const std::shared_ptr<Connection>& connection);
  // An answer came over it. A member that does not lead forwards, silently: the answer is then
  // another's, or of a newer term than that of the leader we know. And it may know of newer members
  // than we have, who are then asked for.
  void answered(const Connection& connection, schema::Header::Reader header);
  // It answered that it does not lead; `hint` names who does, or is empty. True: there is somebody
  // else to go to at once.
  bool not_leader(const std::shared_ptr<Connection>& connection, const std::string& hint);
  // It has not answered for long: it is asked whether it is there, and left if nothing at all is
  // heard from it; and the others are asked whether they have another leader (kLeader). Calls on a
  // connection that is left fail like those on one that was lost.
  void suspect(const std::shared_ptr<Connection>& connection, Route route);
  // Those that are connected are of no use at the moment: others are connected to as well.
  void seek_others();

  // Why nothing is connected, for people; empty if something is.
  std::string trouble() const;
  // Configured or learned, whether or not they can be reached.
  std::vector<std::string> addresses() const;
  // Connected and logged in, if it is.
  std::shared_ptr<Connection> connected(const std::string& address) const;
  // kWrongCluster: others that were met belong to another one.
  Status check_cluster(const Connection& connection) const;

  void close();

 private:
  struct Endpoint {
    std::string address;
    bool configured = false;
    bool connecting = false;
    Instant connecting_since{};
    std::shared_ptr<Connection> connection;
    unsigned failures = 0;
    Instant not_before{};  // after a failure
    std::string trouble;
  };

  std::shared_ptr<Connection> pick_voter();
  std::shared_ptr<Connection> pick_leader();
  std::shared_ptr<Connection> pick_any();

  // Connecting.
  void race();
  Endpoint* next_candidate();
  void start_connecting(Endpoint& endpoint);
  rpc::Task<void> connect_to(Endpoint& endpoint);
  void connected(Endpoint& endpoint, std::shared_ptr<Connection> connection);
  void failed(Endpoint& endpoint, Error error);
  void drop(Endpoint& endpoint);
  rpc::Task<void> watch_connection(std::shared_ptr<Connection> connection);

  // Learning.
  struct News {
    std::vector<MemberInfo> members;
    Index members_version;
    MemberId leader;
    Term term;
  };
  void learn(const News& news);
  void learn_members(const News& news);
  bool is_learner(const Endpoint& endpoint) const;
  // One that votes is not connected, and no attempt at it has failed or takes long.
  bool is_voter_coming() const;
  void wait_for_voter();
  void refresh_members();
  void keep_up_with_members();
  void lead(Endpoint* endpoint);
  // It cannot be reached.
  void lose_leader();
  void look_for_leader();
  rpc::Task<void> probe(std::shared_ptr<Connection> connection, Duration patience);
  rpc::Task<void> ask(std::shared_ptr<Connection> connection,
                      std::shared_ptr<Connection> suspected);

  Endpoint* find(const std::string& address);
  Endpoint* endpoint_of(const Connection& connection);
  void wake();
  void after(Duration delay, std::function<void()> work);
  void taskFailed(kj::Exception&& exception) override;

  Environment& environment_;
  std::string client_name_;
  std::function<void()> changed_;
  std::vector<std::unique_ptr<Endpoint>> endpoints_;
  Endpoint* leader_ = nullptr;
  ClusterId cluster_;                 // of the first member that was met; no other one is spoken to
  Index members_version_;             // of the members that are known
  std::vector<MemberInfo> learners_;  // among them
  Index members_heard_of_;            // there are newer ones, if it is greater
  // The one that leads cannot be reached from here: to ask who leads is of little use until
  // somebody else does.
  bool leader_is_out_of_reach_ = false;
  Duration ask_pause_{};
  bool refreshing_ = false;  // they are being asked for
  Duration refresh_pause_{};
  Term term_;             // the newest heard of; what is said of older ones is not believed
  std::size_t turn_ = 0;  // where the next balanced pick or attempt begins
  bool wanted_ = false;   // somebody waits for a connection
  bool racing_ = false;   // the next attempt is due by a timer
  bool urgent_ = false;   // something was lost: try all at once
  bool asking_ = false;   // members are being asked for the leader
  bool waiting_for_voter_ = false;  // who waits is woken by a timer
  bool closed_ = false;
  std::vector<kj::Own<kj::PromiseFulfiller<void>>> waiters_;
  kj::TaskSet tasks_;
};

}  // namespace coord::internal
