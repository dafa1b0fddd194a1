#include "builder/image_config.hpp"

#include <catch2/catch.hpp>

using namespace dash;
using namespace dash::builder;

TEST_CASE("the environment that an app finds") {
  oci::ImageConfig base;
  base.environment = {"PATH=/usr/bin:/bin", "STACK=x"};
  auto config = app_image_config(base, "sales", {}, 0);
  CHECK(config.environment_value("PATH") == "/app/.heroku/python/bin:/usr/bin:/bin");
  CHECK(config.environment_value("STACK") == "x");
  CHECK(config.environment_value("LANG") == "C.UTF-8");
  CHECK(config.environment_value("PYTHONHASHSEED") == "random");
  CHECK(config.environment_value("PYTHONPATH") == "/app");
  CHECK(config.environment_value("PYTHONUNBUFFERED") == "true");
  CHECK(config.environment_value("FORWARDED_ALLOW_IPS") == "*");
  CHECK(config.environment_value("GUNICORN_CMD_ARGS") == "--access-logfile -");
  CHECK_FALSE(config.environment_value("WEB_CONCURRENCY"));

  // Defaults give way to the base image, everything to the request.
  base.environment = {"GUNICORN_CMD_ARGS=--quiet", "PORT=1", "HOME=/root"};
  config = app_image_config(base, "sales", {{"PORT", "80"}, {"PYTHONHASHSEED", "0"}}, 0);
  CHECK(config.environment_value("GUNICORN_CMD_ARGS") == "--quiet");
  CHECK(config.environment_value("PORT") == "80");
  CHECK(config.environment_value("HOME") == "/app");
  CHECK(config.environment_value("PYTHONHASHSEED") == "0");
}
