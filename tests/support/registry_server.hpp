// A real registry (Debian's docker-registry) on a loopback port, for as long as the object lives.
#pragma once

#include "base/file.hpp"
#include "base/process.hpp"
#include "base/text.hpp"
#include "tests/support/tools.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace dash::testing {

// A port that nobody listens on just now.
inline int free_port() {
  const UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), size);
  ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.sin_port);
}

inline bool listens(int port) {
  const UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  return ::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
}

// Runs a program in the background; it ends with the object.
class BackgroundProgram {
 public:
  explicit BackgroundProgram(std::vector<std::string> argv)
      : thread_([argv = std::move(argv)](std::stop_token stop) {
          ProcessOptions options;
          options.argv = argv;
          options.environment = tool_environment();
          try {
            run_process(options, stop);
          } catch (const Error&) {
            // stopped, as meant
          }
        }) {}

 private:
  std::jthread thread_;
};

class RegistryServer {
 public:
  // `closed`: TLS with a CA of its own (`ca()`), and only user "sam" with password "open sesame" may enter.
  enum class Access { open, closed };
  explicit RegistryServer(Access access = Access::open) : port_(free_port()) {
    const auto& d = directory_.path().string();
    std::string config =
        concat("version: 0.1\nlog: {level: error}\nstorage:\n  filesystem: {rootdirectory: ", d,
               "/data}\n  delete: {enabled: true}\nhttp:\n  addr: 127.0.0.1:", port_, "\n  secret: test\n");
    if (access == Access::closed) {
      run_script(concat("cd ", d, R"(
        openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -days 2 -subj /CN=test-ca 2>/dev/null
        openssl req -newkey rsa:2048 -nodes -keyout key.pem -out req.pem -subj /CN=localhost 2>/dev/null
        printf 'subjectAltName=IP:127.0.0.1,DNS:localhost' > ext
        openssl x509 -req -in req.pem -CA ca.crt -CAkey ca.key -CAcreateserial -out cert.pem -days 2 -extfile ext 2>/dev/null
        python3 -W ignore -c 'import crypt; print("sam:" + crypt.crypt("open sesame", "$2b$05$abcdefghijklmnopqrstuu"))' > users)"));
      config += concat("  tls: {certificate: ", d, "/cert.pem, key: ", d,
                       "/key.pem}\nauth:\n  htpasswd: {realm: test, path: ", d, "/users}\n");
    }
    write_file_atomic(directory_.path() / "config.yml", config);
    program_.emplace(std::vector<std::string>{"docker-registry", "serve", d + "/config.yml"});
    for (int i = 0; i < 200 && !listens(port_); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }

  std::string address() const { return concat("127.0.0.1:", port_); }
  fs::path ca() const { return directory_.path() / "ca.crt"; }
  fs::path data() const { return directory_.path() / "data"; }

 private:
  TempDirectory directory_ = make_temp_directory();
  int port_;
  std::optional<BackgroundProgram> program_;
};

}  // namespace dash::testing
