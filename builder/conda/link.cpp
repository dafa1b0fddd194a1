#include "builder/conda/link.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "builder/conda/package_paths.hpp"
#include "builder/conda/package_record.hpp"
#include "builder/conda/pyc_stamp.hpp"
#include "builder/python/install.hpp"
#include "oci/layer_writer.hpp"

#include <algorithm>
#include <map>

namespace dash::builder {
namespace {

constexpr std::string_view kSitePackages = "site-packages/";
constexpr std::string_view kPythonScripts = "python-scripts/";
constexpr unsigned kModeBits = 0777;

std::string script_text(const EntryPoint& entry, const CondaScheme& scheme) {
  return concat(script_shebang(scheme.python()), "# -*- coding: utf-8 -*-\nimport sys\n\nfrom ", entry.module,
                " import ", entry.function.substr(0, entry.function.find('.')),
                "\n\nif __name__ == '__main__':\n    sys.exit(", entry.function, "())\n");
}

class Linker {
 public:
  Linker(std::shared_ptr<const PackageArchive> archive, const CondaPackageUrl& package,
         const CondaScheme& scheme)
      : archive_(std::move(archive)),
        package_(package),
        scheme_(scheme),
        index_(read_package_index(*archive_, package)) {
    if (index_.noarch == PackageIndex::Noarch::python && scheme_.python_version.empty())
      throw Error(ErrorCode::invalid_input,
                  concat(archive_->name(), " is a Python package, and there is no Python to install it for"))
          .with_hint("Add python to the packages.");
  }

  LinkedPackage link() {
    for (const PackagePath& path : package_paths(*archive_)) add(path);
    for (const EntryPoint& entry : index_.entry_points) add_script(entry);
    settle_bytecode();

    LinkedPackage out;
    out.name = index_.name;
    out.version = index_.version;
    out.build = index_.build;
    out.dependencies = index_.dependencies;
    out.warnings = warnings();
    out.record_path = in_prefix(concat("conda-meta/", package_.dist(), ".json"));
    // In the order of paths, whatever that of the package is.
    std::vector<RecordedPath> recorded;
    for (auto& [path, item] : items_) {
      if (path == out.record_path) continue;
      recorded.push_back(std::move(item.recorded));
      out.files.push_back(std::move(item.file));
    }
    out.record = package_record(index_, package_, scheme_.prefix, std::move(recorded));
    std::ranges::sort(out.files, oci::layer_path_less, &LinkedFile::path);
    for (std::size_t i = 0; i < out.files.size(); ++i)
      if (const auto source = sources_.find(out.files[i].path); source != sources_.end())
        out.sources.push_back({i, source->second});
    out.archive = archive_;
    return out;
  }

 private:
  struct Item {
    LinkedFile file;
    RecordedPath recorded;
  };

  [[noreturn]] void fail(const std::string& what) const {
    throw Error(ErrorCode::corrupt, concat(archive_->name(), ": ", what))
        .with_hint("The package is broken. Use another version or build of it, or report it to its channel.");
  }

  std::string in_prefix(std::string_view path) const { return concat(scheme_.prefix.substr(1), '/', path); }

  // Where a file of the package goes, relative to the prefix.
  std::string target(const std::string& path) const {
    if (index_.noarch != PackageIndex::Noarch::python) return path;
    if (path.starts_with(kSitePackages))
      return concat(scheme_.site_packages(), '/', path.substr(kSitePackages.size()));
    if (path.starts_with(kPythonScripts)) return concat("bin/", path.substr(kPythonScripts.size()));
    return path;
  }

  void add(const PackagePath& path) {
    Item item;
    item.recorded.path = target(path.path);
    item.recorded.sha256 = path.sha256;
    item.recorded.size = path.size;
    item.recorded.no_link = path.no_link == PackagePath::NoLink::yes;
    item.file.path = in_prefix(item.recorded.path);
    const ArchivedFile* archived = archive_->find(path.path);
    if (path.type == EntryType::directory ||
        (archived != nullptr && archived->type == EntryType::directory)) {
      item.file.type = EntryType::directory;
      item.file.mode = 0755;
      item.recorded.type = "directory";
    } else {
      if (archived == nullptr) fail(concat("its list of files has ", path.path, ", which is not in it"));
      add_content(item, path, *archived);
    }
    items_.insert_or_assign(item.file.path, std::move(item));
  }

  void add_content(Item& item, const PackagePath& path, const ArchivedFile& archived) {
    LinkedFile& file = item.file;
    file.type = archived.type;
    if (archived.type == EntryType::symlink) {
      file.mode = 0777;
      file.link_target = archived.link_target;
      item.recorded.type = "softlink";
      return;
    }
    check(path, archived);
    file.mode = archived.mode & kModeBits;
    file.archived = &archived;
    file.size = archived.size;
    file.sha256 = archived.sha256;
    item.recorded.type = "hardlink";
    item.recorded.sha256 = to_hex(archived.sha256);
    item.recorded.size = archived.size;
    if (path.mode != Replacement::Mode::none) {
      file.replacement = {path.mode, path.placeholder, scheme_.prefix};
      const std::string content = with_context(
          concat("installing ", path.path, " of ", archive_->name()),
          [&] { return replace_prefix(as_text(archive_->content(archived)), file.replacement); });
      file.size = content.size();
      file.sha256 = sha256(content);
      item.recorded.placeholder = path.placeholder;
      item.recorded.file_mode = path.mode == Replacement::Mode::text ? "text" : "binary";
      // Nothing to replace is nothing changed.
      if (file.sha256 == archived.sha256) file.replacement = {};
    }
    item.recorded.sha256_in_prefix = to_hex(file.sha256);
  }

  // As in conda, what is wrong with one file is worth a warning: the package's own digest vouches for it.
  void check(const PackagePath& path, const ArchivedFile& archived) {
    if (path.size && *path.size != archived.size)
      wrong_.push_back(concat(path.path, " has ", archived.size, " bytes instead of ", *path.size));
    else if (!path.sha256.empty() && path.sha256 != to_hex(archived.sha256))
      wrong_.push_back(concat(path.path, " has another checksum"));
  }

  std::vector<std::string> warnings() const {
    if (wrong_.empty()) return {};
    return {concat(archive_->name(), " is not what its own list of files says: ", wrong_.front(),
                   wrong_.size() == 1 ? "" : concat(", and ", wrong_.size() - 1, " more"))};
  }

  void add_script(const EntryPoint& entry) {
    if (entry.name.empty() || entry.name == "." || entry.name == ".." || contains(entry.name, "/") ||
        !is_utf8(entry.name))
      fail(concat("it has an entry point that cannot be a file's name: ", dash::quoted(entry.name)));
    Item item;
    item.recorded.path = concat("bin/", entry.name);
    item.recorded.type = "unix_python_entry_point";
    item.file.path = in_prefix(item.recorded.path);
    item.file.mode = 0755;
    item.file.text = script_text(entry, scheme_);
    item.file.size = item.file.text.size();
    item.file.sha256 = sha256(item.file.text);
    items_.insert_or_assign(item.file.path, std::move(item));
  }

  // Files keep no times in layers. So a .pyc that was valid, because it has its source's time, gets the one
  // that all files have; a .pyc that never was goes, and its source is compiled, as those without one are.
  void settle_bytecode() {
    if (scheme_.python_version.empty()) return;
    const std::string library = in_prefix(concat("lib/python", scheme_.python_minor(), '/'));
    const std::string site = in_prefix(scheme_.site_packages() + '/');
    std::vector<std::string> stale;
    for (auto& [path, item] : items_) {
      if (item.file.type != EntryType::file || !path.ends_with(".py")) continue;
      const std::string pyc = pyc_path(path);
      const auto found = items_.find(pyc);
      if (found != items_.end() && renew(found->second.file, item.file)) {
        found->second.recorded.sha256_in_prefix = to_hex(found->second.file.sha256);
        continue;
      }
      if (!path.starts_with(library) && !path.starts_with(site)) continue;
      if (found != items_.end()) stale.push_back(pyc);
      sources_.emplace(path, pyc);
    }
    for (const std::string& pyc : stale) items_.erase(pyc);
  }

  // Whether the .pyc is valid for its source, and stays so in the image.
  bool renew(LinkedFile& pyc, const LinkedFile& source) const {
    if (pyc.archived == nullptr || source.archived == nullptr || !source.is_unchanged()) return false;
    const std::string_view content = as_text(archive_->content(*pyc.archived));
    const auto stamp = read_pyc_stamp(content);
    if (!stamp) return content.size() > 16;  // a hash tells whether it is valid, whenever
    const auto written = static_cast<std::uint32_t>(source.archived->mtime);
    if (stamp->time != written || (stamp->size && *stamp->size != source.size)) return false;
    pyc.source_time = scheme_.file_times;
    pyc.sha256 = sha256(with_pyc_time(content, *pyc.source_time));
    return true;
  }

  std::string pyc_path(const std::string& source) const {
    if (scheme_.python_version.starts_with("2.")) return source + 'c';
    const std::size_t slash = source.rfind('/');
    std::string tag = scheme_.python_minor();
    std::erase(tag, '.');
    const std::string stem = source.substr(slash + 1, source.size() - slash - 1 - 3);
    return concat(source.substr(0, slash), "/__pycache__/", stem, ".cpython-", tag, ".pyc");
  }

  std::shared_ptr<const PackageArchive> archive_;
  const CondaPackageUrl& package_;
  const CondaScheme& scheme_;
  PackageIndex index_;
  std::map<std::string, Item> items_;           // by path in the image: a later one replaces an earlier
  std::map<std::string, std::string> sources_;  // path → path of the .pyc
  std::vector<std::string> wrong_;
};

}  // namespace

std::string CondaScheme::python_minor() const {
  return python_version.substr(0, python_version.find('.', python_version.find('.') + 1));
}

std::string CondaScheme::site_packages() const {
  if (!python_site_packages.empty()) return python_site_packages;
  return concat("lib/python", python_minor(), "/site-packages");
}

std::string CondaScheme::python() const {
  return concat(prefix, "/bin/python", python_minor());
}

std::string LinkedPackage::content(const LinkedFile& file) const {
  if (file.archived == nullptr) return file.text;
  const std::string_view content = as_text(archive->content(*file.archived));
  if (file.source_time) return with_pyc_time(content, *file.source_time);
  return replace_prefix(content, file.replacement);
}

LinkedPackage link_package(std::shared_ptr<const PackageArchive> archive, const CondaPackageUrl& package,
                           const CondaScheme& scheme) {
  return Linker(std::move(archive), package, scheme).link();
}

std::string record_with_bytecode(const LinkedPackage& package, const CondaScheme& scheme,
                                 const std::vector<std::string>& pyc_paths) {
  if (pyc_paths.empty()) return package.record;
  std::vector<std::string> relative;
  for (const std::string& path : pyc_paths) relative.push_back(path.substr(scheme.prefix.size()));
  return add_bytecode(package.record, relative);
}

std::string post_link_script(const std::string& name, const CondaScheme& scheme) {
  return concat(scheme.prefix.substr(1), "/bin/.", name, "-post-link.sh");
}

}  // namespace dash::builder
