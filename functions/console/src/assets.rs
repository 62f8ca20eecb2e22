//! Style, script, fonts and area names: files made when the function is packaged, read once at start.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use axum::body::Body;
use axum::extract;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use crate::Shared;
use crate::picture::Level;

/// An area with its name.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct AreaName {
    /// ODS code.
    pub code: String,
    /// Name.
    pub name: String,
    /// Level.
    pub level: Level,
}

#[derive(Deserialize)]
struct AreasFile {
    areas: Vec<AreaName>,
}

#[derive(Debug, Clone)]
struct Asset {
    content_type: &'static str,
    is_hashed: bool,
    bytes: Vec<u8>,
    /// The same by gzip, where the build made it (`{name}.gz`).
    packed: Option<Vec<u8>>,
}

/// The assets of this package.
#[derive(Debug, Clone, Default)]
pub struct Assets {
    /// `app.js` → `app.3f2a….js`.
    names: BTreeMap<String, String>,
    files: HashMap<String, Asset>,
    areas: HashMap<(Level, String), String>,
}

impl Assets {
    /// The folder from the environment: `IMS_CONSOLE_ASSETS`, else `assets` beside the function.
    #[must_use]
    pub fn folder() -> Option<PathBuf> {
        let beside = || std::env::var_os("LAMBDA_TASK_ROOT").map(|root| Path::new(&root).join("assets"));
        std::env::var_os("IMS_CONSOLE_ASSETS").filter(|value| !value.is_empty()).map(PathBuf::from).or_else(beside)
    }

    /// Reads a folder. Without one the pages are served without style and scripts; the log says so.
    #[must_use]
    pub fn read(folder: Option<&Path>) -> Self {
        let Some(folder) = folder else {
            tracing::warn!("no assets folder is configured; pages are served without style and scripts");
            return Self::default();
        };
        match Self::from_folder(folder) {
            Ok(assets) => assets,
            Err(error) => {
                tracing::warn!(folder = %folder.display(), %error, "assets cannot be read; pages are served without");
                Self::default()
            }
        }
    }

    fn from_folder(folder: &Path) -> std::io::Result<Self> {
        let names: BTreeMap<String, String> = serde_json::from_slice(&std::fs::read(folder.join("manifest.json"))?)?;
        let mut assets = Self { names, ..Self::default() };
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            let (true, Some(name)) = (path.is_file(), path.file_name().and_then(|name| name.to_str())) else {
                continue;
            };
            if name.ends_with(".gz") {
                continue;
            }
            let bytes = std::fs::read(&path)?;
            let packed = std::fs::read(folder.join(format!("{name}.gz"))).ok();
            let is_hashed = assets.names.iter().any(|(plain, hashed)| hashed == name && plain != name);
            assets.files.insert(name.to_owned(), Asset { content_type: content_type(name), is_hashed, bytes, packed });
        }
        let areas = assets.names.get("areas.json").map_or("areas.json", String::as_str);
        match assets.files.get(areas).map(|file| serde_json::from_slice::<AreasFile>(&file.bytes)) {
            Some(Ok(file)) => {
                assets.areas = file.areas.into_iter().map(|area| ((area.level, area.code), area.name)).collect();
            }
            Some(Err(error)) => tracing::warn!(%error, "areas.json cannot be read; areas are shown by code"),
            None => tracing::warn!("there is no areas.json; areas are shown by code"),
        }
        Ok(assets)
    }

    /// The hashed file name of an asset, where there is one.
    #[must_use]
    pub fn name(&self, plain: &str) -> Option<&str> {
        self.names.get(plain).map(String::as_str)
    }

    /// The name of an area; its code where no name is known.
    #[must_use]
    pub fn area_name<'a>(&'a self, level: Level, code: &'a str) -> &'a str {
        match (level, code) {
            (Level::Nation, _) => "England",
            (_, "unknown") => "Area not known",
            _ => self.areas.get(&(level, code.to_owned())).map_or(code, String::as_str),
        }
    }

    fn answer(&self, name: &str, headers: &HeaderMap) -> Response {
        let Some(asset) = self.files.get(name) else {
            return (StatusCode::NOT_FOUND, "There is no such file.").into_response();
        };
        let accepted = headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let packed = asset.packed.as_ref().filter(|_| takes_gzip(accepted));
        let mut response = Response::new(Body::from(packed.unwrap_or(&asset.bytes).clone()));
        let answered = response.headers_mut();
        answered.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.content_type));
        answered.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
        if packed.is_some() {
            answered.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        // A hashed name never changes its content.
        let kept = if asset.is_hashed { "public, max-age=31536000, immutable" } else { "no-cache" };
        answered.insert(header::CACHE_CONTROL, HeaderValue::from_static(kept));
        response
    }
}

/// Answers `/assets/{file}`.
pub(crate) async fn serve(
    extract::State(console): extract::State<Shared>,
    extract::Path(name): extract::Path<String>,
    headers: HeaderMap,
) -> Response {
    console.assets().answer(&name, &headers)
}

fn takes_gzip(accepted: &str) -> bool {
    accepted.split(',').any(|coding| {
        let (name, weight) = coding.split_once(';').map_or((coding, ""), |(name, weight)| (name, weight.trim()));
        name.trim() == "gzip" && !matches!(weight, "q=0" | "q=0.0" | "q=0.00" | "q=0.000")
    })
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "json" => "application/json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "woff" => "font/woff",
        "txt" | "md" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
