//! Secrets that lie in files: in the configuration file, or each in one of its own, as Docker and Kubernetes give them.

use super::Config;
use std::fs::{File, metadata};
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// What the variable of a secret has more when it names a file.
pub(super) const SUFFIX: &str = "_FILE";
/// The longest file with a secret, in bytes.
const MAX_BYTES: u64 = 4 << 10;
/// Whoever is not the owner.
const OTHERS: u32 = 0o077;

/// A file with a secret that others than its owner may read or change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExposedFile {
    pub path: PathBuf,
    /// Its permissions, as `0o644`.
    pub mode: u32,
}

impl Config {
    /// The files with secrets that others may read or change. Blocks.
    pub fn exposed_files(&self) -> Vec<ExposedFile> {
        let mode = |path: &Path| metadata(path).map(|found| found.permissions().mode() & 0o7777);
        let files = self.secret_files.iter().filter_map(|path| Some((path, mode(path).ok()?)));
        files
            .filter(|(_, mode)| mode & OTHERS != 0)
            .map(|(path, mode)| ExposedFile { path: path.clone(), mode })
            .collect()
    }
}

/// The secret in a file, without the ends of lines that follow it.
///
/// # Errors
/// It can't be read, is not text, has nothing in it, or is too long.
pub(super) fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(MAX_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(io::Error::new(ErrorKind::InvalidData, format!("it has more than {MAX_BYTES} bytes")));
    }
    let secret = text.trim_end_matches(['\r', '\n']);
    if secret.is_empty() {
        return Err(io::Error::new(ErrorKind::InvalidData, "there is nothing in it"));
    }
    Ok(secret.to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::{ConfigError, Origin, Sources, load};
    use super::*;
    use std::fs::{self, Permissions};

    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn file(&self, name: &str, text: &[u8], mode: u32) -> String {
            let path = self.0.path().join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            path.to_str().unwrap().to_owned()
        }

        fn load(&self, file: &str, environment: &[(&str, &str)]) -> Result<Config, ConfigError> {
            let environment = environment.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
            load(&Sources { file: Some(file.into()), environment, ..Sources::default() })
        }
    }

    #[test]
    fn a_secret_is_read_from_the_file_that_its_variable_names() {
        let folder = Folder::new();
        let id = folder.file("id", b"operator\n", 0o600);
        let secret = folder.file("secret", b" with spaces \r\n\n", 0o600);
        let cluster = folder.file("cluster", SECRET.as_bytes(), 0o600);
        let names = [
            ("WEIR_ROOT_ACCESS_KEY_FILE", &*id),
            ("WEIR_GATEWAY_SECRET_KEY_FILE", &secret),
            ("WEIR_CLUSTER_SECRET_FILE", &cluster),
        ];
        let config = folder.load("/dev/null", &names).unwrap();
        assert_eq!((&*config.gateway.access_key, &*config.gateway.secret_key), ("operator", " with spaces "));
        assert_eq!(config.service.cluster_secret, SECRET);
        assert_eq!(config.origin("cluster_secret"), &Origin::Environment("WEIR_CLUSTER_SECRET_FILE".into()));
        assert_eq!(config.exposed_files(), []);
    }

    #[test]
    fn a_secret_is_given_in_one_way() {
        let folder = Folder::new();
        let cluster = folder.file("cluster", SECRET.as_bytes(), 0o600);
        for value in [SECRET, ""] {
            let both = [("WEIR_CLUSTER_SECRET", value), ("WEIR_CLUSTER_SECRET_FILE", &*cluster)];
            let error = folder.load("/dev/null", &both).unwrap_err().to_string();
            assert_eq!(error, "WEIR_CLUSTER_SECRET and WEIR_CLUSTER_SECRET_FILE are both set: one of them has to go");
        }
        let both = [("WEIR_GATEWAY_SECRET_KEY_FILE", &*cluster), ("WEIR_ROOT_SECRET_KEY", "hush-hush")];
        assert!(matches!(folder.load("/dev/null", &both), Err(ConfigError::BothForms(..))));
        let other = [("WEIR_GATEWAY_SECRET_KEY_FILE", &*cluster), ("WEIR_ROOT_SECRET_KEY_FILE", "/other")];
        assert!(matches!(folder.load("/dev/null", &other), Err(ConfigError::Twice(..))));
    }

    #[test]
    fn a_file_without_a_secret_is_named() {
        let folder = Folder::new();
        for (name, text) in [("empty", &b"\n"[..]), ("long", &[b'x'; 5_000]), ("odd", &[0xFF])] {
            let path = folder.file(name, text, 0o600);
            let error = folder.load("/dev/null", &[("WEIR_ROOT_SECRET_KEY_FILE", &path)]).unwrap_err();
            assert!(
                matches!(&error, ConfigError::SecretFile { path: named, .. } if *named == Path::new(&path)),
                "{name}"
            );
            assert!(error.to_string().contains("WEIR_ROOT_SECRET_KEY_FILE"), "{error}");
        }
        for path in ["", "/no/such/file", "/"] {
            let missing = folder.load("/dev/null", &[("WEIR_ROOT_SECRET_KEY_FILE", path)]);
            assert!(matches!(missing, Err(ConfigError::SecretFile { .. })), "{path}");
        }
        let no_secret = folder.load("/dev/null", &[("WEIR_GATEWAY_REGION_FILE", "/etc/hostname")]);
        assert!(matches!(no_secret, Err(ConfigError::UnknownKey { .. })), "only secrets come from files");
        let short = folder.file("short", b"too short", 0o600);
        let error = folder.load("/dev/null", &[("WEIR_CLUSTER_SECRET_FILE", &short)]).unwrap_err().to_string();
        assert!(error.contains("WEIR_CLUSTER_SECRET_FILE") && !error.contains("too short"), "{error}");
    }

    #[test]
    fn files_with_secrets_that_others_can_read_are_told_of() {
        let folder = Folder::new();
        let exposed = |config: Config| {
            let files = config.exposed_files().into_iter();
            files
                .map(|file| (file.path.file_name().unwrap().to_str().unwrap().to_owned(), file.mode))
                .collect::<Vec<_>>()
        };
        let text = format!(
            "cluster_secret = \"{SECRET}\"\n[gateway]\naccess_key = \"operator\"\nsecret_key = \"hush-hush\"\n"
        );
        let file = folder.file("weir.toml", text.as_bytes(), 0o644);
        assert_eq!(exposed(folder.load(&file, &[]).unwrap()), [("weir.toml".into(), 0o644)], "it is told once");
        let file = folder.file("weir.toml", text.as_bytes(), 0o600);
        assert_eq!(exposed(folder.load(&file, &[]).unwrap()), []);
        let harmless = folder.file("weir.toml", b"cluster_secret = \"\"\nlog = \"warn\"", 0o666);
        let secret = folder.file("secret", SECRET.as_bytes(), 0o440);
        let loaded = folder.load(&harmless, &[("WEIR_CLUSTER_SECRET_FILE", &secret)]).unwrap();
        assert_eq!(exposed(loaded), [("secret".into(), 0o440)]);
    }
}
