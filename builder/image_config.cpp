#include "builder/image_config.hpp"

#include "base/process.hpp"
#include "base/text.hpp"

#include <array>
#include <ctime>

namespace dash::builder {

oci::ImageConfig app_image_config(const oci::ImageConfig& base, std::string_view app_name,
                                  const Variables& variables, std::int64_t created) {
  auto out = base;
  out.extensions.clear();  // what they say is about the base image
  out.created = rfc3339(created);
  out.user = concat(kAppUser, ':', kAppUser);
  out.working_directory = kAppDirectory;
  out.entrypoint = {"/start"};
  out.cmd = {"web"};
  out.exposed_ports = {"5000/tcp"};
  out.labels["com.dokku.app-name"] = app_name;
  out.labels["com.dokku.image-stage"] = "release";
  out.labels["org.opencontainers.image.title"] = app_name;

  // What the old platform's profile scripts only set where nothing was set before.
  const auto default_to = [&](const char* name, const char* value) {
    if (!base.environment_value(name)) out.set_environment(name, value);
  };
  const auto path = base.environment_value("PATH").value_or(std::string(kDefaultSearchPath));
  out.set_environment("PATH", concat(kPythonPrefix, "/bin:", path));
  out.set_environment("HOME", kAppDirectory);
  out.set_environment("USER", kAppUserName);
  default_to("LANG", "C.UTF-8");
  out.set_environment("PORT", "5000");
  out.set_environment("PYTHONUNBUFFERED", "true");
  default_to("PYTHONHASHSEED", "random");
  default_to("PYTHONPATH", kAppDirectory);
  out.set_environment("FORWARDED_ALLOW_IPS", "*");
  default_to("GUNICORN_CMD_ARGS", "--access-logfile -");
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
