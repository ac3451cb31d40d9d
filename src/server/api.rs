//! The API for programs beside the server, `/v1` (docs/API.md): rooms, people, things and events
//! over HTTP, with a key.

pub(crate) mod ask;
mod events;
mod formats;
pub(crate) mod keys;
mod people;
pub(crate) mod problem;
mod rooms;
mod sources;
pub(crate) mod state;
mod things;

pub use self::keys::{ApiKeys, ApiKeysError, ApiRight, MIN_API_KEY, new_api_key};
pub(crate) use self::state::ROOT;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, delete, get, post, put};
use http::{StatusCode, header};

use crate::api::problem::Problem;
use crate::api::state::Api;
use crate::context::ServerContext;
use crate::files::Shown;

/// The API in OpenAPI 3.1.
const OPENAPI: &str = include_str!("api/openapi.json");

/// A path of the API below [`ROOT`], the methods that it has in the document, and what answers.
type Route = (&'static str, &'static [&'static str], MethodRouter<Arc<Api>>);

/// The routes that need a key.
fn routes() -> Vec<Route> {
    vec![
        ("/rooms", &["get"], get(rooms::list)),
        ("/rooms/{room}", &["get", "delete"], get(rooms::look).delete(rooms::close)),
        ("/rooms/{room}/people/{id}", &["delete"], delete(rooms::remove)),
        ("/rooms/{room}/messages", &["post"], post(rooms::say)),
        ("/rooms/{room}/announcement", &["put"], put(rooms::announce)),
        ("/rooms/{room}/things", &["post"], post(things::put_many)),
        (
            "/rooms/{room}/things/{id}",
            &["put", "post", "delete"],
            put(things::put).post(things::put).delete(things::remove),
        ),
        ("/events", &["get"], get(events::read)),
    ]
}

/// The routes of apps that say their key in a way of their own: in the path, or as a password.
fn sources() -> Vec<Route> {
    vec![
        (
            "/osmand/{key}",
            &["get", "post"],
            get(sources::osmand::report).post(sources::osmand::report),
        ),
        ("/owntracks", &["post"], post(sources::owntracks::report)),
    ]
}

/// The API's routes, to be put at [`ROOT`].
pub(crate) fn router(context: Arc<ServerContext>, keys: Arc<Shown<ApiKeys>>) -> Router {
    let api = Api::new(context, keys);
    let mut router = Router::new();
    for (path, _, answers) in routes() {
        router = router.route(path, answers);
    }
    router = router
        .fallback(async || {
            Problem::nothing("the API has no such path; see /v1/openapi.json or docs/API.md")
        })
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn_with_state(Arc::clone(&api), ask::authorize));
    for (path, _, answers) in sources() {
        router = router.route(path, answers);
    }
    router
        // What the API is, is no secret.
        .route(
            "/openapi.json",
            get(async || ([(header::CONTENT_TYPE, "application/json")], OPENAPI)),
        )
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn_with_state(Arc::clone(&api), ask::finish))
        .with_state(api)
}

async fn wrong_method() -> Problem {
    let detail = "this path has other methods; they are in the Allow header";
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_document_has_the_routes_and_no_others() {
        let document: serde_json::Value = serde_json::from_str(OPENAPI).unwrap();
        let paths = document["paths"].as_object().unwrap();
        let methods = ["get", "put", "post", "delete", "patch", "head", "options", "trace"];
        let documented: BTreeSet<_> = paths
            .iter()
            .flat_map(|(path, item)| {
                let has = move |method: &&str| item.get(*method).is_some();
                methods.into_iter().filter(has).map(move |method| (path.clone(), method))
            })
            .collect();
        let served: BTreeSet<_> = routes()
            .into_iter()
            .chain(sources())
            .flat_map(|(path, methods, _)| {
                methods.iter().map(move |it| (format!("{ROOT}{path}"), *it))
            })
            .chain([(format!("{ROOT}/openapi.json"), "get")])
            .collect();
        assert_eq!(documented, served);
    }
}
