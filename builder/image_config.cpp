#include "builder/image_config.hpp"

#include "base/text.hpp"

#include <array>
#include <cstdio>
#include <ctime>

namespace dash::builder {

namespace {
constexpr std::string_view kDefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
}  // namespace

oci::ImageConfig app_image_config(const oci::ImageConfig& base, std::string_view app_name,
                                  const Variables& variables, std::int64_t created) {
  auto out = base;
  out.created = rfc3339(created);
  out.user = concat(kAppUser, ':', kAppUser);
  out.working_directory = kAppDirectory;
  out.entrypoint = {"/start"};
  out.cmd = {"web"};
  out.exposed_ports = {"5000/tcp"};
  out.labels["com.dokku.app-name"] = app_name;
  out.labels["com.dokku.image-stage"] = "release";
  out.labels["org.opencontainers.image.title"] = app_name;

  const auto path = base.environment_value("PATH").value_or(std::string(kDefaultPath));
  out.set_environment("PATH", concat(kPythonPrefix, "/bin:", path));
  out.set_environment("HOME", kAppDirectory);
  out.set_environment("USER", kAppUserName);
  out.set_environment("LANG", "C.UTF-8");
  out.set_environment("PORT", "5000");
  out.set_environment("PYTHONUNBUFFERED", "true");
  out.set_environment("PYTHONHASHSEED", "random");
  out.set_environment("PYTHONPATH", kAppDirectory);
  out.set_environment("FORWARDED_ALLOW_IPS", "*");
  out.set_environment("GUNICORN_CMD_ARGS", "--access-logfile -");
  for (const auto& [name, value] : variables) out.set_environment(name, value);
  return out;
}

std::string rfc3339(std::int64_t seconds) {
  const auto time = static_cast<std::time_t>(seconds);
  std::tm fields{};
  ::gmtime_r(&time, &fields);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &fields);
  return text.data();
}

}  // namespace dash::builder
