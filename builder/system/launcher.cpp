#include "builder/system/launcher.hpp"

#include "base/text.hpp"
#include "builder/image_config.hpp"
#include "builder/system/layer_files.hpp"
#include "oci/layer_writer.hpp"

namespace dash::builder {

namespace {

constexpr std::string_view kEnterApp = R"(export HOME=/app
cd /app || exit 1
shopt -s nullglob
for profile in /etc/profile.d/*.sh /app/.profile.d/*.sh /app/.profile; do
  if [[ -r $profile && ! -d $profile ]]; then source "$profile"; fi
done
shopt -u nullglob
unset profile
cd /app || exit 1
)";

constexpr std::string_view kStartHead = R"(#!/bin/bash
# Runs a process type of /app/Procfile (default: web) in the app's environment.
process_type=${1:-web}
)";

constexpr std::string_view kStartBody = R"(
trim() {
  text=${text#"${text%%[![:space:]]*}"}
  text=${text%"${text##*[![:space:]]}"}
}

# A comment starts with # or // after a blank, outside of quotes.
cut_comment() {
  local i c quote=
  for ((i = 0; i < ${#text}; i++)); do
    c=${text:i:1}
    if [[ -n $quote ]]; then
      if [[ $c == \\ && $quote == '"' ]]; then
        i=$((i + 1))
      elif [[ $c == "$quote" ]]; then
        quote=
      fi
    elif [[ $c == \\ ]]; then
      i=$((i + 1))
    elif [[ $c == \' || $c == '"' ]]; then
      quote=$c
    elif ((i > 0)) && [[ ${text:i-1:1} == [[:blank:]] && ($c == '#' || ${text:i:2} == //) ]]; then
      text=${text:0:i}
      return
    fi
  done
}

if [[ ! -r Procfile ]]; then
  echo "No Procfile found in /app: add one with a line like 'web: gunicorn app:server'" >&2
  exit 1
fi
command_line=
while IFS= read -r text || [[ -n $text ]]; do
  text=${text#$'\xef\xbb\xbf'}
  trim
  if [[ $text == "$process_type":* ]]; then
    text=${text#"$process_type":}
    trim
    cut_comment
    trim
    command_line=$text
    break
  fi
done <Procfile
if [[ -z $command_line ]]; then
  echo "Proc entrypoint $process_type does not exist. Please check your Procfile" >&2
  exit 1
fi
# gunicorn's way to name an app factory (module:make()) is no shell text: where bash does not understand the
# line, such words are taken literally.
factory='^(.*[[:space:]])([A-Za-z_][A-Za-z0-9_.]*:[A-Za-z_][A-Za-z0-9_.]*\([^()'"'"']*\))(.*)$'
if ! /bin/bash -n -c "$command_line" 2>/dev/null; then
  while [[ $command_line =~ $factory ]]; do
    command_line="${BASH_REMATCH[1]}'${BASH_REMATCH[2]}'${BASH_REMATCH[3]}"
  done
fi
export DYNO=${DYNO:-$process_type.1}
# The last command of the line replaces this shell, so that signals reach it.
exec /bin/bash -c "$command_line"
)";

constexpr std::string_view kExecHead = R"(#!/bin/bash
# Runs a command in the app's environment.
if (($# == 0)); then
  echo "usage: /exec COMMAND [ARGUMENT]..." >&2
  exit 2
fi
words=("$@")  # a profile script may set others
)";

constexpr std::string_view kExecBody = R"(exec "${words[@]}"
)";

// True when a line of a colon-separated database has this name.
bool has_name(std::string_view database, std::string_view name) {
  for (const auto line : split_lines(database))
    if (line.substr(0, line.find(':')) == name) return true;
  return false;
}

std::string with_line(std::string database, std::string_view line) {
  if (has_name(database, kAppUserName)) return database;
  if (!database.empty() && !database.ends_with('\n')) database += '\n';
  return concat(database, line, '\n');
}

oci::TarEntry entry(std::string path, EntryType type, unsigned mode) {
  oci::TarEntry out;
  out.path = std::move(path);
  out.type = type;
  out.mode = mode;
  return out;
}

void add_file(oci::LayerWriter& writer, const std::string& path, unsigned mode, std::string_view content) {
  auto file = entry(path, EntryType::file, mode);
  file.size = content.size();
  writer.add(std::move(file), as_bytes(content));
}

}  // namespace

std::string enter_app_script() {
  return std::string(kEnterApp);
}
std::string start_script() {
  return concat(kStartHead, kEnterApp, kStartBody);
}
std::string exec_script() {
  return concat(kExecHead, kEnterApp, kExecBody);
}

std::string with_app_user(std::string passwd) {
  return with_line(std::move(passwd),
                   concat(kAppUserName, ":*:", kAppUser, ':', kAppUser, "::", kAppDirectory, ":/bin/bash"));
}

std::string with_app_group(std::string group) {
  return with_line(std::move(group), concat(kAppUserName, ":*:", kAppUser, ':'));
}

oci::Layer make_launcher_layer(const Workbench& bench, const std::vector<oci::Layer>& base) {
  auto files = read_layer_files(bench.store.layers(), base, {"etc/passwd", "etc/group"}, bench.stop);
  auto passwd =
      files["etc/passwd"].empty() ? std::string("root:*:0:0:root:/root:/bin/bash\n") : files["etc/passwd"];
  auto group = files["etc/group"].empty() ? std::string("root:*:0:\n") : files["etc/group"];

  oci::LayerWriter writer(bench.layer_settings());
  auto app = entry("app", EntryType::directory, 0755);
  app.uid = app.gid = kAppUser;
  writer.add(std::move(app));
  const bool knows_user = has_name(passwd, kAppUserName), knows_group = has_name(group, kAppUserName);
  if (!knows_user || !knows_group) writer.add(entry("etc", EntryType::directory, 0755));
  if (!knows_group) add_file(writer, "etc/group", 0644, with_app_group(std::move(group)));
  if (!knows_user) add_file(writer, "etc/passwd", 0644, with_app_user(std::move(passwd)));
  add_file(writer, "exec", 0755, exec_script());
  add_file(writer, "start", 0755, start_script());
  return writer.finish();
}

}  // namespace dash::builder
