// coordctl against a real member: what it prints, and what its exit codes say.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <fstream>
#include <sstream>

#include "tests/integration/cluster.h"

namespace coord::test {
namespace {

using ::testing::HasSubstr;

class Coordctl : public ::testing::Test {
 protected:
  Coordctl() {
    cluster_.start_all();
    cluster_.wait_until_serving();
  }

  RunResult ctl(std::vector<std::string> arguments, const std::string& input = {}) {
    return cluster_.ctl(std::move(arguments), input);
  }
  RunResult json(std::vector<std::string> arguments, const std::string& input = {}) {
    arguments.insert(arguments.begin(), {"-o", "json"});
    return cluster_.ctl(std::move(arguments), input);
  }
  // What was printed by a command that has to succeed.
  std::string out(std::vector<std::string> arguments, const std::string& input = {}) {
    const RunResult result = ctl(std::move(arguments), input);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return result.out;
  }
  // A coordctl that goes on running, its output in a file.
  Process start(std::vector<std::string> arguments, const std::string& name) {
    arguments.insert(arguments.begin(), program("coordctl"));
    return Process(
        std::move(arguments),
        {.environment = {{"COORDCTL_ENDPOINTS", cluster_.endpoints()}}, .output_file = path(name)});
  }
  std::string path(const std::string& name) const { return directory_.path() / name; }
  std::string printed(const std::string& name) const {
    std::ifstream file(path(name));
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
  }
  bool eventually_printed(const std::string& name, const std::string& text) const {
    return eventually([&] { return printed(name).find(text) != std::string::npos; });
  }

  Cluster cluster_{{.members = 1}};
  TemporaryDirectory directory_;
};

TEST_F(Coordctl, Put_IsSeenByGet) {
  EXPECT_EQ(ctl({"put", "a", "1"}).exit_code, 0);
  EXPECT_EQ(out({"get", "a"}), "1\n");
  EXPECT_EQ(out({"get", "a", "--value-only"}), "1");
  EXPECT_EQ(out({"get", "a", "--stale"}), "1\n");
}

TEST_F(Coordctl, Get_OfAPrefix_PrintsEscapedLines) {
  out({"put", "p/1", "x\ty"});
  out({"put", "p/2", "z"});
  EXPECT_EQ(out({"get", "p/", "--prefix"}), "p/1\tx\\ty\np/2\tz\n");
  EXPECT_EQ(out({"get", "p/", "--prefix", "--keys-only"}), "p/1\np/2\n");
  EXPECT_EQ(out({"get", "p/", "--prefix", "--value-only"}), "x\ty\nz\n");
  EXPECT_EQ(out({"get", "p/", "--prefix", "--limit", "1"}), "p/1\tx\\ty\n");
  EXPECT_EQ(out({"get", "nothing/", "--prefix"}), "");
}

TEST_F(Coordctl, Get_InJson_HasAllFields) {
  out({"put", "a", "1"});
  out({"put", "a", "2"});
  const std::string line = json({"get", "a"}).out;
  EXPECT_EQ(json_field(line, "key"), "a");
  EXPECT_EQ(json_field(line, "value"), "2");
  EXPECT_EQ(json_field(line, "version"), "2");
  EXPECT_EQ(json_field(line, "lease"), "0");
  EXPECT_NE(json_field(line, "create_revision"), json_field(line, "mod_revision"));
}

TEST_F(Coordctl, Get_OfAnOldRevision_ReadsIt) {
  const std::string revision = json_field(json({"put", "a", "old"}).out, "revision");
  out({"put", "a", "new"});
  EXPECT_EQ(out({"get", "a", "--rev", revision}), "old\n");
}

TEST_F(Coordctl, AnyBytes_GoInByStandardInput_AndComeOutTheSame) {
  std::string bytes;
  for (int i = 0; i < 1024; ++i) bytes += static_cast<char>(i % 256);
  out({"put", "binary", "-"}, bytes);
  EXPECT_EQ(out({"get", "binary", "--value-only"}), bytes);
  EXPECT_THAT(json({"get", "binary"}).out, HasSubstr("\"value\":{\"base64\":\"AAEC"));
}

TEST_F(Coordctl, KeysNamedLikeCommandsOrFlags_AreOrdinaryKeys) {
  out({"put", "get", "put"});
  EXPECT_EQ(out({"get", "get"}), "put\n");
  out({"put", "--", "--prefix", "-1"});
  EXPECT_EQ(out({"get", "--", "--prefix"}), "-1\n");
}

TEST_F(Coordctl, MissingKey_IsExitCode3) {
  const RunResult simple = ctl({"get", "nowhere"});
  EXPECT_EQ(simple.exit_code, 3);
  EXPECT_EQ(simple.out, "");
  EXPECT_EQ(simple.err, "coordctl: there is no key \"nowhere\"\n");
  const RunResult machine = json({"get", "nowhere"});
  EXPECT_EQ(machine.exit_code, 3);
  EXPECT_EQ(json_field(machine.err, "error"), "notFound");
  EXPECT_EQ(json_field(machine.err, "outcome"), "notApplied");
}

TEST_F(Coordctl, Del_TellsHowMany) {
  out({"put", "d/1", ""});
  out({"put", "d/2", ""});
  EXPECT_EQ(json_field(json({"del", "d/", "--prefix"}).out, "deleted"), "2");
  EXPECT_EQ(json_field(json({"del", "d/1"}).out, "deleted"), "0");
}

TEST_F(Coordctl, Cas_SetsOnlyWhatIsAsExpected) {
  EXPECT_EQ(ctl({"cas", "c", "--set", "1", "--expect-absent"}).exit_code, 0);
  EXPECT_EQ(ctl({"cas", "c", "--set", "2", "--expect", "1"}).exit_code, 0);
  const RunResult refused = json({"cas", "c", "--set", "3", "--expect", "1"});
  EXPECT_EQ(refused.exit_code, 4);
  EXPECT_EQ(json_field(refused.out, "succeeded"), "false");
  EXPECT_EQ(json_field(refused.out, "found"), "2");
  const std::string revision = json_field(refused.out, "found_mod_revision");
  EXPECT_EQ(ctl({"cas", "c", "--set", "3", "--expect-rev", revision}).exit_code, 0);
  EXPECT_EQ(out({"get", "c"}), "3\n");
  EXPECT_EQ(ctl({"cas", "c", "--set", "4", "--expect-absent"}).exit_code, 4);
}

TEST_F(Coordctl, Txn_TakesTheBranchThatItsConditionsChoose) {
  const std::string text =
      "if\n value t = one\nthen\n put t two\n increment n 5\n sequential s/ x\nelse\n get t\n";
  const RunResult refused = json({"txn"}, text);
  EXPECT_EQ(refused.exit_code, 4);
  EXPECT_EQ(json_field(refused.out, "succeeded"), "false");
  EXPECT_EQ(json_field(refused.err, "outcome"), "applied") << "there is an else block";
  EXPECT_EQ(json_field(json({"txn"}, "if\n exists t\nthen\n del t\n").err, "outcome"),
            "notApplied");
  out({"put", "t", "one"});
  const RunResult done = json({"txn"}, text);
  EXPECT_EQ(done.exit_code, 0) << done.err;
  EXPECT_EQ(json_field(done.out, "succeeded"), "true");
  EXPECT_EQ(json_field(done.out, "number"), "5");
  EXPECT_EQ(out({"get", "t"}), "two\n");
  EXPECT_EQ(ctl({"txn"}, "then\n fly\n").exit_code, 2);
}

TEST_F(Coordctl, Watch_FromARevision_PrintsEachChangeOnce) {
  const std::string revision = json_field(json({"put", "w/a", "1"}).out, "revision");
  out({"put", "other", "x"});
  out({"put", "w/b", "2"});
  out({"del", "w/a"});
  const auto events =
      lines(json({"watch", "w/", "--prefix", "--rev", revision, "--count", "3"}).out);
  ASSERT_EQ(events.size(), 3u);
  EXPECT_EQ(json_field(events[0], "type"), "put");
  EXPECT_EQ(json_field(events[0], "value"), "1");
  EXPECT_EQ(json_field(events[0], "mod_revision"), revision);
  EXPECT_EQ(json_field(events[1], "key"), "w/b");
  EXPECT_EQ(json_field(events[2], "type"), "delete");
  EXPECT_EQ(json_field(events[2], "key"), "w/a");
}

TEST_F(Coordctl, Watch_WithList_FirstPrintsWhatIsThere) {
  out({"put", "l/a", "1"});
  Process watch = start({"-o", "json", "watch", "l/", "--prefix", "--list", "--count", "1"}, "out");
  ASSERT_TRUE(eventually_printed("out", "\"listed\":true"));
  out({"put", "l/a", "2"});
  ASSERT_EQ(watch.wait(Milliseconds(10'000)), 0);
  const auto printed_lines = lines(printed("out"));
  ASSERT_EQ(printed_lines.size(), 2u);
  EXPECT_EQ(json_field(printed_lines[0], "value"), "1");
  EXPECT_EQ(json_field(printed_lines[1], "value"), "2");
}

TEST_F(Coordctl, Watch_WithListAndARevision_BeginsThere) {
  out({"put", "m/a", "1"});
  const std::string then = json_field(json({"put", "m/b", "1"}).out, "revision");
  out({"put", "m/a", "2"});
  out({"del", "m/b"});
  const auto printed_lines =
      lines(out({"watch", "m/", "--prefix", "--list", "--rev", then, "--count", "2"}));
  ASSERT_EQ(printed_lines.size(), 4u);
  EXPECT_THAT(printed_lines[0], HasSubstr("listed\tm/a\t1"));
  EXPECT_THAT(printed_lines[1], HasSubstr("listed\tm/b\t1"));
  EXPECT_THAT(printed_lines[2], HasSubstr("put\tm/a\t2"));
  EXPECT_THAT(printed_lines[3], HasSubstr("delete\tm/b"));
  EXPECT_EQ(ctl({"watch", "m/", "--prefix", "--list", "--rev", "100000"}).exit_code, 1);
}

TEST_F(Coordctl, Lease_TakesItsKeysWithIt) {
  const std::string granted = json({"lease", "grant", "60s"}).out;
  const std::string id = json_field(granted, "id");
  EXPECT_EQ(json_field(granted, "ttl_ms"), "60000");
  out({"put", "leased", "x", "--lease", id});
  const std::string ttl = json({"lease", "ttl", id}).out;
  EXPECT_EQ(json_field(ttl, "id"), id);
  EXPECT_NE(json_field(ttl, "remaining_ms"), "");
  EXPECT_THAT(ttl, HasSubstr("\"keys\":[\"leased\"]"));
  EXPECT_THAT(out({"lease", "list"}), HasSubstr(id));
  EXPECT_EQ(ctl({"lease", "keepalive", id, "--once"}).exit_code, 0);
  EXPECT_EQ(ctl({"lease", "revoke", id}).exit_code, 0);
  EXPECT_EQ(ctl({"get", "leased"}).exit_code, 3);
  EXPECT_EQ(ctl({"lease", "ttl", id}).exit_code, 3);
  EXPECT_EQ(ctl({"lease", "keepalive", id}).exit_code, 3);
  EXPECT_EQ(ctl({"put", "leased", "x", "--lease", id}).exit_code, 3);
}

TEST_F(Coordctl, Lock_GivesItsCommandTheToken_AndPassesItsExitCodeOn) {
  const RunResult first =
      ctl({"lock", "l", "--", "sh", "-c", "echo $COORD_LOCK_NAME $COORD_LOCK_TOKEN; exit 42"});
  EXPECT_EQ(first.exit_code, 42) << first.err;
  const RunResult second =
      ctl({"lock", "l", "--", "sh", "-c", "echo $COORD_LOCK_NAME $COORD_LOCK_TOKEN"});
  EXPECT_EQ(second.exit_code, 0) << second.err;
  std::string name;
  int first_token = 0;
  int second_token = 0;
  std::istringstream(first.out) >> name >> first_token;
  std::istringstream(second.out) >> name >> second_token;
  EXPECT_EQ(name, "l");
  EXPECT_GT(first_token, 0);
  EXPECT_GT(second_token, first_token);
}

TEST_F(Coordctl, Lock_ThatIsHeld_IsNotObtained_AndCanBeSeen) {
  Process holder = start({"lock", "busy"}, "holder");
  ASSERT_TRUE(eventually_printed("holder", "token"));
  EXPECT_EQ(ctl({"lock", "busy", "--try", "--", "true"}).exit_code, 5);
  EXPECT_EQ(ctl({"lock", "busy", "--wait", "100ms", "--", "true"}).exit_code, 5);
  const std::string shown = json({"lock", "--show", "busy"}).out;
  EXPECT_EQ(json_field(shown, "name"), "busy");
  EXPECT_EQ(json_field(shown, "mode"), "exclusive");
  EXPECT_EQ(json_field(shown, "pid"), std::to_string(holder.pid()));
  EXPECT_THAT(shown, HasSubstr("\"waiters\":[]"));
  EXPECT_THAT(out({"lock", "--list"}), HasSubstr("busy\texclusive"));
  EXPECT_THAT(out({"session", "list"}), HasSubstr("holds busy"));
  holder.signal(SIGTERM);
  EXPECT_EQ(holder.wait(Milliseconds(10'000)), 0);
  EXPECT_EQ(ctl({"lock", "--show", "busy"}).exit_code, 3);
}

TEST_F(Coordctl, SharedLocks_AreHeldTogether) {
  Process holder = start({"lock", "s", "--shared"}, "holder");
  ASSERT_TRUE(eventually_printed("holder", "token"));
  EXPECT_EQ(ctl({"lock", "s", "--shared", "--try", "--", "true"}).exit_code, 0);
  EXPECT_EQ(ctl({"lock", "s", "--try", "--", "true"}).exit_code, 5);
}

TEST_F(Coordctl, LostLock_EndsItsCommand_WithExitCode5) {
  Process holder = start(
      {"lock", "lost", "--", "sh", "-c", "echo session $COORD_LOCK_SESSION; sleep 1000"}, "holder");
  ASSERT_TRUE(eventually_printed("holder", "\n"));
  std::string word;
  std::string session;
  std::istringstream(printed("holder")) >> word >> session;
  out({"lease", "revoke", session});
  EXPECT_EQ(holder.wait(Milliseconds(20'000)), 5);
  EXPECT_THAT(printed("holder"), HasSubstr("the lock \"lost\" was lost"));
}

TEST_F(Coordctl, Elect_PublishesItsValue_UntilItEnds) {
  EXPECT_EQ(ctl({"elect", "--leader", "e"}).exit_code, 3);
  Process observer = start({"-o", "json", "elect", "--observe", "e", "--count", "2"}, "observed");
  Process leader = start({"elect", "e", "me", "--", "sh", "-c", "echo led; sleep 1000"}, "leader");
  ASSERT_TRUE(eventually_printed("leader", "led"));
  const std::string shown = json({"elect", "--leader", "e"}).out;
  EXPECT_EQ(json_field(shown, "name"), "e");
  EXPECT_EQ(json_field(shown, "value"), "me");
  EXPECT_NE(json_field(shown, "token"), "0");
  EXPECT_NE(json_field(shown, "session"), "0");
  EXPECT_EQ(out({"elect", "--leader", "e"}), "me\n");
  ASSERT_TRUE(eventually_printed("observed", "me"));
  leader.signal(SIGTERM);  // goes to the command, whose end is the leader's
  EXPECT_EQ(leader.wait(Milliseconds(10'000)), 128 + SIGTERM);
  EXPECT_EQ(ctl({"elect", "--leader", "e"}).exit_code, 3);
  EXPECT_EQ(observer.wait(Milliseconds(10'000)), 0);
}

TEST_F(Coordctl, SignalWhileWaiting_GivesUpThePlace) {
  Process holder = start({"lock", "q"}, "holder");
  ASSERT_TRUE(eventually_printed("holder", "token"));
  Process waiter = start({"lock", "q"}, "waiter");
  ASSERT_TRUE(eventually([&] {
    return json({"lock", "--show", "q"}).out.find("\"waiters\":[{") != std::string::npos;
  }));
  waiter.signal(SIGINT);
  EXPECT_EQ(waiter.wait(Milliseconds(10'000)), 5);
  EXPECT_TRUE(eventually([&] {
    return json({"lock", "--show", "q"}).out.find("\"waiters\":[]") != std::string::npos;
  }));
}

TEST_F(Coordctl, Status_AndHealth_TellOfEachMember) {
  const std::string line = json({"status"}).out;
  EXPECT_EQ(json_field(line, "name"), "n1");
  EXPECT_EQ(json_field(line, "role"), "leader");
  EXPECT_EQ(json_field(line, "leader"), json_field(line, "id"));
  for (const char* field : {"term", "commit_index", "applied_index", "revision", "version"}) {
    EXPECT_NE(json_field(line, field), "") << field;
  }
  EXPECT_EQ(out({"health"}), "healthy\n");
  EXPECT_THAT(out({"status"}), HasSubstr("NAME"));
}

TEST_F(Coordctl, Compact_RemovesWhatWasBefore_AndSaysWhatIsLeft) {
  const std::string old_revision = json_field(json({"put", "a", "old"}).out, "revision");
  const std::string revision = json_field(json({"put", "a", "new"}).out, "revision");
  EXPECT_EQ(json_field(json({"compact", revision}).out, "compact_revision"), revision);
  EXPECT_EQ(out({"get", "a", "--rev", revision}), "new\n");
  const RunResult gone = json({"get", "a", "--rev", old_revision});
  EXPECT_EQ(gone.exit_code, 1);
  EXPECT_EQ(json_field(gone.err, "error"), "compacted");
  EXPECT_THAT(gone.err, HasSubstr("the oldest kept is " + revision));
  EXPECT_EQ(json_field(json({"watch", "a", "--rev", old_revision}).err, "error"), "compacted");
  EXPECT_EQ(json_field(json({"status"}).out, "compact_revision"), revision);

  EXPECT_EQ(json_field(json({"compact", revision}).err, "error"), "compacted");
  EXPECT_EQ(json_field(json({"compact", "1000000"}).err, "error"), "futureRevision");
  EXPECT_EQ(ctl({"compact", "1000000"}).exit_code, 1);
  out({"put", "a", "newer"});
  EXPECT_THAT(out({"compact", std::to_string(std::stoull(revision) + 1)}),
              HasSubstr("oldest revision kept"));
}

TEST_F(Coordctl, Limits_AreExitCode8) {
  EXPECT_EQ(ctl({"put", "big", "-"}, std::string((1 << 20) + 1, 'x')).exit_code, 8);
  EXPECT_EQ(ctl({"put", std::string(4097, 'k'), "v"}).exit_code, 8);
  EXPECT_EQ(ctl({"put", "", "v"}).exit_code, 1);
  EXPECT_EQ(ctl({"watch", std::string(4097, 'k')}).exit_code, 8);
  EXPECT_EQ(ctl({"lock", std::string(1025, 'n'), "--try", "--", "true"}).exit_code, 8);
}

TEST_F(Coordctl, Error_IsOneLineOfText_WhateverBytesAreInIt) {
  const std::string name = "two\nlines\xff";
  for (const RunResult& result :
       {ctl({"lock", "--show", name}), ctl({"elect", "--leader", name})}) {
    EXPECT_EQ(result.exit_code, 3);
    EXPECT_EQ(lines(result.err).size(), 1u) << result.err;
  }
  const RunResult result = json({"txn"}, "then\n " + name + "\n");
  EXPECT_EQ(lines(result.err).size(), 1u) << result.err;
  EXPECT_THAT(json_field(result.err, "message"), HasSubstr("line 2"));
}

TEST(CoordctlAlone, WrongUsage_IsExitCode2_WithAHelpfulLine) {
  const auto ctl = [](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), program("coordctl"));
    return run(arguments);
  };
  for (const auto& arguments : std::vector<std::vector<std::string>>{
           {},
           {"fly"},
           {"get"},
           {"put", "k"},
           {"get", "k", "--nonsense"},
           {"cas", "k", "--set", "v"},
           {"cas", "k", "--set", "v", "--expect", "x", "--expect-absent"},
           {"--timeout", "5", "health"},
           {"compact"},
           {"compact", "0"},
           {"compact", "-1"},
           {"lease", "grant", "soon"},
           {"lease"},
           {"lock"},
           {"lock", "n", "--try", "--wait", "1s"},
           {"elect", "n"},
           {"--endpoints", "nonsense", "health"},
           {"--endpoints", "http://127.0.0.1:4701", "health"},
           {"--endpoints", "127.0.0.1:4701 127.0.0.1:4702", "health"},
           {"--endpoints", "::1:4701", "health"},
           {"get", "k", "--rev", "-1"},
           {"get", "k", "--rev", ""},
           {"get", "k", "--rev", "0x10"},
           {"get", "k", "--rev", "99999999999999999999"},
           {"get", "k", "--rev", "two\nlines"},
           {"get", "k", "--prefix", "--limit", "-1"},
           {"put", "k", "v", "--lease", "-1"},
           {"lease", "ttl", "-1"},
           {"lease", "revoke", "99999999999999999999"},
           {"cas", "k", "--set", "v", "--expect-rev", "-1"},
           {"watch", "k", "--count", "-1"},
           {"watch", "k", "--count", "0"},
           {"-o", "yaml", "health"},
       }) {
    const RunResult result = ctl(arguments);
    EXPECT_EQ(result.exit_code, 2) << result.out << result.err;
    EXPECT_EQ(lines(result.err).size(), 1u) << result.err;
    EXPECT_THAT(result.err, HasSubstr("--help"));
  }
  EXPECT_EQ(json_field(ctl({"-o", "json", "fly"}).err, "error"), "usage");
  EXPECT_EQ(ctl({"--help"}).exit_code, 0);
  EXPECT_EQ(ctl({"lock", "--help"}).exit_code, 0);
  EXPECT_EQ(ctl({"version"}).exit_code, 0);
}

TEST(CoordctlAlone, NobodyThere_IsExitCode7) {
  const std::string nowhere = "127.0.0.1:" + std::to_string(free_port());
  for (const auto& command : std::vector<std::vector<std::string>>{
           {"get", "k"}, {"put", "k", "v"}, {"health"}, {"status"}, {"watch", "k"}}) {
    std::vector<std::string> arguments = {program("coordctl"), "--endpoints", nowhere, "--timeout",
                                          "300ms"};
    arguments.insert(arguments.end(), command.begin(), command.end());
    const RunResult result = run(arguments);
    EXPECT_EQ(result.exit_code, 7) << command.front() << ": " << result.err;
    EXPECT_EQ(lines(result.err).size(), 1u);
  }
}

}  // namespace
}  // namespace coord::test
