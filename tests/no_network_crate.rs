//! The program is built from nothing that can speak to a network.
//!
//! `mio` is there for the local (AF_UNIX) socket of the sound server, through `pulseaudio`, and for
//! waiting for keys at the terminal, through `crossterm`. Neither asks it for anything else.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

const LOCK: &str = include_str!("../Cargo.lock");

const NETWORK: &[&str] = &[
    "actix-web",
    "async-io",
    "async-net",
    "async-std",
    "attohttpc",
    "awc",
    "axum",
    "curl",
    "curl-sys",
    "ehttp",
    "h2",
    "h3",
    "hickory-proto",
    "hickory-resolver",
    "http",
    "hyper",
    "hyper-util",
    "isahc",
    "libssh2-sys",
    "minreq",
    "native-tls",
    "openssl",
    "openssl-sys",
    "quinn",
    "quinn-proto",
    "reqwest",
    "rustls",
    "s2n-quic",
    "sentry",
    "smol",
    "socket2",
    "ssh2",
    "surf",
    "tiny_http",
    "tokio",
    "tonic",
    "trust-dns-resolver",
    "tungstenite",
    "ureq",
    "warp",
    "webpki-roots",
];

/// Each package: its name and the names of those it depends on.
fn packages() -> Vec<(String, Vec<String>)> {
    let lock: toml::Table = LOCK.parse().unwrap();
    let packages = lock["package"].as_array().unwrap();
    let needs = |p: &toml::Value| -> Vec<String> {
        let list = p.get("dependencies").and_then(toml::Value::as_array);
        let first = |d: &toml::Value| d.as_str().unwrap().split(' ').next().unwrap().to_owned();
        list.map(|l| l.iter().map(first).collect())
            .unwrap_or_default()
    };
    packages
        .iter()
        .map(|p| (p["name"].as_str().unwrap().to_owned(), needs(p)))
        .collect()
}

#[test]
fn no_crate_that_speaks_to_a_network_is_in_the_lock_file() {
    let packages = packages();
    assert!(packages.iter().any(|(name, _)| name == "undertone"));
    let found: Vec<_> = packages
        .iter()
        .filter(|(name, _)| NETWORK.contains(&name.as_str()))
        .collect();
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn mio_serves_the_sound_server_and_the_keyboard_only() {
    let packages = packages();
    let who = |wanted: &str| -> Vec<String> {
        let needs = |(_, d): &&(String, Vec<String>)| d.iter().any(|d| d == wanted);
        packages
            .iter()
            .filter(needs)
            .map(|(name, _)| name.clone())
            .collect()
    };
    assert_eq!(who("mio"), ["crossterm", "pulseaudio", "signal-hook-mio"]);
    assert_eq!(who("pulseaudio"), ["cpal", "undertone"]);
    assert_eq!(who("crossterm"), ["ratatui-crossterm", "undertone"]);
}
