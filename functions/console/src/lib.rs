//! The staff console: pages rendered on the server, complete without scripts; `app.js` draws charts and refreshes.
//!
//! Most rooms show campaigns, waves, counts and the state of the system, and no person. Person and Audit write an audit
//! entry before they disclose anything, with the reason that was given; so does an acknowledgement that names rows.
//!
//! Only a sandbox has a sign-in: a staff token of its issuer, kept in a cookie. At any other stage the console refuses
//! to start until a real sign-in is configured.

pub mod assets;
mod audit;
mod campaigns;
mod drafts;
mod feeds;
mod form;
pub mod headers;
mod layout;
mod live;
mod matching;
mod messages;
mod person;
pub mod picture;
mod plan;
pub mod rooms;
pub mod session;
mod sign_in;
mod source;
mod system;
mod watched;
mod wave;
mod waves;
mod words;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, Uri};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use ims_runtime::auth::{AuthError, Verifier};
use ims_runtime::settings::{self, SettingsError};
use thiserror::Error;

pub use assets::Assets;
pub use live::Live;
pub use source::{
    CampaignRecord, FileRuling, Matched, MatchedFile, MatchingList, PersonFile, QueueDepth, SnapshotState, Source,
    SourceError, WaveOrder,
};

use layout::{Frame, Problem};
use picture::{Picture, PictureError};
use rooms::Room;
use session::Staff;
use source::Kept;

/// How long a picture file and the list of campaigns are believed.
const FRESH: Duration = Duration::from_secs(5);

/// Path of the API's route to the console, whatever the path is by which browsers come to it.
const MOUNT: &str = "/console";

/// What every handler works with.
pub(crate) type Shared = Arc<Console>;

/// Why the console cannot start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The stage has no sign-in for staff.
    #[error(
        "no staff sign-in is configured for stage '{0}': the sandbox's tokens are not for it; the console refuses to start"
    )]
    NoSignIn(String),
    /// A variable is missing or cannot be used.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The issuer's keys cannot be used.
    #[error(transparent)]
    Auth(#[from] AuthError),
}

/// The console: where it is served, who may come in, where its data comes from.
pub struct Console {
    base: String,
    origin: Option<String>,
    verifier: Verifier,
    assets: Assets,
    source: Box<dyn Source>,
    pictures: Kept<Arc<Picture>>,
    campaigns: Kept<Arc<Vec<CampaignRecord>>>,
}

impl Console {
    /// A console with settings from the environment: `IMS_TOKEN_KEYS`; `IMS_CONSOLE_BASE`, `/console` by default;
    /// `IMS_CONSOLE_ORIGIN`, such as `http://127.0.0.1:8080`, where the browser's origin is not the host asked for.
    ///
    /// # Errors
    /// Where the stage has no sign-in for staff, or a variable is missing or cannot be used.
    pub fn from_env(stage: &str, source: Box<dyn Source>) -> Result<Self, StartError> {
        let keys = settings::required("IMS_TOKEN_KEYS")?;
        let folder = Assets::folder();
        let base = settings::optional("IMS_CONSOLE_BASE").unwrap_or_else(|| "/console".to_owned());
        let console = Self::new(stage, &base, &keys, Assets::read(folder.as_deref()), source)?;
        Ok(Self {
            origin: settings::optional("IMS_CONSOLE_ORIGIN").map(|origin| origin.trim_end_matches('/').to_owned()),
            ..console
        })
    }

    /// A console at a base path (empty for the root) with the issuer's public keys.
    ///
    /// # Errors
    /// Where the stage has no sign-in for staff, or the base path or a key cannot be used.
    pub fn new(
        stage: &str,
        base: &str,
        public_keys: &str,
        assets: Assets,
        source: Box<dyn Source>,
    ) -> Result<Self, StartError> {
        if stage != "sandbox" {
            return Err(StartError::NoSignIn(stage.to_owned()));
        }
        let base = base.trim_end_matches('/');
        let fits = |letter: char| letter.is_ascii_alphanumeric() || "/-_.".contains(letter);
        if !(base.is_empty() || base.starts_with('/')) || base.contains("//") || !base.chars().all(fits) {
            return Err(StartError::Settings(SettingsError::Invalid {
                name: "IMS_CONSOLE_BASE".to_owned(),
                value: base.to_owned(),
                why: "it must be a path such as /console".to_owned(),
            }));
        }
        Ok(Self {
            base: base.to_owned(),
            origin: None,
            verifier: Verifier::new(public_keys)?,
            assets,
            source,
            pictures: Kept::new(FRESH),
            campaigns: Kept::new(FRESH),
        })
    }

    pub(crate) fn origin(&self) -> Option<&str> {
        self.origin.as_deref()
    }

    pub(crate) fn assets(&self) -> &Assets {
        &self.assets
    }

    pub(crate) fn source(&self) -> &dyn Source {
        &*self.source
    }

    pub(crate) fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// An address of the console from a path below its base.
    pub(crate) fn link(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// The path that the session cookie is for.
    pub(crate) fn cookie_path(&self) -> &str {
        if self.base.is_empty() { "/" } else { &self.base }
    }

    /// All campaigns with their waves.
    pub(crate) async fn campaigns(&self) -> Result<Arc<Vec<CampaignRecord>>, SourceError> {
        if let Some(kept) = self.campaigns.get("") {
            return Ok(kept);
        }
        let read = Arc::new(self.source.campaigns().await?);
        self.campaigns.keep("", Arc::clone(&read));
        Ok(read)
    }

    /// A campaign's picture file, where there is one.
    pub(crate) async fn picture(&self, campaign: &str) -> Result<Option<Arc<Picture>>, PictureError> {
        if let Some(kept) = self.pictures.get(campaign) {
            return Ok(Some(kept));
        }
        let Some(bytes) = self.source.picture(campaign).await? else { return Ok(None) };
        let mut picture = Picture::parse(&bytes)?;
        if let Some((manifest, checked)) = self.source.checked().await?
            && manifest == picture.manifest
        {
            picture.watermark = picture.watermark.max(checked);
        }
        let picture = Arc::new(picture);
        self.pictures.keep(campaign, Arc::clone(&picture));
        Ok(Some(picture))
    }
}

/// The console's pages.
pub fn router(console: Arc<Console>) -> Router {
    let rooms = room(&console, Room::Picture, &[("/picture", get(picture::page)), ("/picture.csv", get(picture::csv))])
        .merge(room(
            &console,
            Room::Campaigns,
            &[
                ("/campaigns", get(campaigns::all)),
                ("/campaigns/{campaign}", get(campaigns::one)),
                ("/campaigns/{campaign}/drafts", get(drafts::edit).post(drafts::submit)),
                ("/campaigns/{campaign}/drafts/{draft}", get(drafts::one).post(drafts::again)),
                ("/campaigns/{campaign}/drafts/{draft}/examples", get(drafts::examples)),
                ("/campaigns/{campaign}/drafts/{draft}/remove", get(drafts::ask_remove).post(drafts::remove)),
            ],
        ))
        .merge(room(
            &console,
            Room::Waves,
            &[
                ("/waves", get(waves::page)),
                ("/waves/plan", get(plan::choose).post(plan::count)),
                ("/waves/plan/{campaign}/{draft}", get(plan::one).post(plan::adopt)),
                ("/waves/{campaign}/{wave}", get(wave::one).post(wave::act)),
            ],
        ))
        .merge(room(
            &console,
            Room::Messages,
            &[("/messages", get(messages::page)), ("/messages/templates/{name}", get(messages::template))],
        ))
        .merge(room(
            &console,
            Room::Person,
            &[
                ("/person", get(person::ask).post(person::search)),
                ("/person/{id}", get(person::open).post(person::give_reason)),
            ],
        ))
        .merge(room(
            &console,
            Room::Matching,
            &[("/matching", get(matching::all)), ("/matching/{record}", get(matching::one).post(matching::act))],
        ))
        .merge(room(
            &console,
            Room::Feeds,
            &[
                ("/feeds", get(feeds::all)),
                ("/feeds/{file}", get(feeds::one).post(feeds::decide)),
                ("/feeds/{file}/{acknowledgement}", get(feeds::download)),
            ],
        ))
        .merge(room(
            &console,
            Room::Audit,
            &[
                ("/audit", get(audit::ask)),
                ("/audit/person", get(audit::ask).post(audit::of_person)),
                ("/audit/actor", get(audit::ask).post(audit::of_actor)),
            ],
        ))
        .merge(room(&console, Room::System, &[("/system", get(system::page))]));
    let pages = Router::new()
        .route("/", get(sign_in::home))
        .route("/sign-in", get(sign_in::form).post(sign_in::submit))
        .route("/sign-out", post(sign_in::out))
        .route("/assets/{file}", get(assets::serve))
        .route("/_status", get(async || axum::Json(serde_json::json!({"status": "pass"}))))
        .merge(rooms)
        .fallback(nowhere);
    // A nested root is not found with a slash at its end.
    let all = Router::new().route(&format!("{MOUNT}/"), get(sign_in::home)).nest(MOUNT, pages).fallback(nowhere);
    all.layer(from_fn_with_state(Arc::clone(&console), headers::own_posts))
        .layer(from_fn(note))
        .layer(from_fn_with_state(Arc::clone(&console), headers::secure))
        .with_state(console)
}

/// The routes of a room, behind its door.
fn room(console: &Shared, room: Room, routes: &[(&str, axum::routing::MethodRouter<Shared>)]) -> Router<Shared> {
    let router = routes.iter().fold(Router::new(), |router, (path, method)| router.route(path, method.clone()));
    router.route_layer(from_fn_with_state((Arc::clone(console), room), door))
}

/// Lets in who is signed in with a role that may enter; the rest are sent to sign in, or told who may.
async fn door(State((console, room)): State<(Shared, Room)>, mut request: Request, next: Next) -> Response {
    let token = session::cookie(request.headers());
    let staff = match token.map(|token| session::staff(&console.verifier, token)) {
        Some(Ok(staff)) => staff,
        refused => return sign_in::ask(&console, request.uri(), refused.is_some()),
    };
    if !room.admits(staff.role) {
        if room == Room::Person {
            person::note_refused(&console, &staff, request.uri().path()).await;
        }
        if room == Room::Matching {
            matching::note_refused(&console, &staff, request.uri().path()).await;
        }
        return refused(&console, &staff, room);
    }
    request.extensions_mut().insert(staff);
    next.run(request).await
}

fn refused(console: &Console, staff: &Staff, room: Room) -> Response {
    let roles: Vec<String> = room.roles().iter().map(|role| role.name().to_owned()).collect();
    let frame = Frame { console, staff: Some(staff), room: None, title: "You may not enter this room" };
    Problem::new(
        StatusCode::FORBIDDEN,
        "You may not enter this room",
        format!(
            "{} is for these roles: {}. You are signed in as {} with the role {}.",
            room.name(),
            words::list(&roles),
            staff.name,
            staff.role.name()
        ),
    )
    .then("If you need it, ask for one of these roles, sign out, and sign in with the new token.")
    .link(console.link("/"), "Go to your first room")
    .respond(&frame)
}

async fn nowhere(State(console): State<Shared>, uri: Uri, request: Request) -> Response {
    let staff = session::cookie(request.headers()).and_then(|token| session::staff(&console.verifier, token).ok());
    let frame = Frame { console: &console, staff: staff.as_ref(), room: None, title: "Page not found" };
    Problem::new(StatusCode::NOT_FOUND, "Page not found", format!("There is no page '{}'.", uri.path()))
        .then("If you typed the address, check that it is right.")
        .link(console.link("/"), "Go to your first room")
        .respond(&frame)
}

/// One log line a request; the query stays out of it, since a sign-in link carries a token.
async fn note(request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let begun = std::time::Instant::now();
    let response = next.run(request).await.into_response();
    let milliseconds = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    tracing::info!(%method, path, status = response.status().as_u16(), milliseconds, "answered");
    response
}

#[cfg(test)]
mod tests;
