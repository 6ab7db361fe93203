//! Whom a call over TLS trusts.

use std::sync::Arc;
use ureq::tls::{RootCerts, TlsConfig};

/// The machine's own authorities, since an address may be one of its network.
pub fn of_machine() -> TlsConfig {
    TlsConfig::builder()
        .root_certs(RootCerts::PlatformVerifier)
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .build()
}
