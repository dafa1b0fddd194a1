#include "builder/image_config.hpp"
#include "builder/step_inputs.hpp"
#include "builder/step_record.hpp"

#include <fstream>

#include <catch2/catch.hpp>

using namespace dash;
using namespace dash::builder;

namespace {

StepInputs inputs_of(const std::vector<Leaf>& leaves) {
  StepInputs out;
  for (const auto& leaf : leaves) out.add(leaf.name, leaf.value);
  return out;
}

}  // namespace

TEST_CASE("keys depend on step, names, values and order, and on nothing else") {
  const auto key = inputs_of({{"a", "1"}, {"b", "2"}}).key("s");
  CHECK(key == inputs_of({{"a", "1"}, {"b", "2"}}).key("s"));
  CHECK(key != inputs_of({{"a", "1"}, {"b", "2"}}).key("t"));
  CHECK(key != inputs_of({{"b", "2"}, {"a", "1"}}).key("s"));
  CHECK(key != inputs_of({{"a", "12"}, {"b", ""}}).key("s"));
  CHECK(key != inputs_of({{"a1", ""}, {"b", "2"}}).key("s"));
  // sha256 of "22:dash-build step key v11:s1:a1:11:b1:2". A change makes every store forget what it knows, so
  // it must be meant.
  CHECK(key.hex() == to_hex(sha256("22:dash-build step key v11:s1:a1:11:b1:2")));
}

TEST_CASE("contents are leaves by digest only") {
  StepInputs inputs;
  inputs.add_content("secret", "swordfish");
  CHECK(inputs.leaves().front().value == "sha256:" + to_hex(sha256("swordfish")));
}

TEST_CASE("changes are told as a person would") {
  const std::vector<Leaf> before = {
      {"requirements.txt", "sha256:11"}, {"interpreter", "3.11.2"}, {"old", "x"}};
  const std::vector<Leaf> now = {{"requirements.txt", "sha256:22"}, {"interpreter", "3.11.4"}, {"new", "y"}};
  CHECK(describe_change(before, now) ==
        "requirements.txt changed, interpreter changed (3.11.2 → 3.11.4), new is new, 1 more");
  CHECK(describe_change(before, before).empty());
}

TEST_CASE("records come back while their layers are there") {
  const TempDirectory home(fs::temp_directory_path());
  Store store(home.path());
  StepRecords records(store);
  const auto inputs = inputs_of({{"a", "1"}});
  const auto key = inputs.key("s");
  CHECK_FALSE(records.find(key));
  const auto blob = store.layout().put("tar", oci::media_type::kLayerTar);
  const StepRecord record{
      "s", inputs.leaves(), {{blob, oci::DiffId(blob.digest.value())}}, {{"lock", "text"}}, 1.5};
  records.save(key, record);
  const auto found = records.find(key);
  REQUIRE(found);
  CHECK(found->layers == record.layers);
  CHECK(found->leaves == record.leaves);
  CHECK(found->facts == record.facts);
  CHECK_FALSE(records.last("app", "s"));
  records.remember("app", "s", key);
  CHECK(records.last("app", "s")->seconds == 1.5);
  CHECK(records.remove_incomplete() == 0);

  SECTION("a lost layer makes the record useless") {
    fs::remove(store.layout().blob_path(blob.digest));
    CHECK_FALSE(records.find(key));
    CHECK(records.last("app", "s"));  // still tells what the step was made of
    CHECK(records.remove_incomplete() == 1);
    CHECK_FALSE(records.last("app", "s"));
  }
  SECTION("a damaged record counts as absent") {
    std::ofstream((store.records() / "steps" / (key.hex() + ".json")).string(), std::ios::trunc)
        << "{\"version\":1";
    CHECK_FALSE(records.find(key));
  }
}

TEST_CASE("records of results that depend on more than their key are kept side by side") {
  const TempDirectory home(fs::temp_directory_path());
  Store store(home.path());
  StepRecords records(store);
  const auto key = inputs_of({{"a", "1"}}).key("s");
  const auto record_for = [](const std::string& variant, double seconds) {
    StepRecord out{"s", {}, {}, {}, seconds};
    if (!variant.empty()) out.facts[kVariantFact] = variant;
    return out;
  };
  records.save(key, record_for("libpq 15", 1));
  records.save(key, record_for("libpq 16", 2));
  CHECK(records.find(key, "libpq 15")->seconds == 1);
  CHECK(records.find(key, "libpq 16")->seconds == 2);
  CHECK_FALSE(records.find(key, "libpq 17"));
  CHECK(records.find(key)->seconds == 2);
  // A result that does not depend on it serves everyone.
  records.save(key, record_for("", 3));
  CHECK(records.find(key, "libpq 17")->seconds == 3);
}

TEST_CASE("leftovers of killed builds go when nobody uses the store") {
  const TempDirectory home(fs::temp_directory_path());
  {
    const Store first(home.path());
    const auto left = first.work_directory().release();
    const Store second(home.path());
    CHECK(fs::exists(left));
  }
  const Store third(home.path());
  CHECK(fs::is_empty(third.work()));
}

TEST_CASE("an app's configuration") {
  oci::ImageConfig base;
  base.environment = {"PATH=/usr/bin:/bin", "LANG=de_DE.UTF-8", "EXTRA=1"};
  base.user = "root";
  const auto config =
      app_image_config(base, "team/sales", {{"PORT", "8080"}, {"APP_TITLE", "Sales"}}, 315532800);
  CHECK(config.user == "32767:32767");
  CHECK(config.created == "1980-01-01T00:00:00Z");
  CHECK(config.environment_value("PATH") == "/app/.heroku/python/bin:/usr/bin:/bin");
  CHECK(config.environment_value("LANG") == "de_DE.UTF-8");
  CHECK(config.environment_value("EXTRA") == "1");
  CHECK(config.environment_value("PORT") == "8080");
  CHECK(config.environment.back() == "APP_TITLE=Sales");
  CHECK(config.entrypoint == std::vector<std::string>{"/start"});
  CHECK(config.labels.at("com.dokku.app-name") == "team/sales");
}
