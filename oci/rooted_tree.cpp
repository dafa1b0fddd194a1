#include "oci/rooted_tree.hpp"

#include "base/error.hpp"
#include "base/text.hpp"

#include <array>
#include <cerrno>
#include <climits>

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace dash::oci {

namespace {

constexpr int kMaxLinks = 40;  // as the kernel's limit for one path

std::string read_link(int parent, const std::string& name) {
  std::array<char, PATH_MAX> target{};
  const auto size = ::readlinkat(parent, name.c_str(), target.data(), target.size());
  return size < 0 ? std::string() : std::string(target.data(), static_cast<std::size_t>(size));
}

}  // namespace

std::string normalize_entry_path(std::string_view name) {
  if (name.empty()) throw Error(ErrorCode::corrupt, "its name is empty");
  std::string path;
  for (const auto part : split(name, '/')) {
    if (part.empty() || part == ".") continue;
    if (part == "..") throw Error(ErrorCode::corrupt, "its name has a '..' in it");
    if (!path.empty()) path += '/';
    path += part;
  }
  return path;
}

SplitPath split_entry_path(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return {"", path};
  return {path.substr(0, slash), path.substr(slash + 1)};
}

RootedTree::RootedTree(const fs::path& root) : root_(open_file(root, O_RDONLY | O_DIRECTORY)) {
  if (try_open("")) return;
  auto error = system_error(concat("cannot resolve paths below ", root.string()), errno);
  if (errno == ENOSYS)
    error.with_hint("unpacking layers needs openat2(2): Linux 5.6 or later, allowed by seccomp");
  throw error;
}

UniqueFd RootedTree::try_open(const std::string& path) const {
  open_how how{};
  how.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  for (;;) {
    UniqueFd fd(static_cast<int>(
        ::syscall(SYS_openat2, root_.get(), path.empty() ? "." : path.c_str(), &how, sizeof how)));
    // EAGAIN: something was renamed elsewhere on the system while ".." was resolved.
    if (fd || (errno != EAGAIN && errno != EINTR)) return fd;
  }
}

UniqueFd RootedTree::make(const std::string& path, const MakeHooks& hooks) const {
  int links_left = kMaxLinks;
  return make(path, hooks, links_left);
}

UniqueFd RootedTree::make(const std::string& path, const MakeHooks& hooks, int& links_left) const {
  auto here = try_open("");
  std::string done;
  for (const auto part : split(path, '/')) {
    if (part.empty() || part == ".") continue;
    const std::string name(part);
    const auto next = done.empty() ? name : concat(done, '/', name);
    auto fd = try_open(next);
    if (!fd && errno == ENOTDIR) {
      if (hooks.unblock(here.get(), name, next)) fd = try_open(next);
      if (!fd) {
        errno = ENOTDIR;
        return {};
      }
    }
    if (!fd) {
      if (::mkdirat(here.get(), name.c_str(), 0755) == 0) {
        fd = UniqueFd(::openat(here.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        if (!fd || ::fchown(fd.get(), 0, 0) != 0 || ::fchmod(fd.get(), 0755) != 0) return {};
        hooks.made(fd.get(), next);
      } else if (const auto target = errno == EEXIST ? read_link(here.get(), name) : ""; !target.empty()) {
        if (links_left-- == 0) {
          errno = ELOOP;
          return {};
        }
        fd = make(target.front() == '/' ? target : concat(done, '/', target), hooks, links_left);
      }
      if (!fd) return {};
    }
    here = std::move(fd);
    done = next;
  }
  return here;
}

}  // namespace dash::oci
