#include "builder/python/similar_names.hpp"

#include "base/text.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace dash::builder {
namespace {

// Modules that people name instead of the package that has them.
constexpr std::array<std::pair<std::string_view, std::string_view>, 30> kImported = {{
    {"attr", "attrs"},
    {"bs4", "beautifulsoup4"},
    {"crypto", "pycryptodome"},
    {"cv2", "opencv-python-headless"},
    {"dash-daq-components", "dash-daq"},
    {"dateutil", "python-dateutil"},
    {"dbus", "dbus-python"},
    {"docx", "python-docx"},
    {"dotenv", "python-dotenv"},
    {"fitz", "pymupdf"},
    {"flask-httpauth2", "flask-httpauth"},
    {"git", "gitpython"},
    {"jose", "python-jose"},
    {"jwt", "pyjwt"},
    {"magic", "python-magic"},
    {"mpl-toolkits", "matplotlib"},
    {"multipart", "python-multipart"},
    {"mysqldb", "mysqlclient"},
    {"openssl", "pyopenssl"},
    {"osgeo", "gdal"},
    {"pil", "pillow"},
    {"pptx", "python-pptx"},
    {"pycrypto", "pycryptodome"},
    {"pytables", "tables"},
    {"serial", "pyserial"},
    {"skimage", "scikit-image"},
    {"sklearn", "scikit-learn"},
    {"usb", "pyusb"},
    {"yaml", "pyyaml"},
    {"zmq", "pyzmq"},
}};

// Parts of Python that requirements files name by mistake.
constexpr std::array<std::string_view, 34> kStandard = {
    "abc",       "argparse",  "asyncio", "base64",    "collections", "copy",      "csv",
    "ctypes",    "functools", "glob",    "hashlib",   "io",          "itertools", "json",
    "logging",   "math",      "os",      "pickle",    "random",      "re",        "shutil",
    "signal",    "socket",    "sqlite3", "string",    "subprocess",  "sys",       "tempfile",
    "threading", "time",      "tkinter", "traceback", "urllib",      "uuid"};

// Packages that Dash apps are made of: what a misspelt name most likely means.
constexpr std::array<std::string_view, 82> kCommon = {"aiohttp",
                                                      "alembic",
                                                      "altair",
                                                      "attrs",
                                                      "beautifulsoup4",
                                                      "bokeh",
                                                      "boto3",
                                                      "bottleneck",
                                                      "celery",
                                                      "certifi",
                                                      "cryptography",
                                                      "cython",
                                                      "dash",
                                                      "dash-ag-grid",
                                                      "dash-auth",
                                                      "dash-bio",
                                                      "dash-bootstrap-components",
                                                      "dash-core-components",
                                                      "dash-cytoscape",
                                                      "dash-daq",
                                                      "dash-html-components",
                                                      "dash-mantine-components",
                                                      "dash-table",
                                                      "dask",
                                                      "diskcache",
                                                      "django",
                                                      "duckdb",
                                                      "fastapi",
                                                      "fastparquet",
                                                      "flask",
                                                      "flask-caching",
                                                      "flask-login",
                                                      "geopandas",
                                                      "gevent",
                                                      "gunicorn",
                                                      "h5py",
                                                      "httpx",
                                                      "jinja2",
                                                      "joblib",
                                                      "kaleido",
                                                      "lightgbm",
                                                      "lxml",
                                                      "matplotlib",
                                                      "networkx",
                                                      "nltk",
                                                      "numba",
                                                      "numpy",
                                                      "openpyxl",
                                                      "orjson",
                                                      "pandas",
                                                      "pillow",
                                                      "plotly",
                                                      "polars",
                                                      "psutil",
                                                      "psycopg2",
                                                      "psycopg2-binary",
                                                      "pyarrow",
                                                      "pydantic",
                                                      "pymongo",
                                                      "pymysql",
                                                      "pyodbc",
                                                      "python-dateutil",
                                                      "python-dotenv",
                                                      "pytz",
                                                      "pyyaml",
                                                      "redis",
                                                      "requests",
                                                      "scikit-image",
                                                      "scikit-learn",
                                                      "scipy",
                                                      "seaborn",
                                                      "setuptools",
                                                      "shapely",
                                                      "six",
                                                      "snowflake-connector-python",
                                                      "sqlalchemy",
                                                      "statsmodels",
                                                      "tensorflow",
                                                      "tqdm",
                                                      "urllib3",
                                                      "vaex",
                                                      "xgboost"};

constexpr std::size_t kMaxName = 64;  // longer ones are not compared

}  // namespace

std::string advice_for_name(std::string_view name, const std::vector<std::string>& others) {
  if (std::ranges::find(kStandard, name) != kStandard.end())
    return concat(name, " is part of Python: remove the line");
  const auto imported =
      std::ranges::find(kImported, name, &std::pair<std::string_view, std::string_view>::first);
  if (imported != kImported.end()) return concat("the package is called ", imported->second);
  if (name.size() > kMaxName) return {};
  std::string_view best;
  std::size_t limit = name.size() < 5 ? 1 : 2;
  const auto consider = [&](std::string_view other) {
    if (other.size() > kMaxName || other == name) return;
    if (const auto distance = edit_distance(name, other, limit); distance <= limit) {
      best = other;
      limit = distance - 1;  // 0 only for the name itself, which is left out above
    }
  };
  for (const auto other : kCommon) consider(other);
  for (const auto& other : others) consider(other);
  return best.empty() ? "" : concat("did you mean ", best, "?");
}

}  // namespace dash::builder
