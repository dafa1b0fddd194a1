#include "registry/transfer_failure.hpp"

#include "base/text.hpp"
#include "registry/url.hpp"

#include <curl/curl.h>

namespace dash::registry {

namespace {

constexpr const char* kProxyAdvice = "check the proxy settings (https_proxy, http_proxy, no_proxy)";

TransferError::Kind kind_of(int code) {
  switch (code) {
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_RESOLVE_HOST:
      return TransferError::Kind::unknown;
    case CURLE_COULDNT_CONNECT:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_PROXY:
      return TransferError::Kind::unreachable;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_ISSUER_ERROR:
      return TransferError::Kind::untrusted;
    case CURLE_SSL_CONNECT_ERROR:
      return TransferError::Kind::not_tls;
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_BAD_CONTENT_ENCODING:
    case CURLE_OUT_OF_MEMORY:
      return TransferError::Kind::invalid;
    default:
      return TransferError::Kind::broken;
  }
}

// What servers say (RFC 8446 §6.2) to who comes without a certificate, or with another than they want. With
// TLS 1.3 it arrives when the handshake is over for us, so libcurl takes it for a broken connection.
bool wants_another_certificate(std::string_view reason) {
  for (const auto* alert : {"alert certificate required", "alert bad certificate", "alert unknown ca",
                            "alert certificate expired", "alert certificate revoked",
                            "alert unsupported certificate", "alert certificate unknown"})
    if (contains(reason, alert)) return true;
  return false;
}

ErrorCode code_of(TransferError::Kind kind) {
  if (kind == TransferError::Kind::invalid) return ErrorCode::invalid_input;
  return kind == TransferError::Kind::unwelcome ? ErrorCode::denied : ErrorCode::unavailable;
}

std::string hint(TransferError::Kind kind, const FailedTransfer& failed, const fs::path& ca_bundle) {
  switch (kind) {
    case TransferError::Kind::untrusted: {
      std::vector<std::string> files;
      if (!ca_bundle.empty()) files.push_back(ca_bundle.string());
      if (failed.request.tls)
        for (const auto& file : failed.request.tls->extra_cas) files.push_back(file.string());
      const auto checked = concat("the certificate was checked against ",
                                  files.empty() ? std::string("the system's CA files") : join(files, ", "));
      // Only registries have settings of their own; other servers are trusted by the machine's files alone.
      if (!failed.request.tls)
        return concat(checked, "; add the server's CA there, or name it with SSL_CERT_FILE");
      const auto host = Url::parse(failed.request.url)->authority();
      return concat(
          checked, "; put the server's CA into DIR/", host,
          "/ca.crt with --certs-dir DIR (or /etc/containerd/certs.d), add it to the machine's, or take any "
          "certificate with --insecure ",
          host);
    }
    case TransferError::Kind::unknown:
    case TransferError::Kind::unreachable:
      return failed.proxy.empty()
                 ? std::string("check the name, the network and the proxy settings")
                 : concat("the way leads over the proxy ", redact_url(failed.proxy), "; ", kProxyAdvice);
    case TransferError::Kind::not_tls:
      return "the server may speak plain HTTP only; that must be allowed by name";
    case TransferError::Kind::broken:
      return "try again; what was received is kept and continued";
    case TransferError::Kind::unwelcome:
    case TransferError::Kind::invalid:
      return {};
  }
  return {};
}

}  // namespace

TransferError::TransferError(Kind kind, const HttpRequest& request, std::string reason)
    : Error(code_of(kind), concat(request.method, ' ', redact_url(request.url), ": ", reason)),
      kind_(kind),
      reason_(std::move(reason)) {}

TransferError explain(const FailedTransfer& failed, const fs::path& ca_bundle) {
  auto reason = failed.text;
  auto kind = kind_of(failed.code);
  std::string advice;
  if (failed.refused_address) {
    kind = TransferError::Kind::invalid;
    reason = concat("a redirect leads from a public server to the private address of ",
                    Url::parse(failed.request.url)->host);
  } else if (failed.proxy_status >= 400) {
    kind = failed.proxy_status >= 500 ? TransferError::Kind::unreachable : TransferError::Kind::unwelcome;
    reason = concat("the proxy ", redact_url(failed.proxy), " answers ", failed.proxy_status);
    advice = failed.proxy_status == 407
                 ? "the proxy wants credentials: https_proxy=http://USER:PASSWORD@PROXY:PORT"
                 : kProxyAdvice;
  } else if (wants_another_certificate(reason)) {
    kind = TransferError::Kind::unwelcome;
    const auto& tls = failed.request.tls;
    reason =
        !tls || tls->client_certificate.empty()
            ? std::string("the server wants a client certificate, and there is none for it")
            : concat("the server does not accept the client certificate ", tls->client_certificate.string());
    advice = concat("put one into certs.d/", Url::parse(failed.request.url)->authority(),
                    "/ as NAME.cert with NAME.key, or as 'client' into its hosts.toml");
  } else if (failed.code == CURLE_SSL_CERTPROBLEM) {
    kind = TransferError::Kind::invalid;
    advice = "a client certificate and its key are PEM files that belong together";
  } else if (failed.head_complete && kind == TransferError::Kind::unreachable) {
    kind = TransferError::Kind::broken;
  }
  TransferError out(kind, failed.request, std::move(reason));
  out.with_hint(advice.empty() ? hint(kind, failed, ca_bundle) : std::move(advice));
  return out;
}

}  // namespace dash::registry
