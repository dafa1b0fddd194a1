#include "builder/conda/linked_content.hpp"

#include "base/text.hpp"

#include <algorithm>
#include <optional>

namespace dash::builder {
namespace {

// Equal names, equal files.
std::string content_name(const LinkedFile& file) {
  if (file.type == EntryType::symlink) return concat("-> ", file.link_target);
  return concat(to_hex(file.sha256).substr(0, 24), file.mode == 0644 ? "" : concat('/', file.mode));
}

// How much smaller sources are when compressed; byte code then has about the size of its source.
constexpr std::uint64_t kSourceRatio = 4;

}  // namespace

PackageFacts package_facts(const LinkedPackage& package, std::uint64_t archive_size, PycFiles pyc_files) {
  PackageFacts out;
  out.name = package.name;
  out.version = package.version;
  out.dependencies = package.dependencies;
  out.weight = archive_size;
  for (const LinkedFile& file : package.files)
    if (file.type != EntryType::directory) out.files.push_back({file.path, content_name(file)});
  out.files.push_back({package.record_path, ""});
  if (pyc_files == PycFiles::omit) return out;
  for (const LinkedSource& source : package.sources) {
    const LinkedFile& file = package.files[source.file];
    out.files.push_back({source.pyc_path, content_name(file), PackageFacts::File::Kind::bytecode});
    out.weight += file.size / kSourceRatio;
  }
  return out;
}

void add_package(LayerEntries& entries, const LinkedPackage& package, const CondaScheme& scheme,
                 const Bytecode* bytecode) {
  for (const LinkedFile& file : package.files) {
    LayerEntry entry = package_entry(file.path, file.mode);
    entry.entry.type = file.type;
    entry.entry.link_target = file.link_target;
    entry.entry.size = file.type == EntryType::file ? file.size : 0;
    if (file.is_unchanged())
      entry.mapped = package.archive->content(*file.archived);
    else if (file.archived != nullptr)
      entry.read = [&package, &file] { return package.content(file); };
    else
      entry.text = file.text;
    entries.add(std::move(entry));
  }
  std::vector<std::string> compiled;
  for (const LinkedSource& source : package.sources) {
    const std::optional<Bytes> pyc =
        bytecode == nullptr ? std::nullopt : bytecode->find(package.files[source.file].path);
    if (!pyc) continue;
    LayerEntry entry = package_entry(source.pyc_path, 0644);
    entry.mapped = *pyc;
    entry.entry.size = pyc->size();
    entries.add(std::move(entry));
    compiled.push_back(source.pyc_path);
  }
  entries.add_text(package.record_path, record_with_bytecode(package, scheme, compiled));
}

CompileRequest compile_request(const LinkedPackage& package, std::string key,
                               const fs::path& changed_sources) {
  CompileRequest out;
  out.key = std::move(key);
  out.files = {package.archive->content_file()};
  out.owner = package.archive;
  std::string changed;
  for (const LinkedSource& source : package.sources) {
    const LinkedFile& file = package.files[source.file];
    CompileSource job;
    job.name = file.path;
    job.size = job.packed_size = file.size;
    job.source_path = '/' + file.path;
    if (file.is_unchanged()) {
      job.offset = file.archived->offset;
    } else {
      job.file = 1;
      job.offset = changed.size();
      changed += package.content(file);
    }
    out.sources.push_back(std::move(job));
  }
  if (changed.empty()) return out;
  write_file(changed_sources, changed);
  out.files.push_back(changed_sources);
  return out;
}

void unpack(const LinkedPackage& package, const fs::path& root) {
  for (const LinkedFile& file : package.files) {
    const fs::path path = root / file.path;
    make_directories(file.type == EntryType::directory ? path : path.parent_path());
    if (file.type == EntryType::symlink) {
      remove_tree(path);
      fs::create_symlink(file.link_target, path);
    } else if (file.type == EntryType::file) {
      remove_tree(path);  // of another package
      if (file.is_unchanged())
        write_file(path, as_text(package.archive->content(*file.archived)), file.mode | 0400U);
      else
        write_file(path, package.content(file), file.mode | 0400U);
    }
  }
}

}  // namespace dash::builder
