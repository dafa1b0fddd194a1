#include "builder/python/install.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "builder/packages/package_name.hpp"
#include "oci/layer_writer.hpp"

#include <algorithm>
#include <map>

namespace dash::builder {
namespace {

// Linux reads this much of a script's first line (BINPRM_BUF_SIZE was 128 for long, with the ending zero).
constexpr std::size_t kMaxShebang = 127;

bool is_script_wrapper(std::string_view file_name, const Wheel& wheel) {
  // setuptools puts scripts of these names into old wheels; the generated ones replace them.
  std::string_view stem = file_name;
  const std::string lower = to_lower(file_name);
  for (std::string_view suffix : {".exe", "-script.py", ".pya"})
    if (lower.ends_with(suffix)) {
      stem.remove_suffix(suffix.size());
      break;
    }
  auto named = [&](const std::vector<EntryPoint>& entries) {
    return std::ranges::find(entries, stem, &EntryPoint::name) != entries.end();
  };
  return named(wheel.console_scripts()) || named(wheel.gui_scripts());
}

// True for the versioned names that old versions of these two projects put into their wheels, which are right
// for one interpreter only.
bool is_versioned_name(std::string_view name, std::string_view base, std::string_view separator) {
  if (!name.starts_with(base)) return false;
  name.remove_prefix(base.size());
  if (name.empty()) return true;
  if (!name.starts_with(separator)) return false;
  name.remove_prefix(separator.size());
  const std::vector<std::string_view> parts = split(name, '.');
  return parts.size() <= 2 && std::ranges::all_of(parts, [](std::string_view part) {
           return !part.empty() && part.find_first_not_of("0123456789") == std::string_view::npos;
         });
}

// The scripts to make, with the interpreter's versions of pip's and easy_install's.
std::vector<EntryPoint> console_scripts(const Wheel& wheel, const Interpreter& interpreter) {
  std::vector<EntryPoint> entries = wheel.console_scripts();
  auto specialise = [&](std::string_view base, std::string_view separator, std::vector<std::string> names) {
    const auto found = std::ranges::find(entries, base, &EntryPoint::name);
    if (found == entries.end()) return;
    EntryPoint entry = *found;
    std::erase_if(entries, [&](const EntryPoint& e) { return is_versioned_name(e.name, base, separator); });
    for (std::string& name : names) {
      entry.name = std::move(name);
      entries.push_back(entry);
    }
  };
  const std::string minor = interpreter.minor_version();
  specialise("pip", "", {"pip", concat("pip", minor.substr(0, minor.find('.'))), concat("pip", minor)});
  specialise("easy_install", "-", {"easy_install", concat("easy_install-", minor)});
  return entries;
}

// Collects the files of one wheel. Later files replace earlier ones of the same path, as writing them would.
class Planner {
 public:
  Planner(const Wheel& wheel, const InstallOptions& options) : wheel_(wheel), options_(options) {
    site_packages_ = options.scheme.site_packages();
  }

  void add_archive_files() {
    std::vector<const ZipEntry*> data;
    std::vector<const ZipEntry*> scripts;
    for (const ZipEntry& entry : wheel_.zip().entries()) {
      if (entry.is_directory()) continue;
      if (entry.path == wheel_.dist_info() + "/RECORD") {
        installed_[entry.path] = entry.path;  // its content is made from the rows
        continue;
      }
      const std::vector<std::string_view> parts = split(entry.path, '/');
      if (!parts.front().ends_with(".data"))
        add_entry(entry, site_packages_ + '/' + entry.path);
      else if (parts.size() > 2 && parts[1] == "scripts")
        scripts.push_back(&entry);
      else
        data.push_back(&entry);
    }
    for (const ZipEntry* entry : data) add_data_file(*entry);
    for (const ZipEntry* entry : scripts) add_script(*entry);
  }

  void add_generated_files() {
    const InstallScheme& scheme = options_.scheme;
    for (const std::vector<EntryPoint>& entries :
         {console_scripts(wheel_, scheme.interpreter), wheel_.gui_scripts()})
      for (const EntryPoint& entry : entries) {
        check_script(entry);
        generate(scheme.scripts() + '/' + entry.name, entry_point_script(entry, scheme), 0755);
      }
    const std::string info = site_packages_ + '/' + wheel_.dist_info();
    generate(info + "/INSTALLER", std::string(kInstaller), 0644);
    if (!options_.direct_url.empty()) generate(info + "/direct_url.json", options_.direct_url, 0644);
    if (options_.requested == InstallOptions::Requested::yes) generate(info + "/REQUESTED", "", 0644);
  }

  InstalledDistribution finish(std::shared_ptr<const Wheel> wheel, const Sha256& wheel_sha256) {
    InstalledDistribution out;
    out.name = wheel_.name();
    out.version = wheel_.version();
    out.wheel = std::move(wheel);
    out.wheel_sha256 = wheel_sha256;
    out.record_path = (site_packages_ + '/' + wheel_.dist_info() + "/RECORD").substr(1);
    out.record = record_rows();
    for (auto& [path, file] : files_) {
      if (const ZipEntry* const* entry = std::get_if<const ZipEntry*>(&file.content);
          entry != nullptr && path.ends_with(".py"))
        out.sources.push_back({*entry, '/' + path, pyc_path(path), ""});
      else if (const auto script = changed_scripts_.find(path);
               script != changed_scripts_.end() && path.ends_with(".py"))
        out.sources.push_back({script->second, '/' + path, pyc_path(path), python_line()});
      out.files.push_back(std::move(file));
    }
    std::ranges::sort(out.files, oci::layer_path_less, &InstalledFile::path);
    std::ranges::sort(out.sources, {}, &CompileJob::source_path);
    return out;
  }

 private:
  [[noreturn]] void fail(std::string_view path, std::string_view why) const {
    throw Error(ErrorCode::invalid_input,
                concat(wheel_.zip().name(), ": cannot install ", quoted(path), ": ", why))
        .with_hint(
            "The wheel is broken. Report it to its project, or pin another version in the requirements.");
  }

  void put(std::string path, unsigned mode, std::variant<const ZipEntry*, std::string> content) {
    path.erase(0, 1);
    // lib64 is a link to lib in the environment, so this is where writing through it would end.
    const std::string lib64 = options_.scheme.prefix.substr(1) + "/lib64/";
    if (path.starts_with(lib64)) path.replace(0, lib64.size(), options_.scheme.prefix.substr(1) + "/lib/");
    InstalledFile& file = files_[path];
    file = {path, mode, std::move(content)};
  }

  // RECORD has paths relative to site-packages.
  std::string record_path(const std::string& path) const {
    if (path.starts_with(site_packages_ + '/')) return path.substr(site_packages_.size() + 1);
    return "../../.." + path.substr(options_.scheme.prefix.size());
  }

  void add_entry(const ZipEntry& entry, const std::string& path) {
    installed_[entry.path] = record_path(path);
    put(path, mode_of(entry), &entry);
  }

  static unsigned mode_of(const ZipEntry& entry) { return entry.is_executable() ? 0755 : 0644; }

  void add_data_file(const ZipEntry& entry) {
    const InstallScheme& scheme = options_.scheme;
    const std::size_t top = entry.path.find('/');
    const std::size_t key_end = entry.path.find('/', top + 1);
    if (key_end == std::string::npos)
      fail(entry.path, "files in the .data directory must be in a directory named after a scheme");
    const std::string_view key = std::string_view(entry.path).substr(top + 1, key_end - top - 1);
    const std::string rest = entry.path.substr(key_end);
    if (key == "purelib" || key == "platlib")
      add_entry(entry, site_packages_ + rest);
    else if (key == "headers")
      add_entry(entry, scheme.headers(normal_package_name(wheel_.name())) + rest);
    else if (key == "data")
      add_entry(entry, scheme.data() + rest);
    else
      fail(entry.path,
           concat("unknown scheme ", quoted(key), "; known are data, headers, platlib, purelib, scripts"));
  }

  void add_script(const ZipEntry& entry) {
    const std::size_t name_start = entry.path.find('/', entry.path.find('/') + 1) + 1;
    if (is_script_wrapper(entry.path.substr(entry.path.rfind('/') + 1), wheel_)) return;
    const std::string path = options_.scheme.scripts() + '/' + entry.path.substr(name_start);
    add_entry(entry, path);
    std::string content = wheel_.read(entry);
    if (!content.starts_with("#!python")) return;
    const std::size_t line_end = content.find('\n');
    content.replace(0, line_end == std::string::npos ? content.size() : line_end + 1, python_line());
    changed_[installed_[entry.path]] = row_for(installed_[entry.path], content);
    put(path, mode_of(entry), std::move(content));
    changed_scripts_[path.substr(1)] = &entry;
  }

  std::string python_line() const { return concat("#!", options_.scheme.python(), '\n'); }

  void check_script(const EntryPoint& entry) const {
    if (entry.function.empty()) fail(entry.name, "the entry point names no function");
    if (contains(entry.name, "/") || entry.name == "." || entry.name == "..")
      fail(entry.name, "the script would be outside of the scripts directory");
  }

  void generate(const std::string& path, std::string content, unsigned mode) {
    generated_.push_back(path.substr(1));
    put(path, mode, std::move(content));
  }

  static RecordRow row_for(const std::string& path, std::string_view content) {
    return {path, "sha256=" + to_base64url(sha256(content)), std::to_string(content.size())};
  }

  // pip's rules: rows of the archive with their new paths, then what was generated, then files that had no
  // row. One path may have several rows.
  std::vector<RecordRow> record_rows() {
    std::vector<RecordRow> rows;
    for (const RecordRow& row : wheel_.record()) {
      const auto moved = installed_.find(row.path);
      const std::string path = moved == installed_.end() ? row.path : moved->second;
      if (moved != installed_.end()) installed_.erase(moved);
      const auto rewritten = changed_.find(path);
      rows.push_back(rewritten != changed_.end() ? rewritten->second : RecordRow{path, row.hash, row.size});
    }
    for (const std::string& path : generated_)
      rows.push_back(row_for(record_path('/' + path), std::get<std::string>(files_.at(path).content)));
    for (const auto& [source, path] : installed_) rows.push_back({path, "", ""});
    return rows;
  }

  std::string pyc_path(const std::string& source) const {
    const std::size_t slash = source.rfind('/');
    const std::string stem = source.substr(slash + 1, source.size() - slash - 1 - 3);
    return concat(source.substr(0, slash), "/__pycache__/", stem, '.', options_.scheme.interpreter.cache_tag,
                  ".pyc");
  }

  const Wheel& wheel_;
  const InstallOptions& options_;
  std::string site_packages_;
  std::map<std::string, InstalledFile> files_;
  std::map<std::string, std::string> installed_;            // archive path → path in RECORD
  std::map<std::string, RecordRow> changed_;                // by path in RECORD
  std::map<std::string, const ZipEntry*> changed_scripts_;  // by path in files_
  std::vector<std::string> generated_;                      // paths in files_, maybe one twice
};

}  // namespace

std::string InstallScheme::site_packages() const {
  return concat(prefix, "/lib/python", interpreter.minor_version(), "/site-packages");
}

std::string InstallScheme::headers(std::string_view distribution) const {
  return concat(prefix, "/include/site/python", interpreter.minor_version(), '/', distribution);
}

InstalledDistribution plan_installation(std::shared_ptr<const Wheel> wheel, const Sha256& wheel_sha256,
                                        const InstallOptions& options) {
  Planner planner(*wheel, options);
  planner.add_archive_files();
  planner.add_generated_files();
  return planner.finish(std::move(wheel), wheel_sha256);
}

std::string script_shebang(std::string_view python) {
  if (!contains(python, " ") && python.size() + 3 <= kMaxShebang) return concat("#!", python, '\n');
  const std::string executable = contains(python, " ") ? concat('"', python, '"') : std::string(python);
  return concat("#!/bin/sh\n'''exec' ", executable, " \"$0\" \"$@\"\n' '''\n");
}

std::string entry_point_script(const EntryPoint& entry, const InstallScheme& scheme) {
  const std::string import_name = entry.function.substr(0, entry.function.find('.'));
  const std::vector<std::string_view> version = split(scheme.interpreter.version, '.');
  // str.removesuffix came with Python 3.9; for older ones pip's older form.
  const bool modern = version.size() < 2 || parse_uint(version[1]).value_or(0) >= 9;
  if (modern)
    return concat(
        script_shebang(scheme.python()), "import sys\nfrom ", entry.module, " import ", import_name,
        "\nif __name__ == '__main__':\n    sys.argv[0] = sys.argv[0].removesuffix('.exe')\n    sys.exit(",
        entry.function, "())\n");
  return concat(script_shebang(scheme.python()), "# -*- coding: utf-8 -*-\nimport re\nimport sys\nfrom ",
                entry.module, " import ", import_name,
                "\nif __name__ == '__main__':\n    sys.argv[0] = re.sub(r'(-script\\.pyw|\\.exe)?$', '', "
                "sys.argv[0])\n    sys.exit(",
                entry.function, "())\n");
}

}  // namespace dash::builder
