#ifndef HALFPIPE_TOOLS_INTEROP_NATIVE_SCRIPT_H_
#define HALFPIPE_TOOLS_INTEROP_NATIVE_SCRIPT_H_

// What the peers' programs in C++ do, whatever library they do it with: the same as the scripts in
// Python and JavaScript. A test compiles them with the system's compiler, so this is C++17, has the
// standard library only, and is no part of the build.
//
//   PROGRAM version
//   PROGRAM exchange URL                    text, binary, 1 MiB, fragments, ping, close
//   PROGRAM await-close URL CODE REASON
//   PROGRAM deflate URL DEFLATE             exchange, compressed
//   PROGRAM too-large URL BYTES [DEFLATE]   a message above that many is refused with 1009
//   PROGRAM server [DEFLATE]                an echo server
//
// DEFLATE is "plain", "no-context" or "windows", as Peer::Deflate has it. A client says "did CASE" for
// each case that went as it should; its status is 0 if all did, else the reason is on standard error.

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace halfpipe::interop {

// What to send next.
struct Action {
  enum Kind { kMessage, kPing, kClose } kind = kMessage;
  bool binary = false;
  std::vector<std::string> pieces;  // Of a message: its fragments; else the payload or the reason.
  int code = 0;                     // Of a Close.
};

inline void Say(const std::string& line) {
  std::printf("%s\n", line.c_str());
  std::fflush(stdout);
}

inline std::string Joined(const std::vector<std::string>& pieces) {
  std::string whole;
  for (const std::string& piece : pieces) whole += piece;
  return whole;
}

// The arguments.
struct Command {
  std::string mode;
  std::string host;  // Of the URL, which has the form ws://HOST:PORT/PATH.
  int port = 0;
  std::string path;
  std::vector<std::string> rest;
  std::string deflate;  // Empty: none.

  Command(int argc, char** argv) {
    // Nothing goes on for ever.
    alarm(110);
    rest.assign(argv + 1, argv + argc);
    mode = Next();
    if (mode == "server") {
      deflate = Next();
      return;
    }
    if (mode == "version") return;
    const std::string url = Next();
    const size_t colon = url.find(':', 5);
    const size_t slash = url.find('/', 5);
    host = url.substr(5, colon - 5);
    port = std::atoi(url.substr(colon + 1, slash - colon - 1).c_str());
    path = url.substr(slash);
    if (mode == "deflate" || (mode == "too-large" && rest.size() == 2)) {
      deflate = rest.back();
      rest.pop_back();
    }
  }

  std::string Next() {
    if (rest.empty()) return "";
    std::string first = rest.front();
    rest.erase(rest.begin());
    return first;
  }
};

// A client, told what happens, and telling what to do about it. The library's program says what was
// agreed on.
class ClientScript {
 public:
  // whole: with empty messages and fragments, and pings.
  explicit ClientScript(const Command& command, bool whole = true)
      : command_(command), whole_(whole) {
    if (command.mode == "too-large") {
      const size_t size = std::atoi(command.rest.at(0).c_str());
      Echo("a message at the limit", true, {std::string(size, '\0')});
      steps_.push_back({"1009 above it", {Action::kMessage, true, {std::string(size + 1, 0)}, 0}});
      wanted_code_ = 1009;
    } else if (command.mode == "await-close") {
      wanted_code_ = std::atoi(command.rest.at(0).c_str());
      wanted_reason_ = command.rest.at(1);
    } else {
      if (command.mode == "deflate") Repeat();
      Exchange();
      steps_.push_back({"close", {Action::kClose, false, {"bye from the client"}, 4001}});
      // The answer repeats the code; a reason need not come back.
      wanted_code_ = 4001;
    }
  }

  std::optional<Action> Opened() {
    if (command_.mode == "await-close") Say("open");
    return Current();
  }

  std::optional<Action> Message(bool binary, const std::string& message) {
    if (at_ == steps_.size() || Last().kind != Action::kMessage || binary != Last().binary ||
        message != Joined(Last().pieces)) {
      Fail("a message of " + std::to_string(message.size()) + " bytes is not the echo");
    }
    return Next();
  }

  std::optional<Action> Pong(const std::string& payload) {
    if (at_ == steps_.size() || Last().kind != Action::kPing || payload != Joined(Last().pieces)) {
      Fail("a pong that was not asked for: " + payload);
    }
    return Next();
  }

  // The end. Does not return.
  [[noreturn]] void Closed(int code, const std::string& reason) {
    const bool last = at_ + 1 >= steps_.size();
    if (!last || code != wanted_code_ || (wanted_reason_ && reason != *wanted_reason_)) {
      Fail("closed at step " + std::to_string(at_) + " with " + std::to_string(code) + " " +
           reason);
    }
    if (!steps_.empty()) Say("did " + steps_.back().first);
    std::exit(0);
  }

  [[noreturn]] static void Fail(const std::string& why) {
    std::fprintf(stderr, "%s\n", why.c_str());
    std::exit(1);
  }

 private:
  void Echo(const char* name, bool binary, std::vector<std::string> pieces) {
    steps_.push_back({name, {Action::kMessage, binary, std::move(pieces), 0}});
  }

  // Text that repeats itself, within a message and from one to the next.
  void Repeat() {
    for (int i = 0; i < 20; ++i) {
      std::string text;
      for (int j = 0; j < 50 * i; ++j) text += "{\"id\": " + std::to_string(i * j % 97) + "},";
      Echo("repetition", i % 2 == 1, {text});
    }
  }

  void Exchange() {
    Echo("text", false, {"h\xc3\xa9llo"});
    Echo("binary", true, {std::string("\0\xff\x80", 3)});
    if (whole_) {
      Echo("empty", false, {""});
      Echo("empty", true, {""});
    }
    Echo("1 MiB", false, {std::string(1 << 20, 'm')});
    Echo("1 MiB", true, {std::string(1 << 20, 'm')});
    // The cut is within a character.
    std::vector<std::string> pieces = {"a", "\xc3", "\xa9", "b"};
    if (whole_) pieces.insert(pieces.begin() + 2, "");
    Echo("fragments", false, pieces);
    Echo("fragments", true, pieces);
    if (!whole_) return;
    steps_.push_back({"ping", {Action::kPing, false, {"are you there"}, 0}});
    Echo("ping", false, {"after the ping"});
  }

  const Action& Last() const { return steps_[at_].second; }

  std::optional<Action> Current() const {
    if (at_ == steps_.size()) return std::nullopt;
    return Last();
  }

  std::optional<Action> Next() {
    Say("did " + steps_[at_].first);
    ++at_;
    return Current();
  }

  const Command command_;
  const bool whole_;
  std::vector<std::pair<std::string, Action>> steps_;
  size_t at_ = 0;
  int wanted_code_ = 0;
  std::optional<std::string> wanted_reason_;
};

// What an echo server does about a message; README.md has the three texts.
inline Action AnswerTo(bool binary, const std::string& message) {
  if (binary) return {Action::kMessage, true, {message}, 0};
  if (message == "ping me") return {Action::kPing, false, {"from the server"}, 0};
  if (message == "close me") return {Action::kClose, false, {"as asked"}, 4002};
  if (message == "cut it") return {Action::kMessage, false, {"in ", "three ", "pieces"}, 0};
  return {Action::kMessage, false, {message}, 0};
}

}  // namespace halfpipe::interop

#endif  // HALFPIPE_TOOLS_INTEROP_NATIVE_SCRIPT_H_
