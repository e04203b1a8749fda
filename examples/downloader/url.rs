//! `http://host:port/path?query`, and nothing more.

use std::fmt;
use std::str::FromStr;

#[derive(Debug, Clone)]
pub(crate) struct Url {
    text: String,
    /// Without the brackets of an IPv6 address.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// The `Host` header: as in the URL.
    pub(crate) authority: String,
    /// What the server is asked for: path and query.
    pub(crate) path: String,
}

impl Url {
    /// The last part of the path, as a name for a file.
    pub(crate) fn file_name(&self) -> &str {
        let path = self.path.split('?').next().unwrap_or_default();
        match path.rsplit('/').next() {
            None | Some("" | "." | "..") => "index.html",
            Some(name) => name,
        }
    }
}

impl FromStr for Url {
    type Err = String;

    fn from_str(text: &str) -> Result<Url, String> {
        let rest = match text.split_once("://") {
            Some(("http", rest)) => rest,
            Some(("https", _)) => return Err("https is not supported, only http".into()),
            _ => return Err("not an http:// URL".into()),
        };
        if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err("a URL holds no white space".into());
        }
        let rest = rest.split('#').next().unwrap_or_default();
        let (authority, path) = match rest.find(['/', '?']) {
            Some(at) if rest[at..].starts_with('?') => (&rest[..at], format!("/{}", &rest[at..])),
            Some(at) => (&rest[..at], rest[at..].to_string()),
            None => (rest, "/".to_string()),
        };
        if authority.contains('@') {
            return Err("user names in URLs are not supported".into());
        }
        let (host, port) = match authority.rsplit_once(':') {
            // The last colon of `[::1]` is no port's.
            Some((host, port)) if !port.ends_with(']') => {
                let number = port
                    .parse()
                    .map_err(|_| format!("`{port}` is not a port"))?;
                (host, number)
            }
            _ => (authority, 80),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err("the URL names no host".into());
        }
        Ok(Url {
            text: text.to_string(),
            host: host.to_string(),
            port,
            authority: authority.to_string(),
            path,
        })
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
