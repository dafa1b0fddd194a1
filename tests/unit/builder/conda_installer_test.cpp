#include "base/checksum.hpp"
#include "base/error.hpp"
#include "builder/conda/installer.hpp"
#include "builder/conda/installer_header.hpp"
#include "builder/conda/installer_source.hpp"
#include "builder/conda/lock_text.hpp"
#include "tests/support/conda_fixture.hpp"
#include "tests/support/error_of.hpp"

#include <catch2/catch.hpp>

using namespace dash;
using namespace dash::builder;
using dash::testing::brief_error_of;
using dash::testing::RawTar;

namespace {

constexpr const char* kName = "Miniconda3-x.sh";

std::string md5_of(std::string_view text) {
  MemorySource source(text);
  return checksum_hex("md5", source);
}

std::string url(const std::string& file) {
  return concat("https://conda.example/main/linux-64/", file);
}

// Two packages, as constructor packs them.
struct Payload {
  std::string python = "python package";
  std::string conda = "conda package";
  std::string urls = concat(url("python-3.7.1-h0_7.tar.bz2"), '#', md5_of(python), '\n',
                            url("conda-4.5.12-py37_0.tar.bz2"), '#', md5_of(conda), '\n');
  bool with_conda = true;

  std::string tar() const {
    const auto preconda = dash::testing::bzip2_bytes(
        RawTar()
            .file("pkgs/urls", urls)
            .file("pkgs/conda-4.5.12-py37_0/info/repodata_record.json", R"({"depends": []})")
            .finish());
    RawTar out;
    out.file("preconda.tar.bz2", preconda)
        .file("LICENSE.txt", "free")
        .file("pkgs/python-3.7.1-h0_7.tar.bz2", python);
    if (with_conda) out.file("pkgs/conda-4.5.12-py37_0.tar.bz2", conda);
    return out.finish();
  }
};

// The format of constructor 2: LINES and BYTES.
std::string old_installer(const std::string& tar, const std::string& platform = "linux-64",
                          std::size_t missing = 0) {
  const auto header = [&](std::size_t bytes) {
    return concat("#!/bin/sh\n#\n# NAME:  Miniconda3\n# VER:   4.5.12\n# PLAT:  ", platform,
                  "\n# BYTES: ", std::string(12 - std::to_string(bytes).size(), ' '), bytes,
                  "\n# LINES: 10\n# MD5:   ", md5_of(tar),
                  "\ntail -n +10 \"$THIS_PATH\" | tar xf -\n@@END_HEADER@@\n");
  };
  const auto out = header(header(0).size() + tar.size()) + tar;
  return out.substr(0, out.size() - missing);
}

// That of constructor 3: programs in front of the tar, sizes in the script.
std::string new_installer(const std::string& tar) {
  const std::string program =
      "\x7f"
      "ELF\n@@END_HEADER@@\n";
  const std::string more = "files of it";
  return concat("#!/bin/sh\n# NAME:  Miniconda3\n# VER:   py311_24.1.2-0\n# PLAT:  linux-64\n# MD5:   ",
                md5_of(program + more + tar), "\nboundary1=$(( boundary0 + ", program.size(),
                " ))\n  boundary2=$(( boundary1 + ", more.size(), " ))\nboundary3=$(( boundary2 + ",
                tar.size(), " ))\n@@END_HEADER@@\n", program, more, tar);
}

struct Directory {
  TempDirectory home = dash::testing::make_temp_directory();
  fs::path write(const std::string& bytes) {
    write_file(home.path() / "installer", bytes);
    return home.path() / "installer";
  }
  std::optional<InstallerContent> read(const std::string& bytes) {
    return read_installer(write(bytes), kName);
  }
  std::string error(const std::string& bytes) {
    return brief_error_of([&] { read(bytes); });
  }
};

}  // namespace

TEST_CASE("conda installer: both formats are read") {
  Directory directory;
  const Payload payload;
  for (const auto& bytes : {old_installer(payload.tar()), new_installer(payload.tar())}) {
    const auto content = directory.read(bytes);
    REQUIRE(content);
    CHECK(content->name == "Miniconda3");
    CHECK(content->conda_version == "4.5.12");
    const auto& packages = content->packages.packages;
    REQUIRE(packages.size() == 2);
    CHECK(packages[0].url == url("python-3.7.1-h0_7.tar.bz2"));
    CHECK(packages[0].digests.md5 == md5_of(payload.python));
    CHECK(packages[0].digests.sha256 == sha256(payload.python));
    CHECK(packages[0].repodata.empty());
    CHECK(packages[1].repodata == R"({"depends": []})");

    const auto lock = lock_from_json(lock_to_json(content->packages));
    CHECK(lock_to_json(lock) == lock_to_json(content->packages));
    CHECK(lock.packages[1].repodata == packages[1].repodata);

    const auto unpacked = directory.home.path() / "unpacked";
    make_directories(unpacked);
    extract_installer_packages(directory.home.path() / "installer", kName, unpacked);
    CHECK(read_file(unpacked / "conda-4.5.12-py37_0.tar.bz2") == payload.conda);
    CHECK_FALSE(fs::exists(unpacked / "LICENSE.txt"));
  }
}

TEST_CASE("conda installer: what is another kind of file") {
  Directory directory;
  CHECK_FALSE(directory.read(""));
  CHECK_FALSE(directory.read("#!/bin/sh\necho install\n"));
  CHECK_FALSE(directory.read("<html>\n@@END_HEADER@@\n"));
  CHECK_FALSE(directory.read("#!/bin/sh\n# NAME:  Other\n@@END_HEADER@@\npayload"));
}

TEST_CASE("conda installer: damaged and wrong ones are refused") {
  Directory directory;
  Payload payload;
  const auto good = payload.tar();
  const auto size = std::to_string(old_installer(good).size());
  CHECK(directory.error(old_installer(good, "linux-64", 100)) ==
        concat("corrupt: Miniconda3-x.sh is damaged: it has ", std::stoul(size) - 100,
               " bytes, its header says ", size));
  CHECK(directory.error(old_installer(good, "osx-64")) ==
        "unsupported: Miniconda3-x.sh is for 'osx-64', not for linux-64");

  auto changed = old_installer(good);
  changed[changed.size() - 2000] ^= 1;
  CHECK(directory.error(changed).starts_with(
      "corrupt: Miniconda3-x.sh is damaged: the MD5 of what it holds is "));
  auto cut = new_installer(good);
  cut.resize(cut.size() - 600);
  CHECK(contains(directory.error(cut), "bytes, fewer than its header says"));
  CHECK(directory.error(old_installer(""))
            .starts_with("corrupt: Miniconda3-x.sh is damaged: there is nothing"));

  payload.with_conda = false;
  CHECK(directory.error(old_installer(payload.tar())) ==
        "corrupt: Miniconda3-x.sh is damaged: conda-4.5.12-py37_0.tar.bz2 is in its list, but not in it");
  payload.urls = "";
  CHECK(directory.error(old_installer(payload.tar())) ==
        "corrupt: Miniconda3-x.sh is damaged: its list of packages is empty");
  CHECK(contains(directory.error(old_installer(RawTar().file("x", "y").finish())),
                 "it has no preconda.tar.bz2"));
  CHECK(directory.error(old_installer("no tar")).starts_with("corrupt: "));
}

TEST_CASE("conda installer: digests") {
  CondaSettings settings;
  CHECK(pinned_digest(settings, "Miniconda3-4.5.12"));
  CHECK(pinned_digest(settings, "Miniconda2-4.5.12"));
  CHECK_FALSE(pinned_digest(settings, "Miniconda3-latest"));
  const std::string hex(64, 'a');
  settings.installers.insert(parse_installer_digest("Miniconda3-4.5.12=" + hex));
  CHECK(to_hex(*pinned_digest(settings, "Miniconda3-4.5.12")) == hex);
  for (const auto* bad : {"Miniconda3-4.5.12", "=", "Miniconda3-latest=12"})
    CHECK(brief_error_of([&] { parse_installer_digest(bad); }).starts_with("usage: the conda installer "));
}
