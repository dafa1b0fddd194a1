#include "oci/tree.hpp"

#include "base/archive.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "base/text.hpp"
#include "base/thread_pool.hpp"
#include "tests/support/error_of.hpp"
#include "tests/support/memory_store.hpp"
#include "tests/support/tools.hpp"

#include <array>
#include <cstdio>
#include <functional>

#include <catch2/catch.hpp>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

using namespace dash;
using namespace dash::oci;
using dash::testing::brief_error_of;

namespace {

// A directory to fill, and the layer that becomes of it.
class Tree {
 public:
  std::string path(std::string_view name) const { return (root() / std::string(name)).string(); }
  fs::path root() const { return temp_.path() / "tree"; }

  void directory(std::string_view name, mode_t mode = 0755) {
    REQUIRE(::mkdir(path(name).c_str(), 0700) == 0);
    REQUIRE(::chmod(path(name).c_str(), mode) == 0);
  }
  void file(std::string_view name, std::string_view content = {}, mode_t mode = 0644) {
    const auto fd = open_file(path(name), O_WRONLY | O_CREAT | O_EXCL);
    FdSink(fd.get(), path(name)).write(as_bytes(content));
    REQUIRE(::fchmod(fd.get(), mode) == 0);
  }
  void symlink(std::string_view name, const std::string& target) {
    REQUIRE(::symlink(target.c_str(), path(name).c_str()) == 0);
  }
  void hard_link(std::string_view name, std::string_view existing) {
    REQUIRE(::link(path(existing).c_str(), path(name).c_str()) == 0);
  }
  void node(std::string_view name, mode_t mode, dev_t device = 0) {
    REQUIRE(::mknod(path(name).c_str(), mode, device) == 0);
    REQUIRE(::chmod(path(name).c_str(), mode & 07777U) == 0);
  }
  void attribute(std::string_view name, const char* attribute, std::string_view value) {
    REQUIRE(::setxattr(path(name).c_str(), attribute, value.data(), value.size(), 0) == 0);
  }

  // Reads the tree as a layer and describes each entry in a line.
  std::string layer(const TreeOptions& options = {}) {
    testing::MemoryStore store;
    ThreadPool pool(2);
    LayerWriter writer({store, pool, Compression::parse("none")});
    stats = add_tree(writer, root(), options);
    const auto blob = store.open(writer.finish().blob);
    ArchiveReader reader(*blob, ArchiveReader::Format::tar, "layer");
    std::string out;
    while (const auto entry = reader.next()) out += describe(*entry, reader) + '\n';
    return out;
  }

  TreeStats stats;

 private:
  static std::string describe(const ArchiveEntry& entry, ArchiveReader& reader) {
    static constexpr std::string_view kTypes = "fdlhcbp";
    std::array<char, 8> mode{};
    std::snprintf(mode.data(), mode.size(), "%04o", entry.mode);
    auto line = concat(entry.path, ' ', kTypes[static_cast<std::size_t>(entry.type)], ' ', mode.data(), ' ',
                       entry.uid, ':', entry.gid);
    if (!entry.link_target.empty()) line += " -> " + entry.link_target;
    if (entry.type == EntryType::char_device || entry.type == EntryType::block_device)
      line += concat(' ', entry.device_major, ',', entry.device_minor);
    const auto content = read_all(reader.content(), 1 << 20, "entry");
    if (!content.empty()) line += " " + quoted(content);
    for (const auto& [name, value] : entry.xattrs) line += concat(' ', name, '=', quoted(value));
    return line;
  }

  TempDirectory temp_ = testing::make_temp_directory();
  bool made_ = [this] {
    make_directories(root());
    return ::chmod(root().c_str(), 0751) == 0;
  }();
};

TreeOptions owned() {
  TreeOptions options;
  options.owner = {0, 0};
  return options;
}

// Calls `act` once, when the first bytes of the layer arrive at the store: reading is then a few blocks
// further.
class InterruptingStore : public testing::MemoryStore {
 public:
  explicit InterruptingStore(std::function<void()> act) : act_(std::move(act)) {}
  std::unique_ptr<BlobWriter> begin_write() override { return std::make_unique<Writer>(*this); }

 private:
  class Writer : public BlobWriter {
   public:
    explicit Writer(InterruptingStore& store) : store_(store) {}
    void write(Bytes) override {
      if (store_.act_) std::exchange(store_.act_, nullptr)();
    }
    void commit(const Digest&) override {}

   private:
    InterruptingStore& store_;
  };
  std::function<void()> act_;
};

}  // namespace

TEST_CASE("a tree becomes entries in the order of layers") {
  Tree tree;
  tree.directory("a", 0700);
  tree.directory("a/b", 02775);
  tree.file("a/b/c", "see", 0640);
  tree.file("a-b", "dash", 04755);
  tree.file("a!");
  tree.symlink("a/link", "../no/where");
  tree.node("pipe", S_IFIFO | 0600);
  tree.file(".hidden");
  const auto options = owned();
  CHECK(tree.layer(options) ==
        ".hidden f 0644 0:0\n"
        "a/ d 0700 0:0\n"
        "a/b/ d 2775 0:0\n"
        "a/b/c f 0640 0:0 'see'\n"
        "a/link l 0777 0:0 -> ../no/where\n"
        "a! f 0644 0:0\n"
        "a-b f 4755 0:0 'dash'\n"
        "pipe p 0600 0:0\n");
  CHECK(tree.stats.entries == 8);
  CHECK(tree.stats.content_bytes == 7);
}

TEST_CASE("owners are the files' own unless given") {
  Tree tree;
  tree.file("f");
  CHECK(tree.layer() == concat("f f 0644 ", ::getuid(), ':', ::getgid(), '\n'));
  TreeOptions options;
  options.owner = {32767, 2'500'000};
  CHECK(tree.layer(options) == "f f 0644 32767:2500000\n");
}

TEST_CASE("a prefix gets the directory's own entry and parents") {
  Tree tree;
  tree.file("f");
  TreeOptions options;
  options.owner = {7, 7};
  options.prefix = GENERATE(as<std::string>(), "usr/local/app", "/usr/local/app/");
  CHECK(tree.layer(options) ==
        "usr/ d 0755 0:0\n"
        "usr/local/ d 0755 0:0\n"
        "usr/local/app/ d 0751 7:7\n"
        "usr/local/app/f f 0644 7:7\n");
  options.prefix = "usr/../app";
  CHECK(brief_error_of([&] { tree.layer(options); }) ==
        "invalid_input: the path in the image 'usr/../app' has a part '..'");
}

TEST_CASE("modes of source trees follow the owner's execute bit") {
  Tree tree;
  tree.directory("d", 0700);
  tree.file("d/plain", "", 0660);
  tree.file("d/setuid", "", 06711);
  tree.file("d/others", "", 0655);
  auto options = owned();
  options.modes = TreeOptions::Modes::source;
  options.prefix = "app";
  CHECK(tree.layer(options) ==
        "app/ d 0755 0:0\n"
        "app/d/ d 0755 0:0\n"
        "app/d/others f 0644 0:0\n"
        "app/d/plain f 0644 0:0\n"
        "app/d/setuid f 0755 0:0\n");
}

TEST_CASE("the first of several hard links holds the data") {
  Tree tree;
  tree.file("z", "data");
  tree.hard_link("b", "z");
  tree.directory("a");
  tree.hard_link("a/x", "z");
  auto options = owned();
  options.prefix = "p";
  CHECK(tree.layer(options) ==
        "p/ d 0751 0:0\n"
        "p/a/ d 0755 0:0\n"
        "p/a/x f 0644 0:0 'data'\n"
        "p/b h 0644 0:0 -> p/a/x\n"
        "p/z h 0644 0:0 -> p/a/x\n");
  CHECK(tree.stats.content_bytes == 4);
  options.prefix = "";
  options.keep = [](const std::string& path, EntryType) { return path != "a"; };
  CHECK(tree.layer(options) == "b f 0644 0:0 'data'\nz h 0644 0:0 -> b\n");
  options.hard_links = TreeOptions::HardLinks::copy;
  CHECK(tree.layer(options) == "b f 0644 0:0 'data'\nz f 0644 0:0 'data'\n");
}

TEST_CASE("what is not kept is left out with everything in it") {
  Tree tree;
  tree.directory("d");
  tree.file("d/f");
  tree.file("e");
  tree.symlink("l", "e");
  std::string asked;
  auto options = owned();
  options.prefix = "app";
  options.keep = [&](const std::string& path, EntryType type) {
    asked += concat(path, ' ', static_cast<int>(type), '\n');
    return type != EntryType::directory;
  };
  CHECK(tree.layer(options) == "app/ d 0751 0:0\napp/e f 0644 0:0\napp/l l 0777 0:0 -> e\n");
  CHECK(asked == "d 1\ne 0\nl 2\n");
}

TEST_CASE("sockets are left out") {
  Tree tree;
  tree.node("socket", S_IFSOCK | 0644);
  tree.file("z");
  CHECK(tree.layer(owned()) == "z f 0644 0:0\n");
}

TEST_CASE("devices keep their numbers") {
  Tree tree;
  tree.node("console", S_IFCHR | 0600, makedev(5, 1));
  tree.node("disk", S_IFBLK | 0660, makedev(259, 1000));
  tree.node("zero", S_IFCHR | 0600, makedev(0, 0));
  CHECK(tree.layer(owned()) ==
        "console c 0600 0:0 5,1\n"
        "disk b 0660 0:0 259,1000\n"
        "zero c 0600 0:0 0,0\n");
}

TEST_CASE("extended attributes that mean something in an image are kept") {
  Tree tree;
  tree.file("f");
  tree.directory("d");
  const std::string capability(
      "\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", 20);
  tree.attribute("f", "security.capability", capability);
  tree.attribute("f", "user.note", "x");
  tree.attribute("f", "trusted.private", "y");
  tree.attribute("d", "user.overlay.opaque", "y");
  CHECK(tree.layer(owned()) == concat("d/ d 0755 0:0 user.overlay.opaque='y'\n",
                                      "f f 0644 0:0 security.capability=", quoted(capability),
                                      " user.note='x'\n"));
}

TEST_CASE("an overlay's upper directory becomes whiteouts and opaque markers") {
  Tree tree;
  tree.node("zgone", S_IFCHR | 0600, makedev(0, 0));
  tree.node("real", S_IFCHR | 0600, makedev(1, 3));
  tree.directory("new");
  tree.attribute("new", GENERATE("trusted.overlay.opaque", "user.overlay.opaque"), "y");
  tree.attribute("new", "trusted.overlay.origin", "whatever");
  tree.file("new/-");
  tree.node("new/aside", S_IFCHR | 0600, makedev(0, 0));
  tree.directory("old");
  tree.attribute("old", "trusted.overlay.impure", "y");
  tree.file("old/f", "1");
  tree.attribute("old/f", "trusted.overlay.origin", "whatever");
  tree.attribute("old/f", "user.note", "n");
  auto options = owned();
  options.kind = TreeOptions::Kind::overlay_upper;
  CHECK(tree.layer(options) ==
        ".wh.zgone f 0000 0:0\n"
        "new/ d 0755 0:0\n"
        "new/.wh..wh..opq f 0000 0:0\n"
        "new/- f 0644 0:0\n"
        "new/.wh.aside f 0000 0:0\n"
        "old/ d 0755 0:0\n"
        "old/f f 0644 0:0 '1' user.note='n'\n"
        "real c 0600 0:0 1,3\n");
  CHECK(tree.stats.entries == 8);
  options.keep = [](const std::string& path, EntryType) { return path != "zgone" && path != "new"; };
  CHECK(tree.layer(options) ==
        "old/ d 0755 0:0\n"
        "old/f f 0644 0:0 '1' user.note='n'\n"
        "real c 0600 0:0 1,3\n");
}

TEST_CASE("overlay content that is elsewhere is refused") {
  Tree tree;
  tree.directory("moved");
  tree.attribute("moved", "trusted.overlay.redirect", "/from");
  TreeOptions options;
  options.kind = TreeOptions::Kind::overlay_upper;
  CHECK(brief_error_of([&] { tree.layer(options); }) ==
        concat("unsupported: ", tree.path("moved"),
               " has its content elsewhere (overlayfs attribute trusted.overlay.redirect)"));
}

TEST_CASE("a name that would delete something is refused") {
  Tree tree;
  tree.file(".wh.important");
  CHECK(brief_error_of([&] { tree.layer(); }) ==
        "invalid_input: '.wh.important' cannot be put into a layer: names that start with .wh. mean "
        "deletions");
}

TEST_CASE("paths that no one can open are refused") {
  Tree tree;
  const std::string part(200, 'p');
  auto fd = open_file(tree.root(), O_RDONLY | O_DIRECTORY);
  for (int i = 0; i < 21; ++i) {
    REQUIRE(::mkdirat(fd.get(), part.c_str(), 0755) == 0);
    fd = open_at(fd.get(), part, O_RDONLY | O_DIRECTORY, 0, part);
  }
  CHECK(
      brief_error_of([&] { tree.layer(); }).starts_with("invalid_input: a path is longer than 4095 bytes: "));
}

TEST_CASE("a missing directory and one that is none are named") {
  Tree tree;
  testing::MemoryStore store;
  ThreadPool pool(1);
  LayerWriter writer({store, pool, Compression::parse("none")});
  CHECK(brief_error_of([&] { add_tree(writer, tree.path("absent"), {}); }) ==
        concat("not_found: cannot open ", tree.path("absent"), ": No such file or directory"));
  tree.file("f");
  CHECK(brief_error_of([&] { add_tree(writer, tree.path("f"), {}); }) ==
        concat("not_found: cannot open ", tree.path("f"), ": Not a directory"));
}

// Runs in the store's thread, where Catch's assertions must not be used.
void resize(const std::string& path, std::int64_t size) {
  if (::truncate(path.c_str(), size) != 0) throw system_error(concat("cannot resize ", path), errno);
}

TEST_CASE("a file that changes while it is read is named") {
  struct Case {
    std::function<void(const std::string&)> change;
    std::string how;
  };
  const std::string content(std::size_t{32} << 20, 'x');
  const auto [change, how] = GENERATE_COPY(values<Case>({
      {[](const std::string& path) { resize(path, 100); }, "ends after "},
      {[](const std::string& path) { resize(path, std::int64_t{33} << 20); },
       "now has 34603008 bytes, not 33554432"},
      {[](const std::string& path) {
         const auto fd = open_file(path, O_WRONLY);
         FdSink(fd.get(), path).write(as_bytes("y"));
       },
       "was written to"},
  }));
  Tree tree;
  tree.file("f", content);
  // The change must not fall into the same tick of the file system's clock as the writing above.
  const timespec past[2] = {{1'000'000'000, 0}, {1'000'000'000, 0}};
  REQUIRE(::utimensat(AT_FDCWD, tree.path("f").c_str(), past, 0) == 0);
  InterruptingStore store([&, change_file = change] { change_file(tree.path("f")); });
  ThreadPool pool(1);
  LayerWriter writer({store, pool, Compression::parse("none")});
  const auto error = brief_error_of([&] { add_tree(writer, tree.root(), {}); });
  INFO(error);
  CHECK(error.starts_with(concat("invalid_input: ", tree.path("f"), " changed while it was read: it ", how)));
}

TEST_CASE("reading a tree can be stopped") {
  Tree tree;
  tree.file("f", std::string(std::size_t{32} << 20, 'x'));
  std::stop_source stop;
  InterruptingStore store([&] { stop.request_stop(); });
  ThreadPool pool(1);
  LayerWriter writer({store, pool, Compression::parse("none")});
  CHECK(brief_error_of([&] { add_tree(writer, tree.root(), {}, stop.get_token()); }) ==
        concat("canceled: stopped while reading ", tree.root().string()));
}

TEST_CASE("the order in which files were made does not matter") {
  const auto make = [](bool backwards) {
    Tree tree;
    tree.directory("d");
    for (int i = 0; i < 200; ++i)
      tree.file(concat("d/", backwards ? 199 - i : i), std::to_string(backwards ? 199 - i : i));
    return tree.layer(owned());
  };
  CHECK(make(false) == make(true));
}
